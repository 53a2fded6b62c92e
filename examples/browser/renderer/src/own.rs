//! Memory of this process's own.

use libmcp::memory::{self, Rights};

/// Fresh memory, zeros, which takes frames when it is touched. A renderer without memory has nothing to do and panics.
pub fn memory(len: usize) -> &'static mut [u8] {
    let at = memory::map(len, Rights::ReadWrite).expect("there is memory");
    // SAFETY: mapped just now, for nobody else, and never unmapped; zeros are bytes.
    unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(at), len) }
}
