//! Where every trap goes.

use x86_64::registers::control::Cr2;

use super::fault;
use crate::arch::traps::TrapFrame;
use crate::arch::{self, apic, interrupts, user};
use crate::kmsg;
use crate::sync::depth::HANDLER;
use crate::time::timer;

const NMI: u64 = 2;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;
const FIRST_INTERRUPT: u64 = 32;

/// The one function that `arch` calls upwards, with interrupts off and on the stack that the vector has.
#[unsafe(no_mangle)]
extern "Rust" fn __roost_trap(frame: &mut TrapFrame) {
    match frame.vector {
        NMI => super::panic::non_maskable(frame),
        vector if vector < FIRST_INTERRUPT => {
            // Read before anything can fault again.
            let address = Cr2::read_raw();
            if matches!(vector, PAGE_FAULT | GENERAL_PROTECTION) && user::access::resolve(frame, address) {
                return;
            }
            fault::exception(frame, address);
        }
        vector => {
            let vector = vector as u8;
            if vector == apic::vector::SPURIOUS {
                return;
            }
            // Once and first: a handler that does not return has then left nothing undone. A level-triggered line
            // is an exception that its handler's registration would have to declare; there is none yet.
            apic::end_of_interrupt();
            arch::depth::raise::<HANDLER>();
            interrupts::handle(vector, frame);
            arch::depth::lower::<HANDLER>();
        }
    }
}

/// The interrupt by which a core asks another to look at its messages.
pub(super) extern "C" fn on_message() {
    quick(kmsg::run_immediates);
}

/// The one-shot timer's interrupt.
pub(super) extern "C" fn on_timer() {
    quick(timer::on_interrupt);
}

/// Ends the interrupt, once and first, and calls its handler.
#[inline(always)]
fn quick(handler: fn()) {
    arch::depth::raise::<HANDLER>();
    apic::end_of_interrupt();
    handler();
    arch::depth::lower::<HANDLER>();
}
