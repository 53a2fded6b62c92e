//! Memory that several spaces may show: a program's, or what processes share.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::page::{self, Page};
use super::regions::Backing;
use crate::arch::PAGE_SIZE;
use crate::mem::frames::{self, Frame, FrameUse, OutOfMemory};
use crate::mem::phys::PhysAddr;

/// Pages that are there, for as long as somebody refers to them.
#[derive(Debug)]
pub struct Pages {
    frames: Vec<Frame>,
}

impl Pages {
    /// `count` pages of zeros.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn zeroed(count: usize, usage: FrameUse) -> Result<Pages, OutOfMemory> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(count).map_err(|_| OutOfMemory { frames: count })?;
        for _ in 0..count {
            let frame = frames::alloc(usage)?;
            // SAFETY: a frame of our own.
            unsafe { page::zero(frame.addr().to_ptr()) };
            frames.push(frame);
        }
        Ok(Pages { frames })
    }

    /// Writes into page `index`, which nobody else has yet.
    pub fn fill(&mut self, index: usize, offset: usize, bytes: &[u8]) {
        assert!(offset <= PAGE_SIZE && bytes.len() <= PAGE_SIZE - offset, "what is written fits into the page");
        let at: *mut u8 = self.frames[index].addr().to_ptr();
        // SAFETY: within a frame of this value's, which is borrowed alone.
        unsafe { at.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.frames.len()
    }

    /// The frame of page `index`.
    #[must_use]
    pub fn frame(&self, index: usize) -> PhysAddr {
        self.frames[index].addr()
    }

    /// Where the kernel finds page `index`. What processes can write may change at any moment.
    #[must_use]
    pub fn page(&self, index: usize) -> *mut Page {
        self.frame(index).to_ptr()
    }
}

/// What is behind a region.
#[derive(Clone, Debug)]
pub enum Content {
    /// Zeros, when they are first touched.
    Zero,
    /// Copies of pages, the first of which is `first`, when they are first touched.
    Copied {
        /// The pages.
        pages: Arc<Pages>,
        /// The first one's index.
        first: usize,
    },
    /// Pages, the first of which is `first`, as they are.
    Shared {
        /// The pages.
        pages: Arc<Pages>,
        /// The first one's index.
        first: usize,
        /// Whether they may be mapped writable.
        may_write: bool,
    },
    /// A page that stays.
    Fixed,
}

impl Content {
    /// Whether it shows pages that others show.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Content::Shared { .. })
    }

    /// Whether what shows it may be made writable.
    pub(super) fn may_write(&self) -> bool {
        match self {
            Content::Zero | Content::Copied { .. } => true,
            Content::Shared { may_write, .. } => *may_write,
            Content::Fixed => false,
        }
    }
}

impl Backing for Content {
    fn advanced(&self, by: usize) -> Self {
        let mut next = self.clone();
        if let Content::Copied { first, .. } | Content::Shared { first, .. } = &mut next {
            *first += by;
        }
        next
    }

    fn continues(&self, len: usize, next: &Self) -> bool {
        match (self, next) {
            (Content::Zero, Content::Zero) => true,
            (Content::Copied { pages: a, first }, Content::Copied { pages: b, first: next }) => {
                Arc::ptr_eq(a, b) && first + len == *next
            }
            (
                Content::Shared { pages: a, first, may_write },
                Content::Shared { pages: b, first: next, may_write: also },
            ) => Arc::ptr_eq(a, b) && first + len == *next && may_write == also,
            _ => false,
        }
    }

    fn is_fixed(&self) -> bool {
        matches!(self, Content::Fixed)
    }

    #[inline(always)]
    fn is_plain(&self) -> bool {
        matches!(self, Content::Zero)
    }
}
