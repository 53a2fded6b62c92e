//! Blocking, waking, and what runs next.
//!
//! One kthread runs on each core at any time. When it blocks, the core goes on with
//!
//! 1. the next routine message, if that launches a kthread: straight to its stack;
//! 2. otherwise the idle loop, on the core's *spare* kthread, which is used up by that. The idle loop runs the messages
//!    that are there, and halts when there are none.
//!
//! When the idle loop launches a kthread, the one whose stack the idle loop was on is left for ever, and becomes the spare;
//! an older spare goes to the pool. So suspending and resuming allocate nothing, and what a core keeps is one spare
//! (K8, K9). A routine message whose handler blocks takes with it the stack that the idle loop ran on: it has become a
//! kthread. When it goes on, and returns, it returns into the idle loop, of whatever core it is on by then.
//!
//! # Tokens
//!
//! What has to be done once the stack left is not in use any more, the code that goes on does first ([`arrive`]). It is told
//! in a word that the switch carries over in a register: an address, tagged by what is to be done with it. Nothing on
//! the stack left is read. (Races, kthreads 2 and 3; K7, K13.)
//!
//! # Interrupts
//!
//! Off from before the sleeper is in a queue until the next call stack has arrived. A call stack that blocks had them on,
//! or it would not be allowed to, so whoever arrives turns them on. (K6)

use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering;

use super::pool;
use super::idle::READY;
use super::sleep::Doze;
use super::thread::{Kthread, State};
use super::wait::WaitGuard;
use super::{Sleeper, Wait};
use crate::arch::aside::call_aside;
use crate::arch::switch::{prepare, set_stack, switch};
use crate::arch::{self, clock, irq, slot};
use crate::kmsg::{self, Here, Message, Run};
use crate::sync::{self, RawSpin, SLOT_KTHREAD, depth, per_core};

const TAG: usize = 7;
/// Nothing is to be done.
const NOTHING: usize = 0;
/// The address is of a [`RawSpin`] that is to be released.
const UNLOCK: usize = 1;
/// The address is of a kthread that was left for ever: the core's spare now.
const KEEP: usize = 2;
/// The address is of a kthread that has ended.
const ENDED: usize = 3;
/// The address is of a [`Doze`] whose timer is to be armed.
const ARM: usize = 4;

per_core! {
    /// The kthread that the idle loop will run on when the one that runs blocks.
    static SPARE: SpareCell = SpareCell(core::cell::Cell::new(None));
}

struct SpareCell(core::cell::Cell<Option<NonNull<Kthread>>>);

/// The running core's spare. Interrupts off while the reference is used.
#[inline(always)]
fn spare() -> &'static core::cell::Cell<Option<NonNull<Kthread>>> {
    // SAFETY: the callers have interrupts off and use it at once.
    &unsafe { SPARE.get_unguarded() }.0
}

/// Whether this core can go on if the running kthread blocks next, or can be made to without what memory is kept back.
/// Interrupts off; does not block. For who blocks at the wish of somebody that is not trusted.
#[inline(always)]
pub(crate) fn has_spare() -> bool {
    spare().get().is_some() || can_have_spare()
}

#[cold]
#[inline(never)]
fn can_have_spare() -> bool {
    let spare = spare();
    spare.set(pool::spare_if_plenty());
    spare.get().is_some()
}

/// The kthread that runs.
#[inline(always)]
pub(crate) fn current() -> Sleeper {
    // SAFETY: the word holds the running kthread's address from boot on: `adopt`, `go`.
    Sleeper(unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(slot::get::<SLOT_KTHREAD>())) })
}

/// Makes `kthread`, whose stack this is, the one that runs. For a core that starts.
///
/// # Safety
/// The core runs on the kthread's stack, interrupts off.
pub(super) unsafe fn adopt(kthread: &'static Kthread) {
    kthread.set_state(State::Active);
    kthread.core.set(arch::core_id() as u32);
    slot::set::<SLOT_KTHREAD>(ptr::from_ref(kthread).expose_provenance());
}

