//! What each core has to do with processes, and the way back to ring 3.
//!
//! # The way back
//!
//! [`go_on`] is what the idle loop does where it finds no message: it goes to the core's current context, or takes the
//! process that is next, or returns, and the core halts, unless something has come meanwhile. A trap that has blocked, or
//! that finds messages on its way out, ends in the idle loop ([`leave`]); so there is one place that decides, whatever has
//! happened meanwhile. A trap that has not blocked and finds nothing takes the same decision in a few instructions
//! ([`may_return`]); and one whose process waits, or lets others run, goes to the next process without the idle loop
//! ([`change_to_next`]). One whose process wakes another by the call by which it waits goes to that one, past the queue, if
//! nobody is in it ([`hand_over`]): so two processes that talk cost two switches and no more, and nobody waits longer for it.
//!
//! # A core that does something else has no process
//!
//! Messages may launch kthreads, and may block, and either may take as long as it likes. So a core that has one gives up
//! its process before it runs it: the process goes to the front of the queue, where an idle core is told of it, or this
//! core finds it when it is done (K24). Its registers are in its context, wherever it goes on. There are three places where
//! a core that has a process can come upon messages:
//!
//! 1. on the way out of a trap ([`leave`], [`change_to_next`]);
//! 2. where a trap is about to block ([`before_block`]). If nothing waits, it leaves a message of its own behind, and
//!    whatever comes until it has blocked comes behind that: so the core goes back to the process at once (K25), or gives it
//!    up in the third place;
//! 3. at the last look before ring 3 ([`go_on`]). What has come may be an immediate message, which runs by its interrupt
//!    and tells nobody: so the core looks again before it halts, or the process that it has just given up could wait for
//!    as long as nothing else happens.
//!
//! # Who is told of a process that is ready
//!
//! A core that halts, if one does that may run it; else all that are noted as idle ([`ready`]), which are about to halt or
//! have kthreads to run. And then a core that runs a process has its turn timed: this one, if it does, or another. A core
//! that is told goes on with whoever is next by that message itself ([`look`]): if a kthread has come in between, it finds
//! that at its last look, and tells the others in its turn.
//!
//! # Turns
//!
//! A process that others wait for has its core for [`SLICE_NS`] at a time. A core's timer is armed only while it runs a
//! process and another waits, so where nobody waits nothing ticks; or while the process has a limit to its time. All that
//! the timer does is to have the core give up its process, as any message does: a process that does so behind whose back no
//! turn has ended goes on with what is left of its turn, and one whose turn is over goes behind the others; or dies, if its
//! time is.
//!
//! # Hazards
//!
//! 1. *A process is published before its call is done.* Once its state says that it waits, or is ready, another core may run
//!    it. So a call that makes it so is marked as done before that, and its trap does nothing in its name afterwards.
//! 2. *A process is ready, and the core that made it so goes back to ring 3 without a look at the queue.* Whoever makes a
//!    process ready on a core that runs another sees to it that the other's turn ends.
//! 3. *A core counts as one that runs a process, and does something else.* It would be reminded in place of one that does, and
//!    nobody's turn would end. Between two processes it may, with interrupts off.
//! 4. *A dead process's tables stay loaded.* A core that has nobody to run loads the kernel's (K21).

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::{Cell, UnsafeCell};
use core::ops::DerefMut;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering, fence};

use super::death::die;
use super::exit::Exit;
use super::process::{Inner, Proc};
use super::ready::{self, End};
use super::state::State;
use crate::arch::user::{self, Context};
use crate::arch::{self, MAX_CORES, clock, depth, irq, paging};
use crate::kmsg::{self, Immediate, Message, Routine};
use crate::kthread;
use crate::sync::depth::FROM_USER;
use crate::sync::per_core;
use crate::time::timer::Timer;

