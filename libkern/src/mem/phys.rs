//! Physical addresses, and where the direct map shows them.

use core::fmt;
use core::ptr;

use crate::arch::{self, PAGE_SIZE};

/// An address of physical memory or of a device.
///
/// A number and nothing more: having one gives no right to what is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// The address `address`.
    #[must_use]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// The address of frame `number`.
    #[must_use]
    pub(super) const fn of_frame(number: usize) -> Self {
        Self((number * PAGE_SIZE) as u64)
    }

    /// The address that a pointer into the direct map shows. Only for such pointers.
    #[must_use]
    pub fn from_direct_map<T: ?Sized>(pointer: *const T) -> Self {
        Self(pointer.addr().wrapping_sub(arch::direct_map_base()) as u64)
    }

    /// The number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of the frame that contains it.
    #[must_use]
    pub const fn frame(self) -> usize {
        self.0 as usize / PAGE_SIZE
    }

    /// Where the direct map shows it. Using the pointer is the caller's proof that the memory is theirs, and that it is
    /// memory at all: the direct map has nothing at the addresses of devices.
    #[must_use]
    #[inline(always)]
    pub fn to_ptr<T>(self) -> *mut T {
        ptr::with_exposed_provenance_mut(arch::direct_map_base().wrapping_add(self.0 as usize))
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direct_map_is_its_own_inverse() {
        let address = PhysAddr::new(0x12_3456);
        assert_eq!(PhysAddr::from_direct_map(address.to_ptr::<u8>()), address);
        assert_eq!((address.frame(), PhysAddr::of_frame(0x123).as_u64()), (0x123, 0x12_3000));
    }
}
