//! What the kernel's files name of `sync`.

pub mod atomic {
    pub use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
}
