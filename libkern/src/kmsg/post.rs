//! Sending: which inbox, and whether its core must be interrupted.

use core::hint::cold_path;
use core::ptr::NonNull;

use super::closure::{Immediate, Routine};
use super::hog;
use super::local::{CORE, Core, Local, collect, call_back};
use super::message::Message;
use crate::arch::{self, apic, backtrace, clock, core_block, irq};
use crate::cpu::{self, CoreSet};

/// Has `core` run `f` in interrupt context as soon as it takes interrupts, before any routine message that waits there.
///
/// Any context but NMI; does not wait. `f` runs with interrupts off and must not block. To the running core itself: at
/// once if interrupts are on. What `f` returns is dropped.
///
/// # Panics
/// If there is no such core, or it did not start; or if memory for messages is exhausted.
#[inline]
pub fn send_immediate<R, F: FnOnce(Immediate) -> R + Send + 'static>(core: usize, f: F) {
    // SAFETY: it borrows nothing.
    unsafe { send_immediate_borrowing(core, move |context| drop(f(context))) };
}

/// As [`send_immediate`], for a closure that borrows.
///
/// # Safety
/// What it borrows outlives its run, for which the caller waits.
#[inline(always)]
pub(crate) unsafe fn send_immediate_borrowing<F: FnOnce(Immediate) + Send>(core: usize, f: F) {
    let flags = irq::save_and_disable();
    // SAFETY: interrupts are off, and no other reference to what is the core's is used meanwhile. The message is a node of
    // the cache, filled, given up. The flags are the innermost.
    unsafe {
        let here = Core::here();
        let node = if arch::is_here(core) { here.local().nodes.try_take() } else { None };
        let Some(message) = node else { return send_immediate_slowly(core, f, flags) };
        Message::fill::<Immediate, F>(message, f);
        let local = here.local();
        local.counts.queued += 1;
        local.nodes.gone();
        if here.inbox.immediate.push(message) {
            here.local().counts.interrupts_sent += 1;
            apic::wake_self();
        }
        irq::restore(flags);
    }
}

/// To another core, or without a free node at hand.
///
/// # Safety
/// As for [`send_immediate_borrowing`]; interrupts are off, and `flags` the innermost.
#[inline(never)]
unsafe fn send_immediate_slowly<F: FnOnce(Immediate) + Send>(core: usize, f: F, flags: irq::Flags) {
    check(core);
    // SAFETY: as in `send_immediate_borrowing`.
    unsafe {
        let local = Local::here();
        local.counts.queued += 1;
        let message = local.nodes.take();
        local.nodes.gone();
        Message::fill::<Immediate, F>(message, f);
        let first = CORE.on(core).inbox.immediate.push(message);
        count_interrupt(core, first);
        irq::restore(flags);
    }
}

/// Has `core` run `f` when it is next between things: in kthread context, interrupts on, and free to block or not to
/// return.
///
/// Any context but NMI; does not wait. Messages from one context to one core run in the order of sending. To the running
/// core itself it is deferred work, and costs no interrupt.
///
/// # Panics
/// As [`send_immediate`].
#[inline]
pub fn send_routine<R, F: FnOnce(Routine) -> R + Send + 'static>(core: usize, f: F) {
    // SAFETY: it borrows nothing.
    unsafe { send_routine_borrowing(core, move |context| drop(f(context))) };
}

/// As [`send_routine`], for a closure that borrows.
///
/// # Safety
/// What it borrows outlives its run, for which the caller waits.
#[inline(always)]
pub(crate) unsafe fn send_routine_borrowing<F: FnOnce(Routine) + Send>(core: usize, f: F) {
    let flags = irq::save_and_disable();
    // SAFETY: interrupts are off, and no other reference to what is the core's is used meanwhile. The message is a node of
    // the cache, filled, given up. The flags are the innermost.
    unsafe {
        let here = Core::here();
        let is_quick = arch::is_here(core) && !here.has_routine();
        let node = if is_quick { here.local().nodes.try_take() } else { None };
        let Some(message) = node else {
            // Or rather: not worth an instruction of the quick way.
            cold_path();
            return send_routine_slowly(core, f, flags);
        };
        Message::fill::<Routine, F>(message, f);
        here.local().keep(message);
        irq::restore(flags);
    }
}

/// To another core, behind what others have sent, or without a free node at hand. A function of its own, which does all the
/// rest, so that the quick way calls nothing and needs no stack.
///
/// # Safety
/// As for [`send_routine_borrowing`]; interrupts are off, and `flags` the innermost.
#[inline(never)]
unsafe fn send_routine_slowly<F: FnOnce(Routine) + Send>(core: usize, f: F, flags: irq::Flags) {
    // SAFETY: as in `send_routine_borrowing`.
    unsafe {
        let nodes = &mut Local::here().nodes;
        let message = nodes.take();
        Message::fill::<Routine, F>(message, f);
        if arch::is_here(core) {
            post_here(message);
        } else {
            nodes.gone();
            post_there(core, message);
        }
        irq::restore(flags);
    }
}