/// Panics, naming what stands against it, if code that runs here may not block. `what` captures nothing.
#[inline(always)]
pub(crate) fn assert_may_block(what: impl Fn() -> &'static str + Copy) {
    if !depth::may_block() {
        // It may return, in a trap from ring 3; nobody else is to pay for that.
        call_aside(move || must_not_block(what()));
    }
}

#[cold]
#[inline(never)]
fn must_not_block(what: &'static str) {
    if let Some(handler) = kmsg::current_immediate() {
        panic!("{what} would block in an immediate message, whose handler is {handler:#018x}");
    }
    // Returns where this is a trap from ring 3, which may: it is a kthread's work from now on.
    sync::assert_may_block(what);
}

/// Blocks the running kthread until it is woken. `guard` is of the queue in which the caller has entered it; it is released
/// when nothing uses this stack any more. `wait` is for dumps.
///
/// The caller has made sure by [`assert_may_block`] that it may.
#[inline]
pub(crate) fn block<T>(guard: WaitGuard<'_, T>, wait: Wait) {
    block_as(current(), guard, wait);
}

/// As [`block`], by a caller who knows that it is `me`.
#[inline(always)]
pub(crate) fn block_as<T>(me: Sleeper, guard: WaitGuard<'_, T>, wait: Wait) {
    // SAFETY: the running kthread is alive.
    let me = unsafe { me.0.as_ref() };
    me.wait.set(wait);
    me.since.store(clock::tsc(), Ordering::Relaxed);
    let lock = guard.leave_locked();
    // SAFETY: interrupts are off by the guard, which was left; this kthread is in the queue.
    unsafe { go(me, next(), lock.expose_provenance() | UNLOCK) };
}

/// Blocks the running kthread until the timer wakes it, which is armed when nothing uses this stack any more.
///
/// The caller has made sure by [`assert_may_block`] that it may.
pub(super) fn doze(doze: &Doze, wait: Wait) {
    // SAFETY: the running kthread is alive.
    let me = unsafe { current().0.as_ref() };
    irq::disable();
    me.wait.set(wait);
    me.since.store(clock::tsc(), Ordering::Relaxed);
    // SAFETY: interrupts are off; the timer, once armed, launches this kthread.
    unsafe { go(me, next(), ptr::from_ref(doze).expose_provenance() | ARM) };
}

/// Lets others that this core has messages for run first: this kthread goes to the end of the core's queue. If there are
/// none, but a process waits for a core, it has this one for a moment. Returns at once if there is nothing.
///
/// # Panics
/// If it would block here: a lock is held, interrupts are off, or this is a handler.
#[inline]
pub fn yield_now() {
    assert_may_block(|| "kthread::yield_now");
    irq::disable();
    if !kmsg::has_routine() {
        // SAFETY: they were on.
        unsafe { irq::enable() };
        if READY.load(Ordering::Relaxed) > 0 {
            give_way();
        }
        return;
    }
    // SAFETY: the running kthread is alive.
    let me = unsafe { current().0.as_ref() };
    // Relaxed: for dumps.
    me.since.store(0, Ordering::Relaxed);
    let to = next();
    // Before the switch, which is sound because only this core takes from its queue.
    // SAFETY: the message is not in a queue: this kthread runs. Interrupts are off.
    unsafe {
        kmsg::post_here(me.message());
        go(me, to, NOTHING);
    }
}

/// How long a kthread that lets others run lets processes run.
const GIVE_WAY_NS: u64 = 100_000;

/// Kthreads come before processes; one that did nothing but look and yield would keep them from ever running.
#[cold]
#[inline(never)]
fn give_way() {
    let way = Doze::new(clock::now_ns() + GIVE_WAY_NS);
    doze(&way, Wait { kind: "its turn", object: 0 });
}

