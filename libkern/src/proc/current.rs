//! What each core has to do with processes, and the way back to ring 3.
//!
//! # The way back
//!
//! [`go_on`] is what the idle loop does where it finds no message: it goes to the core's current context, or takes the
//! process that is next, or returns, and the core halts. A trap that has blocked, or that finds messages on its way out,
//! ends in the idle loop ([`leave`]); so there is one place that decides, whatever has happened meanwhile. A trap that has
//! not blocked and finds nothing takes the same decision in a few instructions ([`may_return`]).
//!
//! # Turns
//!
//! A process that others wait for has its core for [`SLICE_NS`] at a time. A core's timer is armed only while it runs a
//! process and another waits, so where nobody waits nothing ticks; or while the process has a limit to its time, which is
//! looked at when a turn ends.
//!
//! # Hazards
//!
//! 1. *A process is published before its context is saved.* Its state changes in a routine message, when the trap that
//!    asked for it is over; never in the trap.
//! 2. *A kthread is about to run where a process was.* The process goes back to the queue, to its front, where an idle core
//!    finds it (K24).
//! 3. *A dead process's tables stay loaded.* A core that has nobody to run loads the kernel's (K21).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering, fence};

use super::death::die;
use super::exit::Exit;
use super::process::{Inner, Proc};
use super::ready::{self, End};
use super::state::State;
use crate::arch::user::{self, Context};
use crate::arch::{self, MAX_CORES, clock, depth, irq, paging};
use crate::kmsg;
use crate::kthread;
use crate::sync::depth::FROM_USER;
use crate::sync::per_core;
use crate::time::timer::Timer;

/// How long a turn is, in nanoseconds.
const SLICE_NS: u64 = 5_000_000;

/// What a core has to do with processes.
///
/// # Invariants
/// Used by its core only, interrupts off. Each process that is named here is referred to by that.
pub(crate) struct Here {
    /// Who should run here.
    owner: Cell<*const Proc>,
    /// Whose address space is loaded; null for the kernel's own.
    loaded: Cell<*const Proc>,
    /// The context whose registers are in those that the kernel does not use.
    attached: Cell<*mut Context>,
    /// The timer of the owner's turn, made when the core runs its first process: what every core has from the beginning is in
    /// images without processes, too, and would keep the code there that it names.
    turn: Cell<Option<&'static Timer>>,
    /// The call that the trap which runs is at, or 0 for a fault.
    call: Cell<usize>,
    /// Where the calls of its batch end.
    calls_end: Cell<usize>,
    /// When the owner's turn began, in nanoseconds of the clock.
    since_ns: Cell<u64>,
    /// How long the owner may run from then on, in nanoseconds.
    left_ns: Cell<u64>,
    /// Whether the timer of its turn is armed.
    is_timed: Cell<bool>,
}

per_core! {
    pub(crate) static HERE: Here = Here {
        owner: Cell::new(ptr::null()),
        loaded: Cell::new(ptr::null()),
        attached: Cell::new(ptr::null_mut()),
        turn: Cell::new(None),
        call: Cell::new(0),
        calls_end: Cell::new(0),
        since_ns: Cell::new(0),
        left_ns: Cell::new(u64::MAX),
        is_timed: Cell::new(false),
    };
}

/// Cores that run a process, by bits.
static RUNNING: [AtomicU64; MAX_CORES.div_ceil(64)] = [const { AtomicU64::new(0) }; MAX_CORES.div_ceil(64)];

/// The running core's.
///
/// # Safety
/// Interrupts are off while the reference is used.
#[inline(always)]
unsafe fn here() -> &'static Here {
    // SAFETY: the caller's word.
    unsafe { HERE.get_unguarded() }
}

/// The process that the trap which runs came from.
///
/// # Safety
/// In a trap from ring 3 that has not blocked, and the reference is not used when it has.
#[inline(always)]
pub(crate) unsafe fn owner<'a>() -> &'a Proc {
    // SAFETY: the core that ring 3 left has an owner, which lives while it is one.
    unsafe { &*here().owner.get() }
}

/// Says that the trap that runs has come for no call. Interrupts off.
pub(super) fn set_no_call() {
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    here.call.set(0);
    here.calls_end.set(0);
}

/// The call that the trap that runs is at, and where its batch ends; zeros for none. Interrupts off.
pub(super) fn call() -> (usize, usize) {
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    (here.call.get(), here.calls_end.get())
}

