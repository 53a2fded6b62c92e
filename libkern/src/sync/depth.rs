//! How deep this core is in things inside which it must not block or move.
//!
//! The counters are per core and change by one instruction each (`arch::depth`), so that they are right at every
//! instruction boundary, for the handler of whatever interrupts there. Four of the eight are given a meaning here; the
//! others are free.

use crate::arch;

/// Spin locks held: [`SpinLock`](super::SpinLock) and [`IrqSpinLock`](super::IrqSpinLock).
pub(crate) const LOCKS: usize = 0;
/// Values alive that vouch for interrupts being off.
pub(super) const IRQS_OFF: usize = 1;
/// One if interrupts were on when the first of those values came to be, else zero.
pub(super) const IRQS_WERE_ON: usize = 2;
/// Interrupt handlers that this core is in: none or one.
pub(crate) const HANDLER: usize = 3;
/// Calls into the heap that use this core's magazines, less one once the core has any. See `mem::heap::claim`. In the
/// second half of the counters: it keeps nobody from blocking.
pub(crate) const HEAP: usize = 4;

/// How many spin locks this core holds.
#[must_use]
pub fn locks_held() -> u8 {
    arch::depth::get::<LOCKS>()
}

/// How many values are alive on this core that vouch for interrupts being off. Handlers may have them off without any.
#[must_use]
pub fn interrupts_off() -> u8 {
    arch::depth::get::<IRQS_OFF>()
}

/// Whether nothing that is counted keeps code that runs here from blocking: no spin lock, no value that vouches for
/// interrupts being off, no interrupt handler. Two instructions.
#[inline(always)]
#[must_use]
pub fn may_block() -> bool {
    arch::depth::first_half_is_zero()
}
