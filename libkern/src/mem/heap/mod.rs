//! The heap: `alloc` and `free` for the kernel, the application and resident processes.
//!
//! # Layers
//!
//! ```text
//! magazines   a core     lists of free objects, by class: no lock, no locked instruction, some 16 instructions
//! depot       a class    full magazines on their way from cores that free to cores that allocate: a lock for each class
//! base        everybody  `talc` over arenas of frames: one lock
//! frames      everybody  objects of about a page and more have frames of their own
//! ```
//!
//! It is Bonwick's design (magazines and depot, 2001) with two turns. Magazines are lists through the free objects, so
//! they take no memory ([`list`]). And what keeps an interrupt's handler out of a list that is being changed is not turning
//! interrupts off but a counter that it finds raised ([`claim`]).
//!
//! An object may be freed on any core: it goes to the magazine of the core that frees it.
//!
//! # Exhaustion
//!
//! Allocation that finds no memory empties this core's magazines and all depots into the base, which returns the arenas
//! that are empty; tries again; and then returns null, which `try_reserve` and its like turn into an error and others
//! into a panic. What other cores have in their magazines, 16 to 128 KiB each at most, they are asked for, and give when they
//! next exchange a magazine or go idle. The failure is noted for the report.
//!
//! # Contexts
//!
//! Any but NMI, with interrupts on or off. Nothing blocks. Lock order: a depot's lock before nothing; the base's before
//! those of the frames.
//!
//! # Rejected
//!
//! Magazines straight over frames, cut into slabs: less overhead for small objects, and more code of our own than a
//! kernel whose subject this is not should have. One `talc` for each core: freeing on another core then needs a message
//! or a lock. Interrupts off in the fast path: a dozen instructions, and on hardware twice the time of the rest.

mod base;
mod books;
mod claim;
mod class;
mod cores;
mod depot;
mod exchange;
mod failure;
mod list;
mod magazines;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use base::BASE;
pub(super) use books::kept_bytes;
use claim::Claim;
#[cfg(not(any(test, feature = "hosted")))]
pub(super) use claim::is_claimed;
use class::{CLASS_ALIGN, CLASSES, Route, class_of};
pub(super) use cores::{answer, core_online, trim};
use failure::failed;
pub(super) use failure::last_failure;

use super::frames::{self, Frame, FrameUse, Limit, Run, RunRequest};
use super::phys::PhysAddr;
use crate::arch::PAGE_SIZE;

/// The heap as Rust's global allocator. There is one heap, whatever values of this there are.
///
/// The entry macro defines `#[global_allocator] static HEAP: Heap = Heap;` in the application's crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

// SAFETY: an object is a chunk of the base allocator that is in no list and in no gap, or frames that are nobody else's;
// it is at least as long and as aligned as its layout says; `dealloc` finds the same way back by the same layout. Nothing
// unwinds: panics abort.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let class = class_of(layout.size());
        if class >= CLASSES || layout.align() > CLASS_ALIGN {
            return alloc_unusual(layout);
        }
        let Some(claim) = Claim::new() else { return alloc_unusual(layout) };
        match claim.pop(class) {
            Some(object) => object,
            None => exchange::refill(claim, class),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        let class = class_of(layout.size());
        if class >= CLASSES {
            // SAFETY: the caller's word.
            return unsafe { dealloc_unusual(object, layout) };
        }
        let Some(claim) = Claim::new() else {
            // SAFETY: by its layout it is an object of the class, and the caller gives it up.
            return unsafe { give_to_base(class, object) };
        };
        // SAFETY: as above.
        unsafe {
            if !claim.push(class, object) {
                exchange::flush(claim, class, object);
            }
        }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the caller's word.
        if unsafe { resize_in_place(object, layout, new_layout) } {
            return object;
        }
        // SAFETY: the caller's word; the copy is as long as the shorter of the two, which do not overlap.
        unsafe {
            let moved = self.alloc(new_layout);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(object, moved, layout.size().min(new_size));
                self.dealloc(object, layout);
            }
            moved
        }
    }
}

