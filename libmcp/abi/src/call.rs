//! System calls as a process and the kernel see them: a struct in the process's memory.
//!
//! A process fills in a [`Call`] and traps with its address. The kernel starts the call. If it blocks, the process goes on
//! at once, and [`flag::DONE`] is set later; if not, it is set when the trap returns. (DESIGN, section 8.)
//!
//! # The trap
//!
//! `syscall` with the address of the first call in `rdi` and their number in `rsi`, at most [`MAX_BATCH`], one behind the
//! other. In `rax` comes back how many the kernel has taken: none if the address or the number is not right. Registers are
//! as after a call of a C function, but that those it may change are zero, vector registers included; MXCSR and the x87
//! control word are kept.
//!
//! # Whose a call is
//!
//! The process's until the trap, then the kernel's until [`flag::DONE`] is set and [`flag::LOCK`] is not. Nothing bad
//! happens to the kernel if the process touches it meanwhile: it reads each word once, and believes none.

use core::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// The most calls that one trap may give.
pub const MAX_BATCH: usize = 64;

/// Numbers of calls lie below this.
pub const MAX_CALLS: usize = 256;

/// Arguments of a call.
pub const ARGUMENTS: usize = 5;

/// Bits of [`Call::flags`].
pub mod flag {
    /// The result is there.
    pub const DONE: u32 = 1;
    /// The kernel is about to post the event: whoever saw [`DONE`] waits for this to go. A byte of its own.
    pub const LOCK: u32 = 1 << 8;
    /// The kernel has taken the call.
    pub const STARTED: u32 = 1 << 16;
}

/// What calls do, by number. What each does with its arguments stands at its wrapper in `libmcp`.
pub mod number {
    /// Does nothing.
    pub const NULL: u32 = 0;
    /// Ends the process: status. First of a batch only. Does not return.
    pub const EXIT: u32 = 1;
    /// Lets other processes run. First of a batch only.
    pub const YIELD: u32 = 2;
    /// Waits for an event: deadline in nanoseconds of the kernel's clock, or 0 for none. First of a batch only.
    pub const WAIT: u32 = 3;
    /// Is done after so many nanoseconds, or, if they are `u64::MAX`, when it is ended by [`ABORT`]. Blocks.
    pub const SLEEP: u32 = 4;
    /// Ends a blocked call: its address.
    pub const ABORT: u32 = 5;
    /// Tells the time, in nanoseconds of the kernel's clock: for where [`Clock`](crate::process::Clock) does not.
    pub const NOW: u32 = 6;
    /// Maps memory: address or 0, length, rights, handle or [`ANONYMOUS`], offset. The result is the address.
    pub const MAP: u32 = 8;
    /// Unmaps: address, length. May block.
    pub const UNMAP: u32 = 9;
    /// Changes rights: address, length, rights. May block.
    pub const PROTECT: u32 = 10;
    /// Says which pages are in memory: address, length, where a byte for each page goes.
    pub const RESIDENT: u32 = 11;
    /// Closes a handle: the handle. May block.
    pub const CLOSE: u32 = 16;
    /// Makes another handle of the same thing: the handle, rights. The result is the handle.
    pub const DUPLICATE: u32 = 17;
    /// Reads a file: handle, address, length, offset. The result is how many bytes were read. Blocks.
    pub const READ: u32 = 18;
    /// Writes a file, or to a console: handle, address, length, offset. The result is how many bytes were written. Blocks.
    pub const WRITE: u32 = 19;
    /// Wakes those who have the other end of a channel: the handle of this end.
    pub const SIGNAL: u32 = 20;
    /// Gives a handle to whoever has the other end of a channel: the handle of this end, the handle, rights, a word that
    /// goes with it.
    pub const TRANSFER: u32 = 21;
    /// As [`SIGNAL`], and then, if that did not fail, as [`WAIT`] without a deadline. Whoever is woken by the one has the core
    /// that the other leaves, if nobody else waits for it. First of a batch only.
    pub const SIGNAL_AND_WAIT: u32 = 23;
    /// Receives a handle: the handle of this end, where the word goes. The result is the handle.
    pub const RECEIVE: u32 = 22;
    /// Writes to the process's console: address, length. The result is how many bytes were written.
    pub const WRITE_CONSOLE: u32 = 24;
    /// Where the process goes on when it has done what it must not: address, end of a stack. With address 0, nowhere.
    pub const SET_FAULT_HANDLER: u32 = 48;
    /// Goes on with the context in [`VcoreSlot::thread`](crate::process::VcoreSlot::thread). First of a batch only. Does not
    /// return.
    pub const RESUME: u32 = 49;

