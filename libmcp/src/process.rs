//! What this process is, and its end.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use mcp_abi::process::{Data, Info, VcoreSlot};

pub use crate::call::exit;

static INFO: AtomicPtr<Info> = AtomicPtr::new(ptr::null_mut());

pub(crate) fn set_info(info: *mut Info) {
    INFO.store(info, Ordering::Relaxed);
}

/// What the kernel says about this process.
#[must_use]
pub fn info() -> &'static Info {
    // SAFETY: set by `start` before `main`; the kernel keeps the page as long as the process lives.
    unsafe { &*INFO.load(Ordering::Relaxed) }
}

/// What vcore 0 shares with the kernel.
#[must_use]
pub fn slot() -> &'static VcoreSlot {
    // SAFETY: where the kernel says; it stays.
    unsafe { &*ptr::with_exposed_provenance(info().slots as usize) }
}

/// What the whole process shares with the kernel.
#[must_use]
pub fn data() -> &'static Data {
    // SAFETY: where the kernel says; it stays, and is touched by atomics only.
    unsafe { &*ptr::with_exposed_provenance(info().data as usize) }
}

/// The arguments that its parent gave it. Those that are not UTF-8 end where they cease to be.
pub fn args() -> impl Iterator<Item = &'static str> {
    let info = info();
    let at = ptr::with_exposed_provenance(info.args as usize);
    // SAFETY: in the info page.
    let bytes: &'static [u8] = unsafe { core::slice::from_raw_parts(at, info.args_len as usize) };
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    text.split_terminator('\0')
}
