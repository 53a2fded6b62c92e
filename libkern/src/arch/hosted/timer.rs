//! A one-shot timer that interrupts nobody, but lets itself be looked at.

use std::cell::Cell;

use super::clock;

thread_local! {
    static ARMED_FOR: Cell<Option<u64>> = const { Cell::new(None) };
    static ACCESSES: Cell<usize> = const { Cell::new(0) };
}

/// Arms the calling thread's timer for `delay_ns` from now, replacing what was armed.
pub fn arm(delay_ns: u64) {
    ARMED_FOR.set(Some(clock::now_ns().saturating_add(delay_ns)));
    ACCESSES.set(ACCESSES.get() + 1);
}

/// Disarms the calling thread's timer.
pub fn disarm() {
    ARMED_FOR.set(None);
    ACCESSES.set(ACCESSES.get() + 1);
}

/// What the hardware does at that moment: the shot is spent.
pub fn expire() {
    if ARMED_FOR.get().is_some_and(|moment| moment <= clock::now_ns()) {
        ARMED_FOR.set(None);
    }
}

/// The moment for which the calling thread's timer is armed.
#[must_use]
pub fn armed_for() -> Option<u64> {
    ARMED_FOR.get()
}

/// How often the calling thread has armed or disarmed its timer.
#[must_use]
pub fn accesses() -> usize {
    ACCESSES.get()
}
