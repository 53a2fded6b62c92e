//! The one-shot timer itself, without the kernel's timers on top.

use core::marker::PhantomData;

use libkern::arch::interrupts::{self, Handler};
use libkern::arch::{apic, timer};

use crate::with_interrupts_off;

/// Where the timer interrupts meanwhile. Nobody else's.
const VECTOR: u8 = 0x60;

/// While it lives, this core's one-shot timer is its owner's, who arms it by `arch::timer`, and its interrupts go to a
/// handler that is given the frame. The kernel's timers of this core wait until it is gone.
#[derive(Debug)]
#[must_use = "the timer is the kernel's again when this is dropped"]
pub struct RawTimer {
    /// It speaks of a core.
    _not_send: PhantomData<*mut ()>,
}

impl RawTimer {
    /// Takes this core's timer. The handler is for all cores whose timers are taken.
    pub fn take(handler: Handler) -> Self {
        interrupts::set_handler(VECTOR, handler);
        with_interrupts_off(|| timer::set_vector(VECTOR));
        Self { _not_send: PhantomData }
    }
}

impl Drop for RawTimer {
    fn drop(&mut self) {
        with_interrupts_off(|| {
            timer::set_vector(apic::vector::TIMER);
            // The kernel sets it for what it wants at the next interrupt.
            timer::arm(0);
        });
    }
}