/// How long a turn is, in nanoseconds.
pub(super) const SLICE_NS: u64 = 5_000_000;

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
    /// None before it runs its first process.
    own: Cell<Option<&'static Own>>,
    /// The call that the trap which runs is at, or 0 for a fault.
    call: Cell<usize>,
    /// Where the calls of its batch end.
    calls_end: Cell<usize>,
    /// When the owner's turn began, in nanoseconds of the clock.
    since_ns: Cell<u64>,
    /// How long it lasts, in nanoseconds.
    turn_ns: Cell<u64>,
    /// Whether it ends though nobody else waits, because the owner's time is limited.
    is_limited: Cell<bool>,
    /// Whether the timer of its turn is armed.
    is_timed: Cell<bool>,
}

/// What a core has of its own once it runs processes. Made then: what every core has from the beginning is in images without
/// processes, too, and would keep the code there that it names.
struct Own {
    /// Of the owner's turn.
    turn: Timer,
    /// [`before_block`] leaves it behind.
    go_on: UnsafeCell<Message>,
}

per_core! {
    pub(crate) static HERE: Here = Here {
        owner: Cell::new(ptr::null()),
        loaded: Cell::new(ptr::null()),
        attached: Cell::new(ptr::null_mut()),
        own: Cell::new(None),
        call: Cell::new(0),
        calls_end: Cell::new(0),
        since_ns: Cell::new(0),
        turn_ns: Cell::new(SLICE_NS),
        is_limited: Cell::new(false),
        is_timed: Cell::new(false),
    };
}

/// Cores that run a process, or are between two, by bits.
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

/// The process that the trap which runs came from, the call that it is at, and where its batch ends; zeros for none.
///
/// # Safety
/// As for [`owner`].
#[inline(always)]
pub(super) unsafe fn owner_and_call<'a>() -> (&'a Proc, usize, usize) {
    // SAFETY: as in `owner`; the caller's word.
    unsafe {
        let here = here();
        (&*here.owner.get(), here.call.get(), here.calls_end.get())
    }
}

/// Where the batch of the trap that runs ends. Interrupts off.
#[inline(always)]
pub(crate) fn end_of_batch() -> usize {
    // SAFETY: interrupts are off.
    unsafe { here() }.calls_end.get()
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
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    kthread::unname_current();
    if user::current().is_null() {
        runs_nobody();
    } else if kmsg::has_routine() {
        give_up_core(here, Next::Ready(End::Front));
    } else {
        // Not by the idle loop, which runs what comes until it has looked, and the core has a process.
        let _ = go_on();
    }
    // SAFETY: the callers' word.
    unsafe { kthread::restart_idle() }
}

/// A trap from ring 3 is about to block. Interrupts off.
#[inline(always)]
pub(super) fn before_block() {
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    // SAFETY: the core has it since before it went to ring 3, where this trap came from. And before that it was taken from
    // the queue, if it was in one.
    let is_next = unsafe {
        let own = here.own.get().unwrap_unchecked();
        kmsg::try_post_as_next(NonNull::new_unchecked(own.go_on.get()))
    };
    if !is_next {
        give_up_core(here, Next::Ready(End::Front));
    }
}

/// What [`before_block`] leaves behind.
///
/// # Safety
/// As for [`Run`](kmsg::Run): called by the idle loop, interrupts off.
unsafe fn go_on_after_block(_: NonNull<Message>, _: kmsg::Here) {
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    // The core has said that it leaves when it went where the trap came from, and has not halted since.
    let context = user::current();
    if !context.is_null() && !kmsg::has_routine() {
        go_to_ring_3(here, context)
    }
    // Whatever it says, the idle loop looks again.
    let _ = go_on();
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
}

/// The message that has a core go on with whoever is next. That there is one is why the core has given up the process that
/// it had.
fn look(_: Routine) {
    irq::disable();
    // As above.
    let _ = go_on();
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
}

/// What the idle loop does where it finds no message. Interrupts off, and again when it returns; says whether the core must
/// not halt, because something has come that was to be done first.
pub(super) fn go_on() -> bool {
    // SAFETY: interrupts are off, here and in all that is called.
    let here = unsafe { here() };
    if user::current().is_null() && !take_somebody(here) {
        return false;
    }
    if kmsg::prepare_to_leave() {
        go_to_ring_3(here, user::current())
    }
    give_up_core(here, Next::Ready(End::Front));
    true
}