/// For the way in of system calls, which is assembly: where a core's words are, from its distance (`gs:[0]`) on.
pub(crate) mod offsets {
    use core::mem::offset_of;

    use super::Here;

    pub(crate) use super::HERE;

    pub(crate) const OWNER: usize = offset_of!(Here, owner);
    pub(crate) const CALL: usize = offset_of!(Here, call);
    pub(crate) const CALLS_END: usize = offset_of!(Here, calls_end);
}

/// The end of a trap from ring 3: whether the core may go back at once. Interrupts off, and `FROM_USER` is down afterwards.
#[inline(always)]
#[must_use]
pub(crate) fn may_return() -> bool {
    depth::lower::<FROM_USER>();
    !kmsg::has_routine()
}

/// The end of a trap from ring 3 that does not go back at once, or of what a trap had to have done and blocked: the idle
/// loop, on this stack, of which nothing is needed any more.
pub(crate) fn leave() -> ! {
    irq::disable();
    let launches = kmsg::peek_routine().is_some_and(kthread::is_launch);
    if launches && !user::current().is_null() {
        // SAFETY: interrupts are off.
        give_up_core(unsafe { here() }, Next::Ready(End::Front));
    }
    kthread::rename_current(None);
    // SAFETY: the callers' word.
    unsafe { kthread::restart_idle() }
}

/// What the idle loop does where it finds no message. Interrupts off, and again when it returns; says whether there is somebody
/// to go on with, for whom a message has come first.
pub(super) fn go_on() -> bool {
    // SAFETY: interrupts are off, here and in all that is called.
    let here = unsafe { here() };
    if user::current().is_null() && !take_somebody(here) {
        return false;
    }
    if !kmsg::prepare_to_leave() {
        return true;
    }
    load(here, here.owner.get());
    let context = user::current();
    if here.attached.get() != context {
        attach(here, context);
    }
    if !ready::is_empty() || here.left_ns.get() != u64::MAX {
        time_turn(here);
    }
    // SAFETY: the context is the core's, attached, its process loaded; the idle loop needs nothing of its stack.
    unsafe { user::resume(context) }
}

/// Takes whoever is ready to this core, if somebody is, and says so.
#[inline(never)]
fn take_somebody(here: &Here) -> bool {
    while user::current().is_null() {
        match ready::take().or_else(|| idle(here)) {
            Some(proc) => adopt(here, proc),
            None => return false,
        }
    }
    true
}

/// Puts the rest of the context, which is about to be resumed, into the core's registers.
#[inline(never)]
fn attach(here: &Here, context: *mut Context) {
    if here.turn.get().is_none() {
        here.turn.set(Some(Box::leak(Box::new(Timer::new(turn_is_over)))));
        // SAFETY: interrupts are off; the handlers were set before there was a process.
        unsafe { user::activate() };
    }
    // SAFETY: the caller resumes it; it is the core's.
    unsafe { (*context).attach() };
    here.attached.set(context);
}

/// Nobody is to run here: notes it, unless somebody has come meanwhile, and forgets who was here.
#[cold]
fn idle(here: &Here) -> Option<Arc<Proc>> {
    let next = ready::idle(arch::core_id());
    if next.is_none() {
        load(here, ptr::null());
    }
    next
}

/// Takes a process that was ready to this core, unless it has died.
fn adopt(here: &Here, proc: Arc<Proc>) {
    let core = arch::core_id();
    let mut inner = proc.inner.lock();
    if inner.state.is_dying() {
        return;
    }
    inner.state.become_state(State::RunningS);
    inner.core = Some(core);
    inner.busy += 1;
    inner.turns += 1;
    inner.since_ns = clock::now_ns();
    begin_turn(here, &proc, &inner);
    drop(inner);
    ready::busy(core);
    // SAFETY: the process is this core's now, and so is its context.
    unsafe { user::set_current(proc.context.get()) };
    here.owner.set(Arc::into_raw(proc));
    RUNNING[core / 64].fetch_or(1 << (core % 64), Ordering::Relaxed);
}

/// A turn of this core's process begins, whose time was counted just now.
fn begin_turn(here: &Here, proc: &Proc, inner: &Inner) {
    here.since_ns.set(inner.since_ns);
    here.left_ns.set(if proc.limit_ns == u64::MAX { u64::MAX } else { proc.limit_ns.saturating_sub(inner.run_ns) });
}

