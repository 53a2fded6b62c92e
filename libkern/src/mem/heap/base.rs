//! The base allocator: one heap for everybody, under a lock, in arenas of frames.
//!
//! It is `talc`: a list for each range of sizes, neighbours merged when freed, constant time but for large alignments.
//! It asks for an arena when it has no room, and offers one back when nothing is left in it, at once; so the frames of
//! a burst return, and those of the arena in which the lists are stay.

use core::alloc::Layout;
use core::ptr;

use talc::base::binning::{Binning, DefaultBinning};
use talc::base::{CHUNK_UNIT, Talc};
use talc::source::Source;

use super::class::{CLASSES, layout_of_class};
use super::list::List;
use crate::arch::PAGE_SIZE;
use crate::mem::frames::{self, FrameUse, Run, RunRequest};
use crate::mem::phys::PhysAddr;
use crate::sync::IrqSpinLock;

/// Frames in an arena, unless an object needs more or there are not as many in a row.
const ARENA_FRAMES: usize = 16;

pub(super) static BASE: IrqSpinLock<Base> = IrqSpinLock::new("heap", Base::new());

/// The base allocator, and how many of its objects are outside.
pub(super) struct Base {
    talc: Talc<Arenas, DefaultBinning>,
    /// By class: taken and not given back.
    outside: [usize; CLASSES],
    /// The same for objects beyond the last class: how many, and their bytes.
    large: (usize, usize),
}

impl Base {
    const fn new() -> Self {
        Self { talc: Talc::new(Arenas), outside: [0; CLASSES], large: (0, 0) }
    }

    /// One object of `class`, aligned to `align`. Null if there is no memory.
    pub(super) fn take(&mut self, class: usize, align: usize) -> *mut u8 {
        let Ok(layout) = layout_of_class(class).align_to(align) else { return ptr::null_mut() };
        // SAFETY: the size is not zero.
        let object = unsafe { self.talc.allocate(layout) };
        self.outside[class] += usize::from(object.is_some());
        object.map_or(ptr::null_mut(), |object| object.as_ptr())
    }

    /// As many objects of `class` as there are, `want` at most.
    pub(super) fn take_list(&mut self, class: usize, want: usize) -> List {
        let mut list = List::new();
        while list.len() < want {
            let object = self.take(class, align_of::<usize>());
            if object.is_null() {
                break;
            }
            // SAFETY: an object of a class, just taken.
            unsafe { list.push(object) };
        }
        list
    }

    /// Takes an object back.
    ///
    /// # Safety
    /// It is an object of `class` that was taken and that nobody uses.
    pub(super) unsafe fn give(&mut self, class: usize, object: *mut u8) {
        self.outside[class] -= 1;
        // SAFETY: the caller's word. The base derives the chunk's end from the size, which is the same for all sizes of
        // the class; it has no use for the alignment.
        unsafe { self.talc.deallocate(object, layout_of_class(class)) };
    }

    /// Takes objects back.
    ///
    /// # Safety
    /// As [`Base::give`], for each of them.
    pub(super) unsafe fn give_list(&mut self, class: usize, mut list: List) {
        while let Some(object) = list.pop() {
            // SAFETY: the caller's word.
            unsafe { self.give(class, object) };
        }
    }

    /// An object beyond the last class. Null if there is no memory.
    pub(super) fn take_large(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: an object beyond the last class has a size.
        match unsafe { self.talc.allocate(layout) } {
            Some(object) => {
                self.large = (self.large.0 + 1, self.large.1 + layout.size());
                object.as_ptr()
            }
            None => ptr::null_mut(),
        }
    }

    /// Takes an object beyond the last class back.
    ///
    /// # Safety
    /// It was taken with `layout`, and nobody uses it.
    pub(super) unsafe fn give_large(&mut self, object: *mut u8, layout: Layout) {
        self.large = (self.large.0 - 1, self.large.1 - layout.size());
        // SAFETY: the caller's word.
        unsafe { self.talc.deallocate(object, layout) };
    }

    /// Makes an object beyond the last class longer or shorter where it is, if that is possible.
    ///
    /// # Safety
    /// It was taken with `layout`, and is the caller's; `size` is beyond the last class.
    pub(super) unsafe fn resize_large(&mut self, object: *mut u8, layout: Layout, size: usize) -> bool {
        // SAFETY: the caller's word.
        let done = unsafe { self.talc.try_realloc_in_place(object, layout, size) };
        if done {
            self.large.1 = self.large.1 - layout.size() + size;
        }
        done
    }

    /// How many objects of each class are outside, in magazines or in use.
    pub(super) fn outside(&self) -> &[usize; CLASSES] {
        &self.outside
    }

    /// How many objects beyond the last class are outside, and their bytes.
    pub(super) fn large(&self) -> (usize, usize) {
        self.large
    }
}

/// Where the base gets its arenas, and returns them.
///
/// # Invariants
/// An arena is a run of frames, used for [`FrameUse::HeapArenas`], claimed from its first byte to its last. So the frames of
/// an arena that is empty are known from its bounds.
#[derive(Debug)]
struct Arenas;

// SAFETY: it calls the frame allocator, which knows nothing of the heap.
unsafe impl Source for Arenas {
    const TRACK_HEAP_END: bool = true;

    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // The chunk, what goes before an aligned one, and what the base adds at the start of an arena.
        let mut bytes = layout.size() + layout.align() + 3 * CHUNK_UNIT;
        if !talc.is_metadata_established() {
            bytes += talc::min_first_heap_size::<B>();
        }
        let need = bytes.div_ceil(PAGE_SIZE);
        let run = take_frames(need.max(ARENA_FRAMES)).or_else(|| take_frames(need)).ok_or(())?;
        let (frames, start) = (run.len_bytes(), run.into_raw().to_ptr());
        // SAFETY: frames of our own until `resize` gives them back, which the direct map shows.
        // INVARIANT: claimed as a whole.
        unsafe { talc.claim(start, frames) }.map(drop).ok_or(())
    }

    unsafe fn resize(&mut self, chunk_base: *mut u8, heap_end: *mut u8, is_heap_base: bool) -> *mut u8 {
        if !is_heap_base {
            return heap_end;
        }
        // The base keeps less than a page at the start of an arena.
        let start = chunk_base.map_addr(|address| (address - 1) & !(PAGE_SIZE - 1));
        let frames = (heap_end.addr() - start.addr()) / PAGE_SIZE;
        // SAFETY: an arena (invariant of the type), in which nothing is left, and which the base forgets because we say
        // that its end is its start.
        drop(unsafe { Run::from_raw(PhysAddr::from_direct_map(start), frames, FrameUse::HeapArenas) });
        chunk_base
    }
}

fn take_frames(frames: usize) -> Option<Run> {
    frames::alloc_run(FrameUse::HeapArenas, RunRequest::new(frames)).ok()
}
