//! The machine's console.

use core::fmt::{self, Write};

use conquer_once::spin::OnceCell;

use crate::arch;

use super::line::Line;
use super::sink::Sink;
use super::spool::{Drained, Seized, Spool, WhenFull};

/// Slots of 64 bytes: 16 KiB, which is 150 to 250 lines. A greeting from each of 288 cores at once is more, but those
/// who greet have interrupts on and help.
const SLOTS: usize = 256;

/// What an unhurried caller has drained at once, in bytes.
const BUDGET: usize = 4096;

/// How often [`flush`] looks without anything having left the ring.
const PATIENCE: u32 = 1_000_000;

static CONSOLE: Spool<SLOTS> = Spool::new();
static KICK: OnceCell<fn()> = OnceCell::uninit();

/// Prints `args`. What [`print!`](crate::print) does. Any context.
pub fn print(args: fmt::Arguments<'_>) {
    compose(|line| line.write_fmt(args));
}

/// Prints `args` and a line feed. What [`println!`](crate::println) does. Any context.
pub fn println(args: fmt::Arguments<'_>) {
    compose(|line| {
        line.write_fmt(args)?;
        line.write_char('\n')
    });
}

/// Prints what `text` writes. Any context.
pub(super) fn compose(mut text: impl FnMut(&mut dyn Write) -> fmt::Result) {
    // One copy of the rest for all callers.
    compose_dyn(&mut text);
}

fn compose_dyn(text: &mut dyn FnMut(&mut dyn Write) -> fmt::Result) {
    let kick = KICK.try_get().ok();
    let may_help = kick.is_none() || arch::irq::enabled();
    let when_full = if may_help { WhenFull::Help } else { WhenFull::Drop };
    let mut line = Line::new(|record: &[u8]| CONSOLE.write(record, when_full));
    // A line takes everything; what fails is an implementation of `Display`, and what it wrote so far is printed.
    let _ = text(&mut line);
    line.finish();
    match kick {
        Some(kick) => kick(),
        None => while drain(BUDGET) == Drained::More {},
    }
}

/// Gives each sink about `budget` bytes of what it has not had, as far as it takes them at once. For interrupt handlers
/// and idle cores. Any context; never waits.
pub fn drain(budget: usize) -> Drained {
    CONSOLE.drain(budget)
}

/// Waits until every line handed in before is out, or nothing has moved for about a second. Any context in which
/// waiting is acceptable.
pub fn flush() {
    CONSOLE.flush(PATIENCE);
}

/// Adds a device; false if there are [`MAX_SINKS`](super::MAX_SINKS) already. It gets what is still in the ring, so
/// lines from before there was a device are not lost. Waits for the drainer, so not in an interrupt handler.
pub fn add_sink(sink: &'static dyn Sink) -> bool {
    CONSOLE.add_sink(sink)
}

/// Says who is to be called after every line instead of draining it at once. `kick` is called in any context and should
/// be cheap. What comes second is ignored.
pub fn set_kick(kick: fn()) {
    // The only error is that there is one.
    let _ = KICK.try_init_once(|| kick);
}

/// Takes the console for a panic: what is written to the result goes straight to the devices, after everything that is
/// still in the ring.
///
/// # Safety
///
/// All other cores are stopped for good, and nothing that this core was doing goes on. Called once.
pub unsafe fn seize() -> Seized<'static> {
    // SAFETY: the contract is the same.
    unsafe { CONSOLE.seize() }
}