/// Objects that no magazine has, and those for code that may not use the magazines.
#[cold]
#[inline(never)]
fn alloc_unusual(layout: Layout) -> *mut u8 {
    let route = Route::of(layout);
    let take = || match route {
        Route::Class(class) => BASE.lock().take(class, layout.align()),
        Route::Base => BASE.lock().take_large(layout),
        Route::Frames(count) => take_frames(count, layout.align()).map_or(ptr::null_mut(), PhysAddr::to_ptr),
    };
    let object = take();
    if !object.is_null() {
        return object;
    }
    trim();
    let object = take();
    if object.is_null() { failed(layout) } else { object }
}

/// Frees an object of `class` for code that may not use the magazines.
///
/// # Safety
/// `object` is an object of `class` that the caller gives up.
#[cold]
#[inline(never)]
unsafe fn give_to_base(class: usize, object: *mut u8) {
    // SAFETY: the caller's word.
    unsafe { BASE.lock().give(class, object) };
}

/// # Safety
/// `object` was allocated with `layout`, beyond the last class, and the caller gives it up.
#[cold]
#[inline(never)]
unsafe fn dealloc_unusual(object: *mut u8, layout: Layout) {
    // SAFETY: the caller's word; the route is the one by which the object came.
    unsafe {
        match Route::of(layout) {
            Route::Class(class) => give_to_base(class, object),
            Route::Base => BASE.lock().give_large(object, layout),
            Route::Frames(count) => give_frames(PhysAddr::from_direct_map(object), count),
        }
    }
}

/// # Safety
/// `object` was allocated with `old` and is the caller's. If the answer is yes, it is one allocated with `new`.
unsafe fn resize_in_place(object: *mut u8, old: Layout, new: Layout) -> bool {
    match (Route::of(old), Route::of(new)) {
        (Route::Class(old), Route::Class(new)) => old == new,
        (Route::Frames(old), Route::Frames(new)) if new <= old => {
            if new < old {
                let rest = PhysAddr::from_direct_map(object.wrapping_add(new * PAGE_SIZE));
                // SAFETY: the frames at the end, which the caller's object has no more.
                unsafe { give_frames(rest, old - new) };
            }
            true
        }
        // SAFETY: the caller's word; both sizes are beyond the last class.
        (Route::Base, Route::Base) => unsafe { BASE.lock().resize_large(object, old, new.size()) },
        _ => false,
    }
}

fn take_frames(count: usize, align: usize) -> Option<PhysAddr> {
    if count == 1 && align <= PAGE_SIZE {
        return frames::alloc(FrameUse::HeapLarge).ok().map(Frame::into_raw);
    }
    let align_frames = align.div_ceil(PAGE_SIZE);
    let request = RunRequest { frames: count, align_frames, limit: Limit::Anywhere };
    frames::alloc_run(FrameUse::HeapLarge, request).ok().map(Run::into_raw)
}

/// # Safety
/// The frames are the caller's, by [`take_frames`], who gives them up.
unsafe fn give_frames(addr: PhysAddr, count: usize) {
    // SAFETY: the caller's word.
    unsafe {
        match count {
            1 => drop(Frame::from_raw(addr, FrameUse::HeapLarge)),
            _ => drop(Run::from_raw(addr, count, FrameUse::HeapLarge)),
        }
    }
}

/// Objects of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClassCounts {
    /// The largest size.
    pub(super) size: usize,
    /// What each takes of the base's memory, in bytes.
    pub(super) chunk: usize,
    /// Taken from the base: in use, in magazines, in the depot.
    pub(super) outside: usize,
    /// Of these, in the depot.
    pub(super) in_depot: usize,
}

/// Objects by class, and how many larger ones there are with their bytes.
pub(super) type Counts = ([ClassCounts; CLASSES], (usize, usize));

/// Counts objects.
pub(super) fn counts() -> Counts {
    let counted = {
        let base = BASE.lock();
        (*base.outside(), base.large())
    };
    with_depots(counted)
}

/// The same for code that runs while everything else has been stopped: `None` if the lock is taken.
pub(super) fn try_counts() -> Option<Counts> {
    let counted = {
        let base = BASE.try_lock()?;
        (*base.outside(), base.large())
    };
    Some(with_depots(counted))
}

fn with_depots((outside, large): ([usize; CLASSES], (usize, usize))) -> Counts {
    let classes = core::array::from_fn(|class| ClassCounts {
        size: class::size_of_class(class),
        chunk: class::chunk_of_class(class),
        outside: outside[class],
        in_depot: cores::in_depot(class),
    });
    (classes, large)
}

#[cfg(test)]
mod tests;
