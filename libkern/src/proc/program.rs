//! Programs in memory.
//!
//! A program's pages are there once, whatever the number of its processes: those that are not writable are mapped as they
//! are, of the others each process gets a copy when it touches one.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::image::{BuildId, ImageError, Plan, SegmentRights};
use crate::arch::PAGE_SIZE;
use crate::arch::user_tables::UserRights;
use crate::mem::space::pages::{Content, Pages};
use crate::mem::{FrameUse, OutOfMemory};

/// Why a program cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// Its file is not right.
    Image(ImageError),
    /// There is no memory for it.
    OutOfMemory,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Image(error) => error.fmt(f),
            LoadError::OutOfMemory => f.write_str("there is no memory for the program"),
        }
    }
}

impl core::error::Error for LoadError {}

impl From<ImageError> for LoadError {
    fn from(error: ImageError) -> Self {
        LoadError::Image(error)
    }
}

impl From<OutOfMemory> for LoadError {
    fn from(_: OutOfMemory) -> Self {
        LoadError::OutOfMemory
    }
}

/// Part of a program's memory, as a region of each of its processes.
#[derive(Debug)]
pub(super) struct Part {
    /// Without the load offset.
    pub(super) range: Range<usize>,
    pub(super) rights: UserRights,
    pub(super) content: Content,
}

/// A program that processes can be made of. Any number of processes may share one.
#[derive(Debug)]
pub struct Program {
    pub(super) parts: Vec<Part>,
    pub(super) entry: usize,
    pub(super) is_movable: bool,
    pub(super) span: Range<usize>,
    pub(super) build_id: Option<BuildId>,
}

impl Program {
    /// Reads a program's file. What of it is needed is copied.
    ///
    /// Takes time in proportion to its length; does not block.
    ///
    /// # Errors
    /// As [`LoadError`] says.
    pub fn load(file: &[u8]) -> Result<Arc<Program>, LoadError> {
        let plan = Plan::new(file)?;
        let mut parts = Vec::new();
        for segment in plan.segments() {
            let Range { start, end } = segment.pages();
            let has_contents = |&page: &usize| !segment.contents(page).1.is_empty();
            let filled = (start..end).step_by(PAGE_SIZE).take_while(has_contents).count();
            let middle = start + filled * PAGE_SIZE;
            let rights = match segment.rights() {
                SegmentRights::Read => UserRights::Read,
                SegmentRights::ReadWrite => UserRights::ReadWrite,
                SegmentRights::ReadExecute => UserRights::ReadExecute,
            };
            if filled > 0 {
                let mut pages = Pages::zeroed(filled, FrameUse::Processes)?;
                for (index, page) in (start..middle).step_by(PAGE_SIZE).enumerate() {
                    let (offset, bytes) = segment.contents(page);
                    pages.fill(index, offset, &file[bytes]);
                }
                let pages = Arc::new(pages);
                let content = match rights {
                    UserRights::ReadWrite => Content::Copied { pages, first: 0 },
                    _ => Content::Shared { pages, first: 0, may_write: false },
                };
                parts.push(Part { range: start..middle, rights, content });
            }
            if middle < end {
                parts.push(Part { range: middle..end, rights, content: Content::Zero });
            }
        }
        let (entry, is_movable, span) = (plan.entry(), plan.is_movable(), plan.span());
        Ok(Arc::new(Program { parts, entry, is_movable, span, build_id: plan.build_id() }))
    }
}
