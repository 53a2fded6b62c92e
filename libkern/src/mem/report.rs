//! Who holds the memory.
//!
//! Figures are taken without stopping anybody, so that those that belong together may differ by what happened in between.
//! A report is also what a panic prints when memory ran out; it must come out even if a core was stopped with a lock in
//! its hand, so it only tries the locks, and says so where it failed.

use core::fmt;

use super::frames::{self, FrameUse};
use super::heap;
use crate::arch::PAGE_SIZE;

/// Memory by what it is used for, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// All that the allocator manages.
    pub total_bytes: usize,
    /// Free frames.
    pub free_bytes: usize,
    /// Of the free ones, those that a core keeps for itself until another needs them.
    pub free_in_stocks_bytes: usize,
    /// What frames are used for, in the order of [`FrameUse::ALL`].
    pub used_bytes: [usize; FrameUse::COUNT],
    /// The heap.
    pub heap: HeapStats,
}

/// What the heap has handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapStats {
    /// Objects of up to 1016 bytes that are in use or in some core's magazines.
    pub small_objects: usize,
    /// The memory they take, in bytes.
    pub small_bytes: usize,
    /// Of these bytes, those in magazines that lie in a depot, free.
    pub in_depots_bytes: usize,
    /// At most this many more of them are in cores' magazines, free.
    pub in_magazines_bytes: usize,
    /// Larger objects without frames of their own.
    pub medium_objects: usize,
    /// Their bytes.
    pub medium_bytes: usize,
}

impl Stats {
    /// Bytes used for `usage`.
    #[must_use]
    pub fn used(&self, usage: FrameUse) -> usize {
        self.used_bytes[usage as usize]
    }
}

/// How much memory there is, and what it is used for. Any context but NMI and panic; waits for the allocators' locks.
#[must_use]
pub fn stats() -> Stats {
    collect(Some(frames::counts()), Some(heap::counts()))
}

/// What can be said without waiting: zeros where a lock was taken.
fn stats_without_waiting() -> Stats {
    collect(frames::try_counts(), heap::try_counts())
}

fn collect(frames: Option<frames::Counts>, heap: Option<heap::Counts>) -> Stats {
    let frames = frames.unwrap_or_default();
    let mut stats = Stats {
        total_bytes: frames.total * PAGE_SIZE,
        free_bytes: frames.free * PAGE_SIZE,
        free_in_stocks_bytes: frames.in_stocks * PAGE_SIZE,
        used_bytes: frames.used.map(|frames| frames * PAGE_SIZE),
        heap: HeapStats { in_magazines_bytes: heap::kept_bytes(), ..HeapStats::default() },
    };
    if let Some((classes, medium)) = heap {
        for class in classes {
            stats.heap.small_objects += class.outside;
            stats.heap.small_bytes += class.outside * class.chunk;
            stats.heap.in_depots_bytes += class.in_depot * class.chunk;
        }
        // The sum of what cores may keep; there cannot be more than there is.
        stats.heap.in_magazines_bytes = stats.heap.in_magazines_bytes.min(stats.heap.small_bytes);
        (stats.heap.medium_objects, stats.heap.medium_bytes) = medium;
    }
    stats
}

/// Prints who holds the memory, as a table. Any context, a panic's too; allocates nothing.
///
/// # Errors
/// Those of `out`.
pub fn report(out: &mut dyn fmt::Write) -> fmt::Result {
    let Stats { total_bytes, free_bytes, free_in_stocks_bytes, used_bytes, heap } = stats_without_waiting();
    writeln!(out, "memory: {} free of {}", Size(free_bytes), Size(total_bytes))?;
    if total_bytes == 0 {
        writeln!(out, "  (the frame allocator was stopped in the middle of something)")?;
    }
    if free_in_stocks_bytes > 0 {
        writeln!(out, "  {:>10}  of the free in cores' stocks", Size(free_in_stocks_bytes))?;
    }
    for (usage, bytes) in FrameUse::ALL.into_iter().zip(used_bytes).filter(|&(_, bytes)| bytes > 0) {
        writeln!(out, "  {:>10}  {usage}", Size(bytes))?;
    }
    if let Some(failed) = heap::last_failure() {
        writeln!(out, "last found no room for {} bytes, aligned to {}", failed.size(), failed.align())?;
    }
    let Some((classes, medium)) = heap::try_counts() else {
        return writeln!(out, "heap: stopped in the middle of something");
    };
    writeln!(
        out,
        "heap: {} in {} small objects (up to {} of that free in magazines, {} in depots), {} in {} medium ones",
        Size(heap.small_bytes),
        heap.small_objects,
        Size(heap.in_magazines_bytes),
        Size(heap.in_depots_bytes),
        Size(medium.1),
        medium.0,
    )?;
    for class in classes.into_iter().filter(|class| class.outside > 0) {
        let objects = class.outside - class.in_depot.min(class.outside);
        writeln!(out, "  {:>10}  {objects} of up to {} bytes", Size(objects * class.chunk), class.size)?;
    }
    Ok(())
}

/// A number of bytes for people: exact below 10 KiB.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            bytes if bytes < 10 << 10 => (bytes, "B"),
            bytes if bytes < 10 << 20 => (bytes >> 10, "KiB"),
            bytes if bytes < 100 << 30 => (bytes >> 20, "MiB"),
            bytes => (bytes >> 30, "GiB"),
        };
        match f.width() {
            Some(width) => write!(f, "{number:>width$} {unit:<3}", width = width.saturating_sub(4)),
            None => write!(f, "{number} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_while_that_is_short() {
        let text = [5, 10_239, 10_240, 3 << 20, 128 << 20, 200 << 30].map(|bytes| Size(bytes).to_string());
        assert_eq!(text, ["5 B", "10239 B", "10 KiB", "3072 KiB", "128 MiB", "200 GiB"]);
        assert_eq!(format!("{:>10}|{:>10}", Size(96), Size(12_288)), "    96 B  |    12 KiB");
    }

    #[test]
    fn a_report_says_who_holds_the_memory() {
        let _machine = crate::mem::testing::machine();
        let _held = frames::alloc(FrameUse::Devices).expect("there is memory");
        let mut text = String::new();
        report(&mut text).expect("a string takes everything");
        assert!(text.contains("4096 B    devices"), "{text}");
        assert_eq!(stats().used(FrameUse::Devices), PAGE_SIZE);
    }
}
