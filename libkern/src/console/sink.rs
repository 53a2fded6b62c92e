//! Devices that take console output, and the right to give it to them.

use core::cell::UnsafeCell;

/// The turn to use the sinks: whoever has it is the only one.
///
/// It is what the drainer's lock protects. Sinks ask for it so that they need no lock of their own, which a stopped
/// core could keep from a panic.
///
/// # Invariants
///
/// At any time at most one core uses a turn for a given sink; of two that exist, one is in the hands of a core that was
/// stopped for good.
#[derive(Debug)]
pub struct Turn {
    _private: (),
}

impl Turn {
    /// The turn.
    ///
    /// # Safety
    ///
    /// Nobody else uses a turn for the sinks that this one is given to, as long as it lives.
    pub unsafe fn new() -> Self {
        // INVARIANT: the caller says so.
        Self { _private: () }
    }
}

/// A device that takes console output.
pub trait Sink: Sync {
    /// Gives the device the first of `bytes`, as many as it takes without waiting; how many that were. It may be 0.
    ///
    /// The bytes are text with `\n` between lines, but a call may end inside a character. Called in any context, with
    /// interrupts on or off.
    fn write(&self, bytes: &[u8], turn: &mut Turn) -> usize;

    /// The writer is done for now: shows what was held back.
    fn flush(&self, turn: &mut Turn) {
        let _ = turn;
    }
}

/// A sink's own state, for whoever has the turn.
#[derive(Debug)]
pub struct TurnCell<T>(UnsafeCell<T>);

// SAFETY: a reference to the content needs a `Turn`, of which at most one is in use.
unsafe impl<T: Send> Sync for TurnCell<T> {}

impl<T> TurnCell<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The content, for as long as the turn is borrowed.
    #[allow(clippy::mut_from_ref, reason = "the turn is what is borrowed exclusively")]
    pub fn get<'a>(&'a self, _turn: &'a mut Turn) -> &'a mut T {
        // SAFETY: by its invariant there is no other turn in use, and this one is borrowed for as long as what is
        // returned.
        unsafe { &mut *self.0.get() }
    }
}