/// Takes whoever is ready to this core, if somebody is, and says so.
#[inline(never)]
fn take_somebody(here: &Here) -> bool {
    while user::current().is_null() {
        match ready::take().or_else(|| idle(here)) {
            Some(proc) => adopt(here, proc, clock::now_ns()),
            None => return false,
        }
    }
    true
}

/// Goes to this core's process, whose context that is. Interrupts off; nothing waits for the core, which has said that it leaves.
#[inline(always)]
fn go_to_ring_3(here: &Here, context: *mut Context) -> ! {
    load(here, here.owner.get());
    if here.attached.get() != context {
        attach_apart(here, context);
    }
    resume(here, context)
}

/// As [`go_to_ring_3`], of a context that is attached and whose process is loaded.
#[inline(always)]
fn resume(here: &Here, context: *mut Context) -> ! {
    if !ready::is_empty() || here.is_limited.get() {
        time_turn(here);
    }
    // SAFETY: the context is the core's, attached, its process loaded; the idle loop needs nothing of its stack.
    unsafe { user::resume(context) }
}

/// Puts the rest of the context, which is about to be resumed, into the core's registers.
#[inline(always)]
fn attach(here: &Here, context: *mut Context) {
    if here.own.get().is_none() {
        begin_to_run_processes(here);
    }
    // SAFETY: the caller resumes it; it is the core's.
    unsafe { (*context).attach() };
    here.attached.set(context);
}

#[inline(never)]
fn attach_apart(here: &Here, context: *mut Context) {
    attach(here, context);
}

