//! Interrupts and exceptions from ring 3.

use x86_64::registers::control::Cr2;

use super::blocked;
use super::death::die;
use super::exit::{Exit, Fault, access_of};
use super::process::Proc;
use super::{current, umem};
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
    // SAFETY: the core's context, which is nobody's else until the trap has blocked.
    let frame = unsafe { (*context).frame() };
    if frame.vector >= FIRST_INTERRUPT {
        interrupt(frame);
        if frame.rip >= USER_END as u64 {
            // SAFETY: the trap has not blocked: interrupts do not.
            kill(unsafe { current::owner() }, fault_of(frame, GENERAL_PROTECTION, 0));
        }
    } else {
        // SAFETY: not used when the trap has blocked, but by what refers to it then.
        let proc = unsafe { current::owner() };
        current::set_no_call();
        if frame.vector == PAGE_FAULT {
            // Read before anything can fault again.
            page_fault(proc, frame, Cr2::read_raw() as usize);
        } else {
            kill(proc, fault_of(frame, frame.vector, 0));
        }
        if blocked::is_blocked() {
            blocked::end();
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
fn page_fault(proc: &Proc, frame: &TrapFrame, address: usize) {
    if let Err(error) = umem::fault_in(proc, address, access_of(frame.error)) {
        kill(
            proc,
            match error {
                FaultError::Absent | FaultError::Forbidden => fault_of(frame, PAGE_FAULT, address),
                FaultError::Limit | FaultError::OutOfMemory => Kill::OutOfMemory(address),
            },
        );
    }
}

/// Why a process dies of a trap.
enum Kill {
    Fault(Fault),
    OutOfMemory(usize),
}

fn fault_of(frame: &TrapFrame, vector: u64, address: usize) -> Kill {
    Kill::Fault(Fault {
        vector: vector as u8,
        error: frame.error,
        rip: frame.rip as usize,
        rip_in_file: 0,
        address,
        rsp: frame.rsp as usize,
    })
}

#[cold]
fn kill(proc: &Proc, why: Kill) {
    let exit = match why {
        Kill::Fault(fault) => {
            let rip_in_file = fault.rip.wrapping_sub(proc.load_offset);
            Exit::Fault(Fault { rip_in_file, ..fault })
        }
        Kill::OutOfMemory(address) => Exit::OutOfMemory { address },
    };
    // SAFETY: its core, or its kthread, refers to it.
    let proc = unsafe { proc.to_arc() };
    log::debug!("process {} ({}): {exit}", proc.id(), proc.name());
    die(&proc, exit);
}
