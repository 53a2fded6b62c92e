//! Cores: how many there are, and which one this is.

mod set;

use core::sync::atomic::{AtomicBool, Ordering};

pub use set::CoreSet;

use crate::arch::{self, apic, core_block};
use crate::sync::per_core;

per_core! {
    static UP: AtomicBool = AtomicBool::new(false);
}

/// How many cores there are. Any context.
#[must_use]
pub fn count() -> usize {
    core_block::count()
}

/// The running core, from 0 to [`count`]` - 1`. Any context; may be another one after anything that blocks.
#[must_use]
pub fn id() -> usize {
    arch::core_id()
}

/// The id that the running core's own local APIC has. Any context. The firmware's numbering, with gaps.
#[must_use]
pub fn apic_id() -> u32 {
    apic::id()
}

/// Whether `core` has started. Any context.
///
/// # Panics
/// If there is no such core.
#[must_use]
#[inline]
pub fn is_up(core: usize) -> bool {
    UP.on(core).load(Ordering::Acquire)
}

/// Says that this core has started.
pub(crate) fn set_up() {
    UP.on(id()).store(true, Ordering::Release);
}
