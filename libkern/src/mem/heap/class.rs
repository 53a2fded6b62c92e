//! Sizes: which objects are interchangeable, and how many of them make a magazine.
//!
//! The base allocator cuts memory in chunks of 32 bytes and keeps a word of each for itself. Objects that get a chunk of
//! the same length are of one class: 24 bytes and less, then 32 more for each class. So a class wastes nothing that the
//! base would not have wasted, and finding it is an addition and a shift.
//!
//! Beyond the last class objects are rare enough to go to the base one by one, or to be given frames of their own when
//! that wastes at most a quarter of their size, as it always does beyond 16 KiB.

use core::alloc::Layout;

use crate::arch::PAGE_SIZE;

/// What the base allocator's lengths are multiples of; also the alignment that it gives to everything.
pub(super) const CHUNK: usize = talc::base::CHUNK_UNIT;

/// Of each chunk, what the base keeps for itself.
const TAIL: usize = size_of::<usize>();

/// How many classes there are.
pub(in crate::mem) const CLASSES: usize = 32;

/// The largest alignment that any object of a class has without asking.
pub(super) const CLASS_ALIGN: usize = CHUNK;

/// The class of objects of `size` bytes; there is one if it is below [`CLASSES`].
#[inline(always)]
pub(super) const fn class_of(size: usize) -> usize {
    (size + (TAIL - 1)) / CHUNK
}

/// The largest size in `class`.
pub(super) const fn size_of_class(class: usize) -> usize {
    class * CHUNK + (CHUNK - TAIL)
}

/// The layout by which the base knows objects of `class`.
pub(super) fn layout_of_class(class: usize) -> Layout {
    Layout::from_size_align(size_of_class(class), 1).expect("sizes of classes are small")
}

/// What an object of `class` takes of the base's memory.
pub(super) const fn chunk_of_class(class: usize) -> usize {
    (class + 1) * CHUNK
}

const _: () = assert!(class_of(1) == 0 && class_of(size_of_class(0)) == 0 && class_of(size_of_class(0) + 1) == 1);
const _: () = assert!(class_of(size_of_class(CLASSES - 1)) == CLASSES - 1);

/// How many objects of `class` make a magazine on a machine with plenty of memory: at most 4 KiB of them, at most 32.
const fn full_len(class: usize) -> usize {
    let fit = 4096 / chunk_of_class(class);
    if fit > 32 { 32 } else { fit }
}

/// How many objects of `class` make a magazine; `shift` is the machine's.
pub(super) const fn magazine_len(class: usize, shift: u32) -> usize {
    let len = full_len(class) >> shift;
    if len < 2 { 2 } else { len }
}

/// Bytes of memory in a full magazine.
pub(super) const fn magazine_bytes(class: usize, shift: u32) -> usize {
    magazine_len(class, shift) * chunk_of_class(class)
}

/// How an object is served. A function of its layout alone, because freeing must find the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// From a magazine of this class, or, with a large alignment, from the base.
    Class(usize),
    /// From the base.
    Base,
    /// In this many frames of its own.
    Frames(usize),
}

impl Route {
    pub(super) const fn of(layout: Layout) -> Self {
        let class = class_of(layout.size());
        let frames = layout.size().div_ceil(PAGE_SIZE);
        if class < CLASSES {
            Route::Class(class)
        } else if layout.align() > PAGE_SIZE || frames * PAGE_SIZE - layout.size() <= layout.size() / 4 {
            Route::Frames(frames)
        } else {
            Route::Base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_size_fits_its_class_and_no_smaller_one() {
        for size in 1..=size_of_class(CLASSES - 1) {
            let class = class_of(size);
            assert!(size <= size_of_class(class) && (class == 0 || size > size_of_class(class - 1)));
        }
        assert_eq!((class_of(64), size_of_class(2)), (2, 88));
    }

    #[test]
    fn objects_get_frames_where_that_wastes_little() {
        let route = |size, align| Route::of(Layout::from_size_align(size, align).expect("valid"));
        assert_eq!((route(4096, 8), route(4097, 8), route(8192, 8)), (Route::Frames(1), Route::Base, Route::Frames(2)));
        assert_eq!(
            (route(2000, 4096), route(2000, 8192), route(64, 8192)),
            (Route::Base, Route::Frames(1), Route::Class(2))
        );
        assert!((16_384..100_000).all(|size| matches!(route(size, 1), Route::Frames(_))));
    }

    #[test]
    fn a_storm_of_cache_lines_moves_in_magazines_of_at_least_24() {
        assert!((0..=class_of(120)).all(|class| magazine_len(class, 0) >= 24));
        assert!((0..CLASSES).all(|class| magazine_bytes(class, 2) <= 2048));
    }
}