/// What becomes of a process that gives up its core.
#[derive(Clone, Copy)]
enum Next {
    /// It wants the next one.
    Ready(End),
    /// It waits, unless something has come for it.
    Wait,
    /// It is dying.
    Nothing,
}

/// Takes the process off this core. Interrupts off.
fn give_up_core(here: &Here, next: Next) {
    let core = arch::core_id();
    let context = user::current();
    if here.attached.get() == context {
        // SAFETY: the one attached last; no other has run since.
        unsafe { (*context).detach() };
        here.attached.set(ptr::null_mut());
    }
    // SAFETY: the core has an owner; interrupts are off.
    let proc = unsafe {
        user::set_current(ptr::null_mut());
        Arc::from_raw(here.owner.replace(ptr::null()))
    };
    RUNNING[core / 64].fetch_and(!(1 << (core % 64)), Ordering::Relaxed);
    let mut inner = proc.inner.lock();
    inner.core = None;
    inner.count_time();
    inner.busy -= 1;
    let mut becomes_ready = None;
    if !inner.state.is_dying() {
        match next {
            Next::Ready(end) => {
                inner.state.become_state(State::RunnableS);
                becomes_ready = Some(end);
            }
            Next::Wait => {
                inner.state.become_state(State::Waiting);
                // The state first, then the look; who posts does it the other way round. Both have the lock. (Races,
                // processes 4.)
                if proc.slot().notif_pending.load(Ordering::SeqCst) != 0 {
                    inner.state.become_state(State::RunnableS);
                    becomes_ready = Some(End::Back);
                }
            }
            Next::Nothing => {}
        }
    }
    let ends = inner.ends_now();
    drop(inner);
    if let Some(end) = becomes_ready {
        make_ready(proc, end);
    } else if ends {
        finish(&proc);
    }
}

/// Puts a process whose state is RUNNABLE_S into the queue, and sees to it that somebody looks there. Interrupts off.
pub(super) fn make_ready(proc: Arc<Proc>, end: End) {
    ready::push(proc, end);
    let have_look = |core| kmsg::send_routine(core, |_| ());
    if let Some(core) = ready::take_idle_core(kmsg::is_halting) {
        return have_look(core);
    }
    // The others, this one perhaps among them, are about to halt or have kthreads to run: they look when they come to it.
    while let Some(core) = ready::take_idle_core(|_| true) {
        have_look(core);
    }
    remind_somebody();
}

/// Has the process that runs on this core, if one does, let others run. Between things.
pub(crate) fn yield_here() {
    irq::disable();
    if !user::current().is_null() && !ready::is_empty() {
        // SAFETY: interrupts are off.
        give_up_core(unsafe { here() }, Next::Ready(End::Back));
    }
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
}

/// Takes the core from a process, if it has one.
pub(super) fn preempt(proc: Arc<Proc>) {
    let core = proc.inner.lock().core;
    if let Some(core) = core {
        kmsg::send_routine(core, move |_| {
            irq::disable();
            // SAFETY: interrupts are off.
            let here = unsafe { here() };
            if here.owner.get() == Arc::as_ptr(&proc) {
                give_up_core(here, Next::Ready(End::Back));
            }
            // SAFETY: between things they are on.
            unsafe { irq::enable() };
        });
    }
}

/// Has the process that runs on this core wait, unless something has come for it. Between things, after the trap in which
/// the one at address `proc` asked for it.
pub(crate) fn wait_here(proc: usize) {
    irq::disable();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    // It may have lost the core since, and then looks again when it has one.
    if here.owner.get().addr() == proc && !user::current().is_null() {
        give_up_core(here, Next::Wait);
    }
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
}

/// Lets go of a process that is dying, as far as this core has it. Between things.
pub(super) fn abandon(proc: &Arc<Proc>) {
    irq::disable();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    if here.owner.get() == Arc::as_ptr(proc) {
        give_up_core(here, Next::Nothing);
    }
    unload(here, proc);
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
}

/// Nobody works for a process any more, and nobody will: cores that still have its space loaded are told, and its reference
/// to itself goes. Once for a process that has died.
pub(super) fn finish(proc: &Arc<Proc>) {
    for core in proc.space.loaded_elsewhere(usize::MAX) {
        let proc = proc.clone();
        kmsg::send_routine(core, move |_| forget_space(&proc));
    }
    // SAFETY: the reference that it has had to itself since it was made; this is done once.
    unsafe { Arc::decrement_strong_count(Arc::as_ptr(proc)) };
}

