//! What libkern's portable parts cost on the host's processor, beside crates that one would use instead.
//!
//! What stands on the real machine alone is not here: a call stack is switched and a message sent without the interrupt
//! discipline around it. So these figures say whether a structure is a good one, not what a kernel costs; that is
//! counted in the guest.
//!
//! Prints a line for each comparison: name, peer, and nanoseconds per operation of each run, ours and then theirs, with tabs
//! between.

mod arch;
mod channel;
mod inbox;
mod kmsg;
mod metal;
mod runs;
mod switch;
mod sync;
mod timer;

fn main() {
    switch::compare();
    inbox::compare();
    channel::compare();
    timer::compare();
}