/// Wakes a kthread: it will go on, on the core on which it blocked, when that core gets to its message.
///
/// Any context but NMI. Once for each time that it blocked, by whoever took it from its queue.
#[inline(always)]
pub(crate) fn wake(sleeper: Sleeper) {
    // SAFETY: the sleeper is alive until its message is sent.
    wake_on(sleeper, unsafe { sleeper.0.as_ref() }.core.get() as usize);
}

/// As [`wake`], on the core named (K14, K2).
#[inline(always)]
pub(crate) fn wake_on(sleeper: Sleeper, core: usize) {
    let flags = irq::save_and_disable();
    wake_and_restore(sleeper, core, flags);
}

/// Releases the lock under which the sleeper was taken out of its queue, and wakes it as [`wake`] does.
#[inline(always)]
pub(crate) fn unlock_and_wake<T>(guard: WaitGuard<'_, T>, sleeper: Sleeper) {
    // SAFETY: the sleeper is alive until its message is sent.
    unlock_and_wake_on(guard, sleeper, unsafe { sleeper.0.as_ref() }.core.get() as usize);
}

/// As [`unlock_and_wake`], on the core named.
#[inline(always)]
pub(crate) fn unlock_and_wake_on<T>(guard: WaitGuard<'_, T>, sleeper: Sleeper, core: usize) {
    wake_and_restore(sleeper, core, guard.unlock_masked());
}

/// As [`wake`], in an interrupt handler.
#[inline(always)]
pub(super) fn wake_in_handler(sleeper: Sleeper) {
    // SAFETY: the sleeper is alive until its message is sent.
    wake_and_restore(sleeper, unsafe { sleeper.0.as_ref() }.core.get() as usize, irq::Flags::Off);
}

/// Sends the launch message. Interrupts are off, and `flags` the innermost. Where it takes more than a few instructions,
/// that is a call that does all the rest, so that what remains here calls nothing and needs no stack.
#[inline(always)]
fn wake_and_restore(sleeper: Sleeper, core: usize, flags: irq::Flags) {
    // SAFETY: blocked, and woken once: the message is not in a queue. Afterwards nothing touches the kthread.
    unsafe {
        if arch::is_here(core) && kmsg::try_post_here(sleeper.0.as_ref().message()) {
            irq::restore(flags);
        } else {
            wake_elsewhere(sleeper, core, flags);
        }
    }
}

#[inline(never)]
fn wake_elsewhere(sleeper: Sleeper, core: usize, flags: irq::Flags) {
    // SAFETY: as in `wake_and_restore`.
    unsafe {
        kmsg::post_routine(core, sleeper.0.as_ref().message());
        irq::restore(flags);
    }
}

/// The function of launch messages: leaves the idle loop for the kthread whose message it is.
///
/// # Safety
/// As for [`Run`](crate::kmsg::Message::run): called by the idle loop, interrupts off. The message is a kthread's.
#[inline(never)]
pub(super) unsafe fn launch(message: NonNull<Message>, here: Here) {
    kmsg::trim(here);
    // SAFETY: the running kthread is alive; only the idle loop runs on it, which begins anew on another.
    unsafe {
        let idle = current().0.as_ref();
        idle.set_state(State::Spare);
        go(idle, message.cast::<Kthread>().as_ref(), idle_token(idle));
    }
}

fn idle_token(idle: &Kthread) -> usize {
    ptr::from_ref(idle).expose_provenance() | KEEP
}

/// Leaves a kthread that has ended, for whatever is next.
pub(super) fn leave_ended(me: &Kthread) -> ! {
    let token = ptr::from_ref(me).expose_provenance() | ENDED;
    // SAFETY: the caller has interrupts off; nothing on this stack is needed any more.
    unsafe { go(me, next(), token) };
    unreachable!("nobody launches a kthread that has ended");
}

