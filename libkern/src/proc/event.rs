//! What a process is told, and waking it.
//!
//! An event goes into the ring in the page of the vcore, or, if there is no room, its kind's bit into the mask; then
//! `notif_pending` is set; then, if the process waits, it becomes ready. The kernel believes nothing that is in that page:
//! how many events it has put there it knows itself, and of how many were taken it uses the distance only. (DESIGN,
//! section 9.)

use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use alloc::sync::Arc;

use mcp_abi::process::{Event, RING_LEN, VcoreSlot, event};

use super::current;
use super::process::Proc;
use super::state::State;
use crate::arch::clock;
use crate::sync::IrqGuard;
use crate::time::timer::{Cancel, Timer};

/// Tells a process's vcore 0 of `event`. Any context but NMI.
pub(crate) fn post(proc: &Proc, event: Event) {
    wake_after(proc, |slot, put| {
        let ring = &slot.ring;
        let taken = ring.taken.load(Ordering::Acquire);
        if put.wrapping_sub(taken) < RING_LEN as u32 {
            // SAFETY: within the ring; the process may read it at the same time, and finds what it deserves.
            unsafe { ring.events[*put as usize % RING_LEN].get().write_volatile(event) };
            *put = put.wrapping_add(1);
            // Release: the event. Partner: the process's load.
            ring.put.store(*put, Ordering::Release);
        } else {
            ring.overflows.fetch_add(1, Ordering::Relaxed);
            ring.mask.fetch_or(1 << (event.kind % event::KINDS as u32), Ordering::Release);
        }
    });
}

/// Tells a process's vcore 0 that something of that kind has happened, and no more. If it waited, it is ready now, and in no
/// queue: the caller puts it there (`current::wake`), or goes on with it. Interrupts off, until that is done.
#[inline(always)]
#[must_use]
pub(super) fn hint(proc: &Proc, kind: u32) -> Option<Arc<Proc>> {
    tell(proc, |slot, _| _ = slot.ring.mask.fetch_or(1 << (kind % event::KINDS as u32), Ordering::Release))
}

/// Has `publish` tell a process something, and wakes it if it waits.
fn wake_after(proc: &Proc, publish: impl FnOnce(&VcoreSlot, &mut u32)) {
    // Until the process is in the queue.
    let _off = IrqGuard::new();
    if let Some(ready) = tell(proc, publish) {
        current::wake(ready);
    }
}

/// Has `publish` tell a process something. As for [`hint`].
#[inline(always)]
fn tell(proc: &Proc, publish: impl FnOnce(&VcoreSlot, &mut u32)) -> Option<Arc<Proc>> {
    // SAFETY: interrupts are off; what follows calls nobody.
    let mut inner = unsafe { proc.inner.lock_quick() };
    if inner.state.is_dying() {
        return None;
    }
    publish(proc.slot(), &mut inner.events_put);
    // SeqCst: before the look at the state, which the lock has made one thing with the look of who waits. (Races,
    // processes 4.)
    proc.slot().notif_pending.store(1, Ordering::SeqCst);
    if inner.state != State::Waiting {
        return None;
    }
    inner.state.become_state(State::RunnableS);
    // SAFETY: it has not died, so it refers to itself.
    Some(unsafe { proc.to_arc() })
}

/// A process's alarm. While it is armed, or rings, it refers to the process.
///
/// Whose the reference is, the timer alone says. A word beside it would be wrong at times: while the alarm rings on one
/// core, the process sets it again on another.
pub(super) struct Alarm(Timer);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Timer::new(ring))
    }
}

/// Has the process woken at `deadline_ns` of the clock. By a call of its own.
pub(crate) fn set_alarm(proc: &Proc, deadline_ns: u64) {
    cancel_alarm(proc);
    // Under the lock, so that whoever has it die finds the alarm set, or it is not.
    let inner = proc.inner.lock();
    if inner.state.is_dying() {
        return;
    }
    // Where the old one is ringing just now, its reference is its own.
    // SAFETY: the process's core refers to it.
    let _ = Arc::into_raw(unsafe { proc.to_arc() });
    // SAFETY: it stays where it is, by the reference; only the process's own calls arm it, one at a time.
    unsafe { proc.alarm.0.arm(deadline_ns.min(clock::now_ns().saturating_add(1 << 60))) };
}

/// Takes the alarm back, if it has not rung.
pub(super) fn cancel_alarm(proc: &Proc) {
    if proc.alarm.0.cancel() == Cancel::Disarmed {
        // SAFETY: the reference that went with the timer, which does not fire any more.
        unsafe { Arc::decrement_strong_count(proc) };
    }
}

/// # Safety
/// As for a timer's function; the timer is a process's alarm.
unsafe fn ring(timer: NonNull<Timer>) {
    const AT: usize = offset_of!(Proc, alarm) + offset_of!(Alarm, 0);
    // SAFETY: the timer's process, to which the timer has a reference.
    let proc = unsafe { Arc::from_raw(timer.byte_sub(AT).cast::<Proc>().as_ptr().cast_const()) };
    let alarm = Event { kind: event::ALARM, tag: 0, a: 0, b: 0, tsc: clock::tsc() };
    post(&proc, alarm);
}
