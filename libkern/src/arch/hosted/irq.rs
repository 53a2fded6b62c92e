//! Interrupts of a core that has none: a flag that tests can look at.

use std::sync::atomic::Ordering::Relaxed;

use super::cores::here;

/// Whether interrupts were on, as [`save_and_disable`] found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "interrupts stay off until the flags are restored"]
pub enum Flags {
    /// They were on.
    On,
    /// They were off.
    Off,
}

impl Flags {
    /// Whether they were on.
    #[must_use]
    pub fn were_on(self) -> bool {
        self == Flags::On
    }
}

/// Whether this core takes interrupts now.
#[must_use]
pub fn enabled() -> bool {
    here().interrupts_on.load(Relaxed)
}

/// Turns interrupts off and says whether they were on.
pub fn save_and_disable() -> Flags {
    let found = enabled();
    here().interrupts_on.store(false, Relaxed);
    if found { Flags::On } else { Flags::Off }
}

/// Puts interrupts back as they were.
///
/// # Safety
/// `flags` come from the innermost [`save_and_disable`] of this core that has not been restored yet, and no value that
/// vouches for interrupts being off outlives the call.
pub unsafe fn restore(flags: Flags) {
    if flags.were_on() {
        here().interrupts_on.store(true, Relaxed);
    }
}
