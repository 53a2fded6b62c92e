//! What is asked of the allocator, and what it answers.

use core::fmt;

use crate::arch::PAGE_SIZE;

/// There is no such memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many frames in a row were wanted.
    pub frames: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frames {
            1 => f.write_str("no frame of memory is free"),
            frames => write!(f, "no {frames} frames of memory in a row are free"),
        }
    }
}

impl core::error::Error for OutOfMemory {}

/// How low in physical memory a run must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Anywhere.
    Anywhere,
    /// For devices with 32-bit addresses.
    Below4GiB,
    /// For real mode.
    Below1MiB,
}

impl Limit {
    /// The first frame that is too high.
    pub(super) fn frame(self) -> usize {
        match self {
            Limit::Anywhere => usize::MAX,
            Limit::Below4GiB => (1 << 32) / PAGE_SIZE,
            Limit::Below1MiB => (1 << 20) / PAGE_SIZE,
        }
    }
}

/// A wish for a run of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// How many, at least one.
    pub frames: usize,
    /// The number of the first one is a multiple of this power of two.
    pub align_frames: usize,
    /// How low.
    pub limit: Limit,
}

impl RunRequest {
    /// `frames` frames in a row, wherever they are.
    #[must_use]
    pub const fn new(frames: usize) -> Self {
        Self { frames, align_frames: 1, limit: Limit::Anywhere }
    }
}

/// What [`init`](super::init) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Managed {
    /// Bytes that can be taken.
    pub bytes: u64,
    /// Bytes that describe the rest.
    pub description_bytes: u64,
    /// Bytes that are not managed: the map is scattered over too many far-apart places.
    pub left_out_bytes: u64,
}