    /// Ends a process: its handle.
    pub const CHILD_KILL: u32 = 34;
    /// Waits until a process is gone: its handle, where what became of it goes ([`Ended`](crate::handle::Ended)). Blocks.
    pub const CHILD_WAIT: u32 = 35;

    /// Instead of a handle: memory of nobody else's.
    pub const ANONYMOUS: u64 = u64::MAX;
}

/// What may be done with memory, in arguments.
pub mod rights {
    /// Reading.
    pub const READ: u64 = 1;
    /// Writing; not together with [`EXECUTE`].
    pub const WRITE: u64 = 2;
    /// Executing.
    pub const EXECUTE: u64 = 4;
}

/// Why a call failed. In [`Call::result`] as its negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Error {
    /// There is no call of that number.
    NoSuchCall = 1,
    /// The process was not given this call.
    NotAllowed = 2,
    /// An address that the process may not use so.
    BadAddress = 3,
    /// An argument is not right.
    Invalid = 4,
    /// There is no memory.
    NoMemory = 5,
    /// The process has as much of something as it may.
    Limit = 6,
    /// There is no such handle.
    BadHandle = 7,
    /// The handle does not give that right.
    NoRight = 8,
    /// Somebody asked for the call to be ended.
    Aborted = 9,
    /// The time is up.
    TimedOut = 10,
    /// It would have to block, and was told not to.
    WouldBlock = 11,
    /// The other side is gone.
    Closed = 12,
    /// The call may only be the first of a batch.
    NotFirst = 13,
    /// The process is dying.
    Dying = 14,
    /// The caller does not control that process.
    NotController = 15,
}

impl Error {
    /// All of them, in the order of their numbers, which begin with 1.
    pub const ALL: [Error; 15] = [
        Error::NoSuchCall,
        Error::NotAllowed,
        Error::BadAddress,
        Error::Invalid,
        Error::NoMemory,
        Error::Limit,
        Error::BadHandle,
        Error::NoRight,
        Error::Aborted,
        Error::TimedOut,
        Error::WouldBlock,
        Error::Closed,
        Error::NotFirst,
        Error::Dying,
        Error::NotController,
    ];

    /// What `result` says.
    ///
    /// # Errors
    /// The error, if it says one. One that this version does not know is [`Error::Invalid`].
    pub fn check(result: i64) -> Result<u64, Error> {
        match u64::try_from(result) {
            Ok(value) => Ok(value),
            Err(_) => {
                let number = result.unsigned_abs().wrapping_sub(1);
                let known = usize::try_from(number).ok().and_then(|number| Error::ALL.get(number));
                Err(known.copied().unwrap_or(Error::Invalid))
            }
        }
    }

    /// The error as it stands in [`Call::result`].
    #[must_use]
    pub const fn to_result(self) -> i64 {
        -(self as i64)
    }
}

/// Which event tells that a call is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct EventTarget {
    /// The vcore that is told, plus one; 0 for no event.
    pub vcore_plus_one: u32,
    /// What the event carries.
    pub tag: u32,
}

/// A system call: one cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Call {
    /// One of [`number`].
    pub number: u32,
    /// Bits of [`flag`]. Zero before the trap.
    pub flags: AtomicU32,
    /// What the call wants to know.
    pub args: [u64; ARGUMENTS],
    /// What came of it: a value, or the negative of an [`Error`].
    pub result: AtomicI64,
    /// Who is told when it is done. Read by the kernel only then.
    pub event: EventTarget,
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Call>() == 64);
    assert!(offset_of!(Call, number) == 0 && offset_of!(Call, flags) == 4);
    assert!(offset_of!(Call, args) == 8 && offset_of!(Call, result) == 48 && offset_of!(Call, event) == 56);
};

