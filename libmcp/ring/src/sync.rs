//! Core's atomics, or loom's in a model.

#[cfg(not(all(loom, test)))]
pub use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(all(loom, test))]
pub use loom::sync::atomic::{AtomicU64, Ordering, fence};
