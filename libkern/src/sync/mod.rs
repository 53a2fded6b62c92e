//! Locks with interrupt discipline in their types, per-core storage, and the shims under which lock-free code is modelled.
//!
//! # Which lock
//!
//! | type | interrupts while held | whom it excludes | for |
//! |---|---|---|---|
//! | [`SpinLock`] | as they were | other cores | data that no interrupt handler touches |
//! | [`IrqSpinLock`] | off | other cores and this core's handlers | data that handlers touch too |
//! | [`LeafLock`] | off | both | a few instructions inside which nothing is called |
//! | [`without_interrupts`], [`IrqGuard`] | off | this core's handlers | per-core data |
//!
//! All of them count, per core, how deep this core is in them ([`depth`]); whoever blocks asks [`assert_may_block`]
//! first. (A [`LeafLock`] does not count: nothing that could ask runs inside one.) Guards are `!Send`. Taking a lock that
//! this core holds already, be it from an interrupt handler, is a panic that names the lock, not a core that spins for
//! ever.
//!
//! # Rules that no type enforces
//!
//! - No code waits for another core's *progress* with a lock held or interrupts off. Waiting for a lock is fine, because
//!   whoever holds it is on its way to giving it up: an [`IrqSpinLock`]'s holder cannot be interrupted.
//! - Code that takes a [`SpinLock`] and code in handlers never meet on it. If handlers need the data, the lock is the
//!   wrong type.
//! - Order between locks is stated where the second one is taken.
//!
//! # Statics and models
//!
//! [`atomic`] and [`cell`] are core's types, or loom's in a model. Loom's have no `const` constructor, so a `static` uses
//! `core::sync::atomic` directly, and an algorithm that deserves a model lives in a type of its own that uses the shims.

pub mod atomic;
mod blocking;
pub mod cell;
pub mod depth;
mod irq;
mod leaf;
mod percore;
mod registry;
mod spin;

pub use blocking::assert_may_block;
pub use irq::{IrqGuard, without_interrupts};
pub use leaf::LeafLock;
pub(crate) use percore::SLOT_HEAP;
pub use percore::{PerCore, per_core};
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) use percore::{SLOT_KMSG, SLOT_KTHREAD};
pub use registry::{Entry, Registry};
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) use spin::RawSpin;
pub use spin::{IrqSpinGuard, IrqSpinLock, SpinGuard, SpinLock};
