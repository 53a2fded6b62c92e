//! Interrupts and exceptions from ring 3.

use x86_64::registers::control::Cr2;

use super::blocked;
use super::exit::{Exit, access_of};
use super::process::Proc;
use super::{current, fault, umem};
use crate::arch::traps::{self, TrapFrame};
use crate::arch::user::Context;
use crate::arch::{apic, depth, interrupts};
use crate::mem::space::FaultError;
use crate::sync::depth::HANDLER;

use mcp_abi::process::USER_END;

const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;
const FIRST_INTERRUPT: u64 = 32;

/// What the way in calls. Interrupts off; on the running kthread's stack, from its top.
pub(super) extern "C" fn on_trap(context: *mut Context) {
    // SAFETY: the core's context, which is nobody else's until the trap has blocked.
    let (vector, error) = unsafe { ((*context).frame().vector, (*context).frame().error) };
    if vector >= FIRST_INTERRUPT {
        // SAFETY: as above; interrupts do not block.
        let frame = unsafe { (*context).frame() };
        interrupt(frame);
        if frame.rip >= USER_END as u64 {
            // SAFETY: as above.
            fault::raise(unsafe { current::owner() }, context, GENERAL_PROTECTION, 0);
        }
    } else {
        // SAFETY: not used when the trap has blocked, but by what refers to it then.
        let proc = unsafe { current::owner() };
        current::set_no_call();
        if vector == PAGE_FAULT {
            // Read before anything can fault again.
            page_fault(proc, context, error, Cr2::read_raw() as usize);
        } else {
            fault::raise(proc, context, vector, 0);
        }
        if blocked::is_blocked() {
            blocked::end(|_| ());
        }
    }
    if !current::may_return() {
        current::leave();
    }
}

fn interrupt(frame: &TrapFrame) {
    let vector = frame.vector as u8;
    if let Some(handler) = traps::quick_handler(vector) {
        return handler();
    }
    if vector == apic::vector::SPURIOUS {
        return;
    }
    apic::end_of_interrupt();
    depth::raise::<HANDLER>();
    interrupts::handle(vector, frame);
    depth::lower::<HANDLER>();
}

#[inline(always)]
fn page_fault(proc: &Proc, context: *mut Context, error: u64, address: usize) {
    match umem::fault_in(proc, address, access_of(error)) {
        Ok(()) => {}
        Err(FaultError::Absent | FaultError::Forbidden) => fault::raise(proc, context, PAGE_FAULT, address),
        Err(FaultError::Limit | FaultError::OutOfMemory) => fault::end(proc, Exit::OutOfMemory { address }),
    }
}
