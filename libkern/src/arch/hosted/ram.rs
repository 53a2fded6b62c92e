//! An allocation that plays physical memory.

use std::alloc::Layout;
use std::sync::OnceLock;

/// How much there is. The host commits it page by page as tests touch it.
const LEN: usize = 64 << 20;

/// Physical address 0 is this much aligned, so that what is aligned physically is aligned virtually.
const ALIGN: usize = 1 << 30;

static BASE: OnceLock<usize> = OnceLock::new();

/// The address at which physical address 0 can be read and written.
#[must_use]
pub fn direct_map_base() -> usize {
    *BASE.get_or_init(|| {
        // Aligned by hand: a zeroed allocation with a large alignment would be written, and so committed, at once.
        let layout = Layout::from_size_align(LEN + ALIGN, 1).expect("both are small");
        // SAFETY: the layout has a size.
        let ram = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!ram.is_null(), "the host has no {LEN} bytes of address space left");
        ram.expose_provenance().next_multiple_of(ALIGN)
    })
}

/// Bytes of physical memory, from address 0, that the direct map reaches.
#[must_use]
pub fn direct_map_len() -> usize {
    LEN
}