/// As [`abandon`], of the address space alone.
fn forget_space(proc: &Arc<Proc>) {
    irq::disable();
    // SAFETY: interrupts are off.
    unload(unsafe { here() }, proc);
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
}

fn unload(here: &Here, proc: &Arc<Proc>) {
    if here.loaded.get() == Arc::as_ptr(proc) {
        load(here, ptr::null());
    }
}

/// Has the space of `proc` loaded on this core, for a kthread that works for it. Stays so until the kthread blocks.
/// Interrupts on or off.
pub(super) fn load_for_kthread(proc: &Proc) {
    let flags = irq::save_and_disable();
    // SAFETY: interrupts are off, and the flags the innermost.
    unsafe {
        load(here(), proc);
        irq::restore(flags);
    }
}

/// Loads the space of `proc`, or, with null, the kernel's own. Interrupts off.
#[inline(always)]
fn load(here: &Here, proc: *const Proc) {
    if here.loaded.get() != proc {
        exchange_space(here, proc);
    }
}

#[inline(never)]
fn exchange_space(here: &Here, proc: *const Proc) {
    let core = arch::core_id();
    // SAFETY: a process that is named here is alive, and the caller has a reference to the one that is to be; its tables'
    // upper half is the kernel's.
    unsafe {
        match proc.as_ref() {
            Some(proc) => {
                proc.space.mark_loaded(core);
                Arc::increment_strong_count(proc);
                paging::load_root(proc.space.root());
            }
            None => paging::load(),
        }
        let before = here.loaded.replace(proc);
        if let Some(before) = before.as_ref() {
            before.space.mark_unloaded(core);
            drop(Arc::from_raw(before));
        }
    }
}

/// Sees to it that the turn of this core's process ends. Interrupts off.
#[inline(never)]
fn time_turn(here: &Here) {
    if let Some(turn) = here.turn.get().filter(|_| !here.is_timed.replace(true)) {
        // SAFETY: it stays where it is; it is armed here only, and not while it is.
        unsafe { turn.arm(end_of_turn(here)) };
    }
}

fn end_of_turn(here: &Here) -> u64 {
    here.since_ns.get() + SLICE_NS.min(here.left_ns.get())
}

/// In the timer's interrupt. What is to be done is done between things.
///
/// # Safety
/// As for a timer's function.
unsafe fn turn_is_over(_: NonNull<Timer>) {
    // SAFETY: interrupts are off.
    unsafe { here() }.is_timed.set(false);
    kmsg::send_routine(arch::core_id(), |_| end_turn());
}

/// Ends the turn of this core's process, if its time is over. Between things.
fn end_turn() {
    irq::disable();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    let mut dies = None;
    // A turn that began after the timer was armed goes on; the timer is armed again on the way to ring 3.
    if !user::current().is_null() && clock::now_ns() >= end_of_turn(here) {
        // SAFETY: the core has an owner, which is alive.
        let proc = unsafe { (*here.owner.get()).to_arc() };
        let mut inner = proc.inner.lock();
        inner.count_time();
        begin_turn(here, &proc, &inner);
        drop(inner);
        if here.left_ns.get() == 0 {
            dies = Some(proc);
        } else if !ready::is_empty() {
            give_up_core(here, Next::Ready(End::Back));
        }
    }
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
    if let Some(proc) = dies {
        die(&proc, Exit::TimeLimit);
    }
}

/// Has some core that runs a process see to it that the turn ends. Interrupts off.
fn remind_somebody() {
    // A core that has just taken a process says so and then looks whether others wait (`go_on`, between which there is an
    // exchange); this comes after a push. One of the two sees the other.
    fence(Ordering::SeqCst);
    let this = arch::core_id();
    for (n, word) in RUNNING.iter().enumerate() {
        let mut bits = word.load(Ordering::Relaxed);
        if this / 64 == n {
            // This core looks by itself before it goes to ring 3.
            bits &= !(1 << (this % 64));
        }
        if bits != 0 {
            return kmsg::send_immediate(n * 64 + bits.trailing_zeros() as usize, |_| {
                // SAFETY: interrupts are off.
                let here = unsafe { here() };
                if !here.owner.get().is_null() && !ready::is_empty() {
                    time_turn(here);
                }
            });
        }
    }
}