#[cold]
#[inline(never)]
fn begin_to_run_processes(here: &Here) {
    let go_on = UnsafeCell::new(Message::new(go_on_after_block));
    here.own.set(Some(Box::leak(Box::new(Own { turn: Timer::new(turn_is_over), go_on }))));
    // SAFETY: interrupts are off; the handlers were set before there was a process.
    unsafe { user::activate() };
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

/// Takes a process that was ready to this core, unless it has died. It is `now_ns` by the clock.
#[inline(always)]
fn adopt(here: &Here, proc: Arc<Proc>, now_ns: u64) {
    let core = arch::core_id();
    if !put_on(here, core, proc, now_ns) {
        return;
    }
    ready::busy(core);
    let (word, bit) = (&RUNNING[core / 64], 1 << (core % 64));
    if word.load(Ordering::Relaxed) & bit == 0 {
        word.fetch_or(bit, Ordering::Relaxed);
    }
}

/// As [`adopt`], where the core has just had another process: what others know of it stays right. Says whether it has not
/// died.
#[inline(always)]
fn put_on(here: &Here, core: usize, proc: Arc<Proc>, now_ns: u64) -> bool {
    // SAFETY: interrupts are off; what follows calls nobody.
    let mut inner = unsafe { proc.inner.lock_quick() };
    if inner.state.is_dying() {
        return false;
    }
    inner.state.become_state(State::RunningS);
    inner.core = Some(core);
    inner.busy += 1;
    inner.turns += 1;
    inner.since_ns = now_ns;
    here.since_ns.set(now_ns);
    here.turn_ns.set(inner.turn_left_ns.min(proc.limit_ns.saturating_sub(inner.run_ns)));
    here.is_limited.set(proc.limit_ns != u64::MAX);
    drop(inner);
    // SAFETY: the process is this core's now, and so is its context.
    unsafe { user::set_current(proc.context.get()) };
    here.owner.set(Arc::into_raw(proc));
    true
}

/// This core has no process, and does something else next. (Hazard 3.)
fn runs_nobody() {
    let core = arch::core_id();
    let (word, bit) = (&RUNNING[core / 64], 1 << (core % 64));
    if word.load(Ordering::Relaxed) & bit != 0 {
        word.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// What becomes of a process that gives up its core.
#[derive(Clone, Copy)]
enum Next {
    /// It wants the next one: before all others, unless its turn is over.
    Ready(End),
    /// It waits.
    Wait,
}

/// Takes the process off this core, which does something else next. Interrupts off.
fn give_up_core(here: &Here, next: Next) {
    // Before others are told that it is ready.
    runs_nobody();
    let owner = here.owner.get();
    // SAFETY: the core has an owner, which is alive; interrupts are off.
    take_off(here, owner, unsafe { (*owner).inner.lock_masked() }, next, clock::now_ns());
}

/// Takes `owner`, which is this core's, and whose lock the caller has, off the core. It is `now_ns` by the clock. Interrupts
/// off.
#[inline(always)]
fn take_off(here: &Here, owner: *const Proc, mut inner: impl DerefMut<Target = Inner>, next: Next, now_ns: u64) {
    let context = user::current();
    if here.attached.get() == context {
        // SAFETY: the one attached last; no other has run since.
        unsafe { (*context).detach() };
        here.attached.set(ptr::null_mut());
    }
    // SAFETY: interrupts are off.
    unsafe { user::set_current(ptr::null_mut()) };
    here.owner.set(ptr::null());
    // SAFETY: the core's reference.
    let proc = unsafe { Arc::from_raw(owner) };
    inner.core = None;
    inner.count_time(now_ns);
    inner.busy -= 1;
    let mut becomes_ready = None;
    if !inner.state.is_dying() {
        let left_ns = inner.turn_left_ns.saturating_sub(inner.since_ns - here.since_ns.get());
        inner.turn_left_ns = SLICE_NS;
        match next {
            Next::Ready(_) if inner.run_ns >= proc.limit_ns => {
                drop(inner);
                return die(&proc, Exit::TimeLimit);
            }
            Next::Ready(End::Front) if left_ns > 0 => {
                inner.state.become_state(State::RunnableS);
                inner.turn_left_ns = left_ns;
                becomes_ready = Some(End::Front);
            }
            Next::Ready(_) => {
                inner.state.become_state(State::RunnableS);
                becomes_ready = Some(End::Back);
            }
            Next::Wait => inner.state.become_state(State::Waiting),
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
    if let Some(core) = ready::take_idle_core(kmsg::is_halting) {
        return kmsg::send_routine(core, look);
    }
    // The others, this one perhaps among them, are about to halt or have kthreads to run: they look when they come to it.
    while let Some(core) = ready::take_idle_core(|_| true) {
        kmsg::send_routine(core, look);
    }
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    // If this core runs another process, it is as good as any, and need not be told. (Hazard 2.)
    if here.owner.get().is_null() { remind_somebody() } else { time_turn(here) }
}

/// Ends the trap of a call that is done, whose process lets others run. Interrupts off.
pub(crate) fn let_others_run() -> ! {
    depth::lower::<FROM_USER>();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    if !ready::is_empty() {
        let owner = here.owner.get();
        // SAFETY: the core has an owner, which is alive; interrupts are off.
        take_off(here, owner, unsafe { (*owner).inner.lock_masked() }, Next::Ready(End::Back), clock::now_ns());
    }
    change_to_next(here)
}

/// Has a process that waited, and is ready and in no queue, run when its turn comes. Interrupts off.
pub(crate) fn wake(proc: Arc<Proc>) {
    make_ready(proc, End::Back);
}

/// As [`wait`], by a process that has just woken `next`, which is ready and in no queue: it goes before nobody, but if nobody
/// waits for a core, and no message for this one, it has it at once.
#[inline(always)]
pub(crate) fn hand_over(next: Arc<Proc>) -> ! {
    if kmsg::has_routine() || !ready::is_empty() {
        wake(next);
        wait();
    }
    depth::lower::<FROM_USER>();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    let owner = here.owner.get();
    // SAFETY: the core has an owner, which is alive.
    let proc = unsafe { &*owner };
    // SAFETY: interrupts are off; taking the process off calls nobody before it lets go.
    let inner = unsafe { proc.inner.lock_quick() };
    // As in `wait`.
    if proc.slot().notif_pending.load(Ordering::SeqCst) != 0 {
        drop(inner);
        wake(next);
        change_to_next(here);
    }
    let now_ns = clock::now_ns();
    take_off(here, owner, inner, Next::Wait, now_ns);
    if !put_on(here, arch::core_id(), next, now_ns) {
        change_to_next(here);
    }
    // Whose space is loaded is the one that has just left, and nothing is attached.
    debug_assert!(here.loaded.get() == owner && here.attached.get().is_null(), "a trap that has not blocked");
    exchange_space(here, here.owner.get());
    let context = user::current();
    attach(here, context);
    resume(here, context)
}

/// Ends the trap of a call that is done, whose process waits, unless something has come for it. Interrupts off.
pub(crate) fn wait() -> ! {
    depth::lower::<FROM_USER>();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    let owner = here.owner.get();
    // SAFETY: the core has an owner, which is alive.
    let proc = unsafe { &*owner };
    // SAFETY: interrupts are off.
    let inner = unsafe { proc.inner.lock_masked() };
    // The look and the state have the lock between them, as have the other two of who posts. (Races, processes 4.)
    if proc.slot().notif_pending.load(Ordering::SeqCst) == 0 {
        take_off(here, owner, inner, Next::Wait, clock::now_ns());
    } else {
        drop(inner);
    }
    change_to_next(here)
}

/// The end of a trap that has not blocked: goes to the process that this core has or to the one that is next, or, if there
/// is none or something waits for the core, to the idle loop. Interrupts off.
#[inline(always)]
fn change_to_next(here: &Here) -> ! {
    // As on any way back that has not blocked, the core has said that it leaves, and looks.
    if kmsg::has_routine() {
        leave();
    }
    while user::current().is_null() {
        match ready::take() {
            Some(proc) => adopt(here, proc, clock::now_ns()),
            None => leave(),
        }
    }
    go_to_ring_3(here, user::current())
}

/// Takes the core from a process, if it has one.
pub(super) fn preempt(proc: &Proc) {
    let mut inner = proc.inner.lock();
    if let Some(core) = inner.core {
        inner.turn_left_ns = 0;
        kmsg::send_routine(core, look);
    }
}

/// Nobody works for a process any more, and nobody will: cores that still have its space loaded are told, and its reference
/// to itself goes. Once for a process that has died.
pub(super) fn finish(proc: &Arc<Proc>) {
    for core in proc.space.loaded_elsewhere(usize::MAX) {
        let proc = proc.clone();
        kmsg::send_routine(core, move |_| forget(&proc));
    }
    // SAFETY: the reference that it has had to itself since it was made; this is done once.
    unsafe { Arc::decrement_strong_count(Arc::as_ptr(proc)) };
}

/// Has this core know nothing more of a process that is dying. Between things, where the core has no process: before it came
/// to this message it has given that one up.
pub(super) fn forget(proc: &Arc<Proc>) {
    irq::disable();
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    debug_assert!(here.owner.get() != Arc::as_ptr(proc), "a core has a process and runs a message");
    if here.loaded.get() == Arc::as_ptr(proc) {
        load(here, ptr::null());
    }
    // SAFETY: between things they are on.
    unsafe { irq::enable() };
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
        exchange_space_apart(here, proc);
    }
}

#[inline(never)]
fn exchange_space_apart(here: &Here, proc: *const Proc) {
    exchange_space(here, proc);
}

#[inline(always)]
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
fn time_turn(here: &Here) {
    if let Some(own) = here.own.get().filter(|_| !here.is_timed.replace(true)) {
        // SAFETY: it stays where it is; it is armed here only, and not while it is.
        unsafe { own.turn.arm(end_of_turn(here)) };
    }
}

fn end_of_turn(here: &Here) -> u64 {
    here.since_ns.get() + here.turn_ns.get()
}

/// In the timer's interrupt. What is to be done is done between things.
///
/// # Safety
/// As for a timer's function.
unsafe fn turn_is_over(_: NonNull<Timer>) {
    // SAFETY: interrupts are off.
    unsafe { here() }.is_timed.set(false);
    kmsg::send_routine(arch::core_id(), look);
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
            return kmsg::send_immediate(n * 64 + bits.trailing_zeros() as usize, remind);
        }
    }
}

/// Has the turn of this core's process end. If it has none any more, which it had just now, somebody else is reminded.
fn remind(_: Immediate) {
    if ready::is_empty() {
        return;
    }
    // SAFETY: interrupts are off.
    let here = unsafe { here() };
    if here.owner.get().is_null() { remind_somebody() } else { time_turn(here) }
}
