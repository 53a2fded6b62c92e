//! What happens when a core's list is empty, or full.

use super::claim::Claim;
use super::class::layout_of_class;
use super::cores::give_back;
use super::failure::failed;

/// An object of `class`, when the core's list is empty. Null if there is no memory anywhere.
#[cold]
#[inline(never)]
pub(super) fn refill(claim: Claim, class: usize) -> *mut u8 {
    let magazines = claim.magazines();
    magazines.answer();
    magazines.refill(class);
    let object = claim.pop(class).or_else(|| {
        give_back(Some(&claim));
        magazines.refill(class);
        claim.pop(class)
    });
    object.unwrap_or_else(|| failed(layout_of_class(class)))
}

/// Frees an object of `class`, when there is no room in the core's list.
///
/// # Safety
/// `object` is an object of `class` that the caller gives up.
#[cold]
#[inline(never)]
pub(super) unsafe fn flush(claim: Claim, class: usize, object: *mut u8) {
    claim.magazines().answer();
    claim.magazines().make_room(class);
    // SAFETY: the caller's word.
    let put = unsafe { claim.push(class, object) };
    assert!(put, "a magazine that was emptied has room");
}