/// Sends a routine message that is its owner's.
///
/// # Safety
/// The message is in no queue, its function is set, and it is not touched until that is called. Interrupts are off.
#[inline(always)]
pub(crate) unsafe fn post_routine(core: usize, message: NonNull<Message>) {
    if arch::is_here(core) {
        // SAFETY: the caller's word.
        unsafe { post_here(message) };
    } else {
        // SAFETY: the caller's word.
        unsafe { post_there(core, message) };
    }
}

/// To the running core, which looks before it halts: no interrupt (M19), and no exchange either. The message goes behind
/// those that the core has taken. What is in the queue was sent before, and is taken first (M2).
///
/// # Safety
/// As for [`post_routine`].
#[inline(always)]
pub(crate) unsafe fn post_here(message: NonNull<Message>) {
    // SAFETY: interrupts are off, and the references end here; the caller's message.
    unsafe {
        if !try_post_here(message) {
            let here = Core::here();
            collect(here, here.local());
            here.local().keep(message);
        }
    }
}

/// As [`post_here`], unless others have sent something that the core has not taken yet. Says whether it did.
///
/// # Safety
/// As for [`post_routine`].
#[inline(always)]
#[must_use]
pub(crate) unsafe fn try_post_here(message: NonNull<Message>) -> bool {
    // SAFETY: interrupts are off, and the references end here; the caller's message.
    unsafe {
        let here = Core::here();
        if here.has_routine() {
            return false;
        }
        here.local().keep(message);
        true
    }
}

/// As [`post_here`], unless this core has other messages: so it is the next. Says whether it did.
///
/// # Safety
/// As for [`post_routine`].
#[inline(always)]
#[must_use]
pub(crate) unsafe fn try_post_as_next(message: NonNull<Message>) -> bool {
    // SAFETY: interrupts are off, and the references end here; the caller's message.
    unsafe {
        let here = Core::here();
        if here.has_pending() || here.has_routine() {
            return false;
        }
        here.local().keep_first(message);
        true
    }
}

/// To another core.
///
/// # Safety
/// As for [`post_routine`].
#[inline(never)]
unsafe fn post_there(core: usize, message: NonNull<Message>) {
    check(core);
    // SAFETY: interrupts are off.
    unsafe { Local::here() }.counts.queued += 1;
    let now = clock::tsc();
    // SAFETY: not in a queue, so nobody else reads it; by the caller's word.
    unsafe { (*message.as_ptr()).stamp(now) };
    let target = CORE.on(core);
    // SAFETY: the caller's word.
    let first = unsafe { target.inbox.routine.push(message) };
    if first {
        target.patience.begin(now);
    } else if target.patience.is_at_an_end(now) {
        report_hog(core);
    }
    count_interrupt(core, first && call_back(&target.inbox));
}

/// Interrupts `core` if that is needed, and counts that it was or was not.
#[inline(always)]
fn count_interrupt(core: usize, is_needed: bool) {
    // SAFETY: the callers have interrupts off; the reference ends here.
    let counts = &mut unsafe { Local::here() }.counts;
    if is_needed {
        counts.interrupts_sent += 1;
        apic::wake(core);
    } else {
        counts.interrupts_saved += 1;
    }
}

#[inline(always)]
fn check(core: usize) {
    if !cpu::is_up(core) {
        no_such_core(core);
    }
}

#[cold]
#[inline(never)]
fn no_such_core(core: usize) -> ! {
    panic!("core {core} cannot be sent messages: {} of {} cores are up", arch::smp::up(), cpu::count());
}

/// Says which core does not look at its messages, and has it say where it is.
#[cold]
#[inline(never)]
fn report_hog(core: usize) {
    log::warn!("core {core} has let messages wait for more than {} ms", clock::ticks_to_ns(hog::limit()) / 1_000_000);
    send_immediate(core, |_| {
        let core = arch::core_id();
        let mut frame = backtrace::frame_pointer();
        for bounds in [core_block::interrupt_stack(), core_block::current_stack()] {
            frame = backtrace::walk(frame, bounds, |address| log::warn!("core {core} is busy: {address:#018x}"));
        }
    });
}

/// Sends an immediate message to each core of `set`; each runs a clone of `f`. As [`send_immediate`].
pub fn multicast_immediate<R, F: FnOnce(Immediate) -> R + Clone + Send + 'static>(set: &CoreSet, f: F) {
    set.iter().for_each(|core| send_immediate(core, f.clone()));
}

/// Sends a routine message to each core of `set`; each runs a clone of `f`. As [`send_routine`].
pub fn multicast_routine<R, F: FnOnce(Routine) -> R + Clone + Send + 'static>(set: &CoreSet, f: F) {
    set.iter().for_each(|core| send_routine(core, f.clone()));
}

/// Sends an immediate message to every core that is up, this one included. As [`send_immediate`].
pub fn broadcast_immediate<R, F: FnOnce(Immediate) -> R + Clone + Send + 'static>(f: F) {
    multicast_immediate(&CoreSet::all(), f);
}

/// Sends a routine message to every core that is up, this one included. As [`send_routine`].
pub fn broadcast_routine<R, F: FnOnce(Routine) -> R + Clone + Send + 'static>(f: F) {
    multicast_routine(&CoreSet::all(), f);
}
