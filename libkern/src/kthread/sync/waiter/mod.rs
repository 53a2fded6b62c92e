//! How a kthread sleeps on an object, and how its sleep ends.
//!
//! A [`Waiter`] stands in the [`Queue`] of the object and lies on the stack of the kthread that sleeps, so that sleeping
//! allocates nothing. Every end of a sleep is decided under the lock that protects the queue, once, by whoever takes the
//! waiter out; what was decided is its verdict.
//!
//! ```text
//!             +----------------------- 5 -----------------------+
//!             |                                                 v
//!   New --1--> Queued --2--> Granted ---------+----- 4 ----> Awake --6--> gone
//!                |                            |
//!                +--3--> TimedOut, Aborted ---+
//!
//!   1  sleep         the waiter enters the queue; then limits are armed; then the kthread blocks, and the lock with it
//!   2  Queue::grant  by whoever brings what is waited for, who keeps it, in a `Woken`, until the lock is free
//!   3  give_up       by the timer's interrupt, or by a request to abort
//!   4  Woken::wake   the lock is free (where only one is let go: `unlock_and_wake`)
//!   5  sleep         a limit was reached already: no sleep at all
//!   6  sleep         the limits are disarmed, and the frame goes away
//! ```
//!
//! **Who may touch what.** In Queued, a waiter is everybody's who holds the queue's lock. With a verdict and until 4 it
//! belongs to whoever took it out; others may look at its verdict under the lock, and will leave it alone.
//! From 4 on it is its kthread's. *Nobody touches a waiter after waking it.*
//!
//! # Hazards
//!
//! 1. *The wake-up comes before the sleep.* The queue's lock is held from before the object said no until the kthread is off
//!    its stack (`block`), so there is no moment in which a waker finds nobody and the sleeper sleeps nevertheless.
//! 2. *The limit is reached before the sleep* (races, kthreads 13). Limits are armed under the queue's lock, after 1: whoever
//!    takes edge 3 waits for the lock, and finds a waiter that sleeps. On the machine the timer's interrupt cannot even come:
//!    interrupts are off with the lock. A deadline that is past needs no timer (edge 5).
//! 3. *The waiter is granted while a canceller is on its way.* The canceller looks at the verdict under the lock, and leaves.
//!    It still has the addresses of the waiter and of the object; so 6 waits until it is done, by `cancel_sync` for the timer,
//!    by `disarm` for requests to abort. This holds after every end, because a sleeper cannot know who is on the way.
//! 4. *The object goes away with the sleep.* An object on the sleeper's stack, which others reach by its address (the
//!    completion of a call to another core), is gone when the sleeper goes on. Wakers therefore wake *after* they have
//!    released the lock, and touch the object no more. Cancellers are waited for by 6.
//! 5. *A waker holds locks.* The order is: queue of what wakes (a condition variable's), queue of what is woken for (a
//!    mutex's), then the timers' and the inboxes' own. Nothing that is called under a queue's lock blocks.
//!
//! Rejected: waking under the lock (hazard 4, and the woken would run into the lock); cancellers that only mark the
//! waiter, and leave the rest to the sleeper (those behind it in the queue would wait until it runs).

use core::ptr::{self, NonNull};

use super::abort::Target;
use super::limit::{Aborts, Bounds, Interrupted};
use crate::kthread::{Wait, WaitGuard, block, block_as, current};
use crate::time::timer::Timer;

mod queue;

pub(super) use queue::{Queue, Woken};
use queue::{Verdict, Waiter};

/// What kthreads can sleep on.
///
/// # Safety
/// [`lock`](Self::lock) always locks the same lock. [`queue`](Self::queue) gives, for the same `want`, always the same queue,
/// which lies in what that lock protects, and nothing puts another queue in its place.
pub(super) unsafe trait Waitable {
    /// What the lock protects.
    type State;
    /// What a sleeper waits for, where it matters.
    type Want: Copy;
    /// What dumps call it.
    const KIND: &'static str;

    fn lock(&self) -> WaitGuard<'_, Self::State>;

    /// The queue of those who want this.
    fn queue(state: &mut Self::State, want: Self::Want) -> &mut Queue<Self::Want>;

    /// A waiter who wanted this has left the queue without it. Lets those go who can go now.
    fn left(&self, state: &mut Self::State, want: Self::Want, woken: &mut Woken<Self::Want>);
}

/// Sleeps on `object`, whose lock is `state`, until granted what is wanted. The lock is free afterwards.
///
/// Kthread context; whoever calls has made sure that it may block.
///
/// # Errors
/// If a limit was reached first. Never without limits.
#[inline(always)]
pub(super) fn sleep<O: Waitable>(
    object: &O,
    state: WaitGuard<'_, O::State>,
    want: O::Want,
    bounds: Bounds,
) -> Result<(), Interrupted> {
    sleep_after(object, state, want, bounds, || ())
}

