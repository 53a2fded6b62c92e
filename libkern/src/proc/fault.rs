//! What a process has done that it must not: its handler's business, if it has one, else its end.
//!
//! ```text
//!   exception --> has it said where? --> are notifications enabled? --no--> it dies, with a report
//!                                            | yes
//!                                            v
//!   its context goes to its vcore's slot; notifications are disabled; it goes on at its handler, on the stack that goes
//!   with that, with the vector, the error code and the address as arguments
//!                                            |
//!                                            v
//!   `resume`: the context comes back from the slot, whatever it has become; notifications are enabled
//! ```
//!
//! Whether a process is in its handler is what `notif_disabled` says, which it can write, and nothing else: one that enables
//! notifications there loses what the slot holds by the next fault, and goes round as long as its turns last. (Seed
//! `processes.txt`, 4.2.2, 4.2.4.) A fault is the vcore's that has it; which vcore the process wants to hear of which event is
//! not asked. (4.2.3.) A page that is not to be had, for want of memory, is no fault of the process's that it could mend.

use core::sync::atomic::{AtomicUsize, Ordering};

use mcp_abi::process::USER_END;

use super::blocked;
use super::current;
use super::death::die;
use super::exit::{Exit, Fault};
use super::process::Proc;
use crate::arch::user::{self, Context};

const GENERAL_PROTECTION: u64 = 13;

/// Where a process goes on after a fault. Two words, which the process may change at any time: what it gets then is one of
/// each.
pub(super) struct Handler {
    /// The first instruction, or 0 for no handler.
    entry: AtomicUsize,
    /// The end of its stack.
    stack: AtomicUsize,
}

impl Handler {
    pub(super) const fn none() -> Self {
        Self { entry: AtomicUsize::new(0), stack: AtomicUsize::new(0) }
    }
}

/// Says where `proc` goes on after a fault, and whether these can be addresses of its own. With `entry` 0, it dies of it.
#[must_use]
pub(crate) fn set_handler(proc: &Proc, entry: usize, stack: usize) -> bool {
    let is_right = entry < USER_END && stack <= USER_END;
    if is_right {
        // Relaxed: see `Handler`.
        proc.handler.stack.store(stack, Ordering::Relaxed);
        proc.handler.entry.store(entry, Ordering::Relaxed);
    }
    is_right
}

/// The process of the trap that runs, whose context that is, has done what it must not.
#[inline(always)]
pub(super) fn raise(proc: &Proc, context: *mut Context, vector: u64, address: usize) {
    let entry = proc.handler.entry.load(Ordering::Relaxed);
    let slot = proc.slot();
    // One whose trap has blocked has gone on since, and its context with it.
    if entry == 0 || slot.notif_disabled.load(Ordering::Relaxed) != 0 || blocked::is_blocked() {
        // SAFETY: the context of a process that is on its core, or that waits for this trap.
        return kill(proc, unsafe { &*context }, vector, address);
    }
    // Relaxed: read by this core only, and by the process.
    slot.notif_disabled.store(1, Ordering::Relaxed);
    // SAFETY: the core's context, which is nobody else's in a trap that has not blocked; the slot stays as long as the
    // process.
    unsafe {
        let context = &mut *context;
        context.save(slot.thread.get());
        let error = context.frame().error;
        let stack = proc.handler.stack.load(Ordering::Relaxed);
        context.restart(entry, stack, [vector, error, address as u64]);
    }
}

/// In a trap from ring 3: the process goes on with what is in its slot.
pub(crate) fn resume(proc: &Proc) -> ! {
    let slot = proc.slot();
    // SAFETY: the core's context, which is nobody else's and attached, because the core has just come from there.
    let context = unsafe { &mut *user::current() };
    // SAFETY: as above; the slot stays as long as the process.
    if unsafe { context.load(slot.thread.get()) }.is_ok() {
        slot.notif_disabled.store(0, Ordering::Relaxed);
    } else {
        context.clear_error();
        kill(proc, context, GENERAL_PROTECTION, 0);
    }
    if current::may_return() {
        // SAFETY: attached, and its process's space is loaded, as above; nothing is waiting; this stack is not needed.
        unsafe { user::resume(context) }
    }
    current::leave()
}

/// Ends the process that has done what it must not.
#[cold]
fn kill(proc: &Proc, context: &Context, vector: u64, address: usize) {
    let registers = context.registers();
    let rip = registers.rip as usize;
    proc.record.keep(registers);
    end(
        proc,
        Exit::Fault(Fault {
            vector: vector as u8,
            error: context.frame().error,
            rip,
            rip_in_file: rip.wrapping_sub(proc.load_offset),
            address,
            rsp: registers.rsp as usize,
            build_id: proc.build_id,
        }),
    );
}

/// Ends the process of the trap that runs.
#[cold]
pub(super) fn end(proc: &Proc, exit: Exit) {
    // SAFETY: its core, or its kthread, refers to it.
    let proc = unsafe { proc.to_arc() };
    log::debug!("process {} ({}): {exit}", proc.id(), proc.name());
    die(&proc, exit);
}
