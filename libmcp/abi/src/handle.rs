//! Handles: what a process calls the things that it was passed.
//!
//! A process reaches only what it was passed, and does with it only what the handle allows. (DESIGN, section 8.)

use core::fmt;
use core::ops::BitOr;

/// The most handles that a process can have.
pub const MAX_HANDLES: usize = 256;

/// The most handles that wait at one end of a channel for whoever receives them.
pub const MAX_IN_TRANSIT: usize = 16;

/// What may be done with a handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Rights(u32);

impl Rights {
    /// Nothing.
    pub const NONE: Rights = Rights(0);
    /// Reading; receiving.
    pub const READ: Rights = Rights(1);
    /// Writing; signalling, and transferring by it.
    pub const WRITE: Rights = Rights(1 << 1);
    /// Mapping, as far as it may be read and written.
    pub const MAP: Rights = Rights(1 << 2);
    /// Acting on a process.
    pub const CONTROL: Rights = Rights(1 << 3);
    /// Having another handle made of it.
    pub const DUPLICATE: Rights = Rights(1 << 4);
    /// Giving it away.
    pub const TRANSFER: Rights = Rights(1 << 5);
    /// All of them.
    pub const ALL: Rights = Rights((1 << 6) - 1);

    /// These bits, if each is a right.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Rights> {
        if bits & !(Rights::ALL.0 as u64) == 0 { Some(Rights(bits as u32)) } else { None }
    }

    /// As bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0 as u64
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn contains(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn intersection(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    /// Those that are in either.
    #[must_use]
    pub const fn union(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

impl BitOr for Rights {
    type Output = Rights;

    fn bitor(self, other: Rights) -> Rights {
        self.union(other)
    }
}

/// What a process calls something that it was passed. A handle that was closed names nothing, also when its place in the
/// table is used again: then the generation is another one, until it has wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Handle(u32);

impl Handle {
    /// The handle in place `index` of the table, of that generation.
    ///
    /// # Panics
    /// If there is no such place.
    #[must_use]
    pub const fn new(index: usize, generation: u16) -> Handle {
        assert!(index < MAX_HANDLES, "a table of handles has 256 places");
        Handle((generation as u32) << 16 | index as u32)
    }

    /// What the parent passed as the n-th thing, counted from 0, as long as it was not closed.
    ///
    /// # Panics
    /// If a process cannot have so many.
    #[must_use]
    pub const fn passed(n: usize) -> Handle {
        Handle::new(n, 1)
    }

    /// Its place in the table. May be beyond the end: processes make handles of whatever they like.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// Which use of that place.
    #[must_use]
    pub const fn generation(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The handle as an argument or a result.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.0 as u64
    }

    /// The handle of a word, if it may be one.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Handle> {
        if word <= u32::MAX as u64 { Some(Handle(word as u32)) } else { None }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({}, {})", self.index(), self.generation())
    }
}

/// How a process ended, as its controller reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ended {
    /// One of [`ended`].
    pub how: u64,
    /// Of `STATUS` the status, of `FAULT` the vector, of `DENIED` the call's number, of `OUT_OF_MEMORY` the address.
    pub value: u64,
}

/// Values of [`Ended::how`].
pub mod ended {
    /// It said so.
    pub const STATUS: u64 = 0;
    /// A controller wanted that.
    pub const KILLED: u64 = 1;
    /// It did what it must not.
    pub const FAULT: u64 = 2;
    /// It made a call that it was not given.
    pub const DENIED: u64 = 3;
    /// A page could not be had.
    pub const OUT_OF_MEMORY: u64 = 4;
    /// It was on a core for as long as it may.
    pub const TIME_LIMIT: u64 = 5;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_bits_and_nothing_else_is() {
        let some = Rights::READ | Rights::MAP;
        assert!(
            some.contains(Rights::MAP) && some.contains(Rights::NONE) && !some.contains(Rights::READ | Rights::WRITE)
        );
        assert_eq!(some.intersection(Rights::MAP | Rights::WRITE), Rights::MAP);
        assert_eq!(Rights::from_bits(some.bits()), Some(some));
        for unknown in [1 << 6, 1 << 63, u64::MAX] {
            assert_eq!(Rights::from_bits(unknown), None);
        }
    }

    #[test]
    fn a_handle_is_its_place_and_generation() {
        for (index, generation) in [(0, 1), (255, 1), (7, u16::MAX)] {
            let handle = Handle::new(index, generation);
            assert_eq!((handle.index(), handle.generation()), (index, generation));
            assert_eq!(Handle::from_word(handle.to_word()), Some(handle));
        }
        assert_eq!(Handle::from_word(1 << 32), None);
        assert_ne!(Handle::passed(0).to_word(), 0, "a word that nobody has set is no handle");
    }
}
