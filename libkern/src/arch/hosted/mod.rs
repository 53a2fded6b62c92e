//! The machine layer on the host: threads play cores, an allocation plays memory.
//!
//! Unit tests, property tests and loom models of every portable layer run on it, and so do the host tools that use
//! parts of `libkern`. It is not an emulator: nothing here interrupts anybody, and a test that wants to know what
//! happens when an interrupt lands in the middle of something calls the handler at that place.
//!
//! # What both backends offer
//!
//! Portable layers use these names and no others; `arch::x86_64` has the same with the real meaning.
//!
//! | name | meaning |
//! |---|---|
//! | [`MAX_CORES`] | the most cores there can be; core ids are dense and below it |
//! | [`PAGE_SIZE`] | bytes in a page and in a frame |
//! | [`core_id`] | the running core; stale after anything that may migrate |
//! | [`percore_delta`] | distance from the template of the per-core variables to the running core's copy |
//! | [`percore_base`] | the same for the core named; panics if it does not exist |
//! | [`depth`] | eight one-byte counters of the running core, changed by one instruction each |
//! | [`slot`] | five words of the running core, read by one instruction each |
//! | [`irq`] | whether this core takes interrupts: read, turn off, put back |
//! | [`clock`] | nanoseconds since some moment |
//! | [`timer`] | this core's one-shot timer: arm, disarm |
//! | [`user_tables`] | page tables of a process |
//! | [`relax`] | the body of a loop that waits for another core |
//! | [`direct_map_base`] | virtual address of physical address 0 |
//! | [`direct_map_len`] | bytes of physical memory, from 0, that the direct map reaches |
//!
//! The template of the per-core variables is never written once a second core may start: each core works on a copy,
//! made from the template as it was linked. (On the metal the boot core may run on the template itself until its own
//! copy exists, because nothing per-core that a second core must not inherit is in use by then: see
//! `mem::core_online`.)
//!
//! [`depth`] exists because of what one instruction can do that two cannot: `inc byte ptr gs:[..]` finds its core and
//! changes the counter in one step, so there is no moment at which the code that counts could have been moved to
//! another core with the first one's address in its hand. `sync::depth` gives the counters their meanings.
//!
//! # What only this backend offers
//!
//! [`enter_core`] makes the calling thread a particular core, for tests that need to say which; a thread that does not
//! is given a free core when it first asks for its id, and returns it when it ends.

mod block;
pub mod clock;
mod cores;
pub mod depth;
pub mod irq;
mod ram;
pub mod slot;
pub mod timer;
#[path = "../x86_64/user_tables.rs"]
pub mod user_tables;

pub use cores::{CoreGuard, core_id, enter_core, percore_base, percore_delta, try_enter_core};
pub use ram::{direct_map_base, direct_map_len};

/// The most threads that can be cores at the same time.
pub const MAX_CORES: usize = 64;

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;

/// Waits a moment for another core. Under loom, lets another thread of the model run.
#[inline(always)]
pub fn relax() {
    #[cfg(all(loom, test))]
    loom::thread::yield_now();
    #[cfg(not(all(loom, test)))]
    std::thread::yield_now();
}