impl Call {
    /// A call that nobody has made yet.
    #[must_use]
    pub const fn new(number: u32, args: [u64; ARGUMENTS]) -> Self {
        let event = EventTarget { vcore_plus_one: 0, tag: 0 };
        Self { number, flags: AtomicU32::new(0), args, result: AtomicI64::new(0), event }
    }

    /// Whether it is done, and the kernel has let go of it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        // Acquire: the result. Partner: the kernel's locked store of the flags.
        self.flags.load(Ordering::Acquire) & (flag::DONE | flag::LOCK) == flag::DONE
    }

    /// Whether it is done, but the kernel may not have let go of it: that comes by itself, in a moment, and without an event.
    #[must_use]
    pub fn has_outcome(&self) -> bool {
        // Acquire: the result. Partner: the kernel's locked store of the flags.
        self.flags.load(Ordering::Acquire) & flag::DONE != 0
    }

    /// Whether the kernel has taken it.
    #[must_use]
    pub fn is_started(&self) -> bool {
        // Relaxed: only the flag itself.
        self.flags.load(Ordering::Relaxed) & flag::STARTED != 0
    }

    /// What came of it, if it [`is_done`](Self::is_done).
    ///
    /// # Errors
    /// What the call failed with.
    pub fn outcome(&self) -> Result<u64, Error> {
        // Relaxed: after the acquire in `is_done`.
        Error::check(self.result.load(Ordering::Relaxed))
    }
}

/// A set of calls: which ones a process was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CallSet {
    words: [u64; MAX_CALLS / 64],
}

impl CallSet {
    /// No call.
    pub const NONE: CallSet = CallSet { words: [0; MAX_CALLS / 64] };
    /// Every call.
    pub const ALL: CallSet = CallSet { words: [u64::MAX; MAX_CALLS / 64] };

    /// These and `number`.
    ///
    /// # Panics
    /// If there is no such number.
    #[must_use]
    pub const fn with(mut self, number: u32) -> Self {
        assert!((number as usize) < MAX_CALLS, "numbers of calls are below 256");
        self.words[number as usize / 64] |= 1 << (number % 64);
        self
    }

    /// These but `number`.
    #[must_use]
    pub const fn without(mut self, number: u32) -> Self {
        if (number as usize) < MAX_CALLS {
            self.words[number as usize / 64] &= !(1 << (number % 64));
        }
        self
    }

    /// Whether `number` is one of them.
    #[inline(always)]
    #[must_use]
    pub const fn contains(&self, number: u32) -> bool {
        (number as usize) < MAX_CALLS && self.words[number as usize / 64] >> (number % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_comes_back_from_its_result() {
        for (error, number) in Error::ALL.into_iter().zip(1..) {
            assert_eq!(error.to_result(), -number);
            assert_eq!(Error::check(error.to_result()), Err(error));
        }
    }

    #[test]
    fn values_are_values_and_unknown_errors_are_errors() {
        assert_eq!(Error::check(0), Ok(0));
        assert_eq!(Error::check(i64::MAX), Ok(i64::MAX as u64));
        for unknown in [-16, -4096, i64::MIN] {
            assert_eq!(Error::check(unknown), Err(Error::Invalid));
        }
    }

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        let set = CallSet::NONE.with(0).with(63).with(64).with(255).without(63);
        let members = (0..1000).filter(|&number| set.contains(number));
        assert!(members.eq([0, 64, 255]));
        assert!((0..256).all(|number| CallSet::ALL.contains(number)));
        assert!(!CallSet::ALL.contains(256) && !CallSet::ALL.contains(u32::MAX));
    }

    #[test]
    fn a_call_is_done_when_it_is_not_locked_any_more() {
        let call = Call::new(number::NULL, [0; ARGUMENTS]);
        assert!(!call.is_done() && !call.has_outcome() && !call.is_started());
        call.flags.fetch_or(flag::STARTED | flag::DONE | flag::LOCK, Ordering::Relaxed);
        assert!(!call.is_done() && call.has_outcome() && call.is_started());
        call.flags.fetch_and(!flag::LOCK, Ordering::Relaxed);
        assert!(call.is_done());
    }

    #[test]
    fn the_lock_is_a_byte_of_its_own() {
        assert_eq!(flag::LOCK & 0xff00, flag::LOCK);
        assert_eq!((flag::DONE | flag::STARTED) & 0xff00, 0);
    }
}
