//! `memcpy` and its like, which the compiler calls by name.

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};

/// From how many bytes on `rep movsb` beats a loop of 16-byte moves, where it is fast at all.
const REP_THRESHOLD: usize = 512;

static HAS_ERMS: AtomicBool = AtomicBool::new(false);

/// Says that `rep movsb` is fast on this machine.
///
/// Any time: both ways are correct on any machine. Relaxed, because nothing else is published with it.
pub(super) fn set_fast_rep(fast: bool) {
    HAS_ERMS.store(fast, Ordering::Relaxed);
}

global_asm!(
    include_str!("memops.s"),
    rep_threshold = const REP_THRESHOLD,
    has_erms = sym HAS_ERMS,
);