/// Leaves a kthread that has ended for the one that waits for just that, on this core. `lock` is released there.
pub(super) fn leave_for_joiner<T>(me: &Kthread, joiner: Sleeper, lock: WaitGuard<'_, T>) -> ! {
    let token = lock.leave_locked().expose_provenance() | UNLOCK;
    // SAFETY: interrupts are off by the guard, which was left; the joiner is blocked, and nobody else was given it.
    unsafe { go(me, joiner.0.as_ref(), token) };
    unreachable!("nobody launches a kthread that has ended");
}

/// What this core goes on with: a kthread that is to be launched, or the idle loop on the spare. Interrupts off.
#[inline(always)]
fn next<'a>() -> &'a Kthread {
    let launches = |run: Run| ptr::fn_addr_eq(run, launch as Run);
    match kmsg::take_routine_if(launches) {
        // SAFETY: a launch message is the first field of its kthread, which is alive.
        Some(message) => unsafe { message.cast::<Kthread>().as_ref() },
        None => idle_kthread(),
    }
}

#[inline(never)]
fn idle_kthread<'a>() -> &'a Kthread {
    let kthread = spare().take().unwrap_or_else(pool::take_for_idle);
    // SAFETY: the core's own, on whose stack nothing is needed.
    unsafe {
        let kthread = kthread.as_ref();
        kthread.sp.set(prepare(kthread.bounds.hi, idle_start));
        kthread.name.set(super::idle::name());
        kthread.set_state(State::Active);
        kthread
    }
}

extern "C" fn idle_start(token: usize) -> ! {
    // SAFETY: the first thing on this stack.
    unsafe { arrive(token) };
    super::idle::run()
}

/// Switches to `to`. Returns when `from` is launched again, perhaps on another core, with interrupts on.
///
/// # Safety
/// Interrupts are off; `from` runs; `to` is not running, and nobody else will run it. The token says what is to be done
/// about `from`.
#[inline(always)]
unsafe fn go(from: &Kthread, to: &Kthread, token: usize) {
    to.core.set(arch::core_id() as u32);
    slot::set::<SLOT_KTHREAD>(ptr::from_ref(to).expose_provenance());
    // SAFETY: the caller's word; `sp` was stored by the switch that left it or is fresh.
    unsafe {
        set_stack(&to.bounds);
        let token = switch(from.sp.as_ptr(), to.sp.get(), token);
        arrive(token);
        irq::enable();
    }
}

/// Does what the call stack that was left could not do itself. Interrupts stay off.
///
/// # Safety
/// First thing after a switch, with its token.
#[inline(always)]
pub(super) unsafe fn arrive(token: usize) {
    if token == NOTHING {
        return;
    }
    if token & TAG == UNLOCK {
        // SAFETY: left locked by `block`, which stood for the holder.
        unsafe { (*ptr::with_exposed_provenance::<RawSpin>(token - UNLOCK)).unlock() };
    } else {
        arrive_with(token & !TAG, token & TAG);
    }
}

#[inline(never)]
fn arrive_with(address: usize, tag: usize) {
    if tag == ARM {
        // SAFETY: left by `doze`, and there until its timer has fired.
        return unsafe { arm_doze(ptr::with_exposed_provenance(address)) };
    }
    let kthread: *mut Kthread = ptr::with_exposed_provenance_mut(address);
    // SAFETY: the token's kthread, which is left.
    let kthread = unsafe { NonNull::new_unchecked(kthread) };
    if tag == ENDED {
        super::spawn::has_left(kthread);
    } else if let Some(older) = spare().replace(Some(kthread)) {
        put_away(older);
    }
}

/// Functions of their own, so that the usual way saves no registers for them.
#[inline(never)]
fn put_away(older: NonNull<Kthread>) {
    // SAFETY: the core's own, on whose stack nothing is needed.
    unsafe { pool::put(older) };
}

/// # Safety
/// As for [`Doze::arm`].
#[inline(never)]
unsafe fn arm_doze(doze: *const Doze) {
    // SAFETY: the caller's word.
    unsafe { (*doze).arm() };
}