/// As [`sleep()`]; `then` is called when the kthread is in the queue, under the lock.
#[inline(always)]
pub(super) fn sleep_after<O: Waitable>(
    object: &O,
    mut state: WaitGuard<'_, O::State>,
    want: O::Want,
    bounds: Bounds,
    then: impl FnOnce(),
) -> Result<(), Interrupted> {
    let me = current();
    let waiter = Waiter::new(me, want);
    // SAFETY: new. It stays in this frame until `block` or `sleep_within` has returned, which they do when it has its
    // verdict and is awake.
    unsafe { O::queue(&mut state, want).push(&waiter) };
    then();
    if bounds.is_none() {
        block_as(me, state, wait_for(object));
        if cfg!(any(debug_assertions, all(loom, test))) {
            // SAFETY: awake.
            let verdict = unsafe { waiter.conclude() };
            assert_eq!(verdict, Some(Verdict::Granted), "nothing else can end this wait");
        }
        return Ok(());
    }
    sleep_within(object, state, &waiter, bounds);
    // SAFETY: awake, and what was armed is disarmed.
    match unsafe { waiter.conclude() } {
        Some(Verdict::Granted) => Ok(()),
        Some(Verdict::TimedOut) => Err(Interrupted::TimedOut),
        Some(Verdict::Aborted) => Err(Interrupted::Aborted),
        None => unreachable!("who wakes a waiter has decided how its wait ended"),
    }
}

fn wait_for<O: Waitable>(object: &O) -> Wait {
    Wait { kind: O::KIND, object: ptr::from_ref(object).addr() }
}

/// What cancellers find: on the sleeper's stack, as long as anything is armed.
#[repr(C)]
struct Sleep<'a, O: Waitable> {
    /// First, so that its address is the sleep's.
    timer: Timer,
    object: &'a O,
    waiter: &'a Waiter<O::Want>,
}

#[inline(never)]
fn sleep_within<O: Waitable>(object: &O, mut state: WaitGuard<'_, O::State>, waiter: &Waiter<O::Want>, bounds: Bounds) {
    let sleep = Sleep { timer: Timer::new(fire::<O>), object, waiter };
    let context = NonNull::from(&sleep).cast::<()>();
    // The timer's function finds the whole by the address of the part.
    context.expose_provenance();
    let target = Target { cancel: abort::<O>, context };
    let me = current();
    let slot = me.abort_slot();

    let mut reached = bounds.has_passed().then_some(Verdict::TimedOut);
    if reached.is_none() && bounds.aborts == Aborts::Heeded {
        // SAFETY: disarmed below.
        reached = unsafe { slot.arm(&target) }.is_err().then_some(Verdict::Aborted);
    }
    if let Some(verdict) = reached {
        let mut woken = Woken::nobody();
        // SAFETY: `sleep_after` has put it there; the lock has been held since.
        unsafe { O::queue(&mut state, waiter.want()).remove(waiter, verdict) };
        object.left(&mut state, waiter.want(), &mut woken);
        drop(state);
        woken.wake();
        return;
    }
    if let Some(until) = bounds.until {
        // SAFETY: it stays here until `cancel_sync` has returned.
        unsafe { sleep.timer.arm(until.as_nanos()) };
    }
    block(state, wait_for(object));
    if bounds.until.is_some() {
        let _ = sleep.timer.cancel_sync();
    }
    if bounds.aborts == Aborts::Heeded {
        slot.disarm(&target);
    }
}

/// The time is up. Interrupt context.
///
/// # Safety
/// `timer` is the first field of a [`Sleep`] of an `O` whose kthread has not disarmed it yet.
unsafe fn fire<O: Waitable>(timer: NonNull<Timer>) {
    let sleep: *const Sleep<'_, O> = ptr::with_exposed_provenance(timer.addr().get());
    // SAFETY: the caller's word; the sleep's address was exposed before the timer was armed.
    unsafe { give_up(&*sleep, Verdict::TimedOut) };
}

/// Somebody asks for the sleep's end. Any context. Says whether that was its end.
///
/// # Safety
/// `context` is a [`Sleep`] of an `O` whose kthread has not disarmed its slot yet.
unsafe fn abort<O: Waitable>(context: NonNull<()>) -> bool {
    // SAFETY: the caller's word.
    unsafe { give_up(context.cast::<Sleep<'_, O>>().as_ref(), Verdict::Aborted) }
}

/// Ends a sleep that has not ended, and wakes whom that lets go on, the sleeper first.
fn give_up<O: Waitable>(sleep: &Sleep<'_, O>, verdict: Verdict) -> bool {
    let (object, waiter) = (sleep.object, sleep.waiter);
    let mut state = object.lock();
    // SAFETY: the lock is held.
    if unsafe { waiter.verdict() }.is_some() {
        return false;
    }
    let mut woken = Woken::nobody();
    // SAFETY: without a verdict, it is in its queue.
    unsafe { O::queue(&mut state, waiter.want()).remove(waiter, verdict) };
    woken.push(NonNull::from(waiter));
    object.left(&mut state, waiter.want(), &mut woken);
    drop(state);
    // From here on nothing is there for us any more: neither object nor sleep. (Hazards 3 and 4.)
    woken.wake();
    true
}
