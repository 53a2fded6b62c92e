//! Calls that have blocked.
//!
//! A system call begins in a trap, on the core's running kthread, and most end there. One that is about to block becomes, in
//! [`on_block`], the work of a kthread: it refers to its process, stands in the process's list of blocked calls, where
//! somebody who wants it aborted finds it, and has a name in dumps. What was left of its batch becomes a message. Then it
//! blocks like anything else, and the core goes back to the process. Its place in the list is memory that the way in has
//! reserved at the top of the kthread's stack. The calls behind it in its batch are done by messages ([`listed`]), and stand in
//! the list from the beginning.
//!
//! Page faults come the same way, and have no call.
//!
//! A call that has blocked keeps a kernel stack, which the process does not pay for. So there are at most [`MAX_BLOCKED`],
//! and one that would block for as long as the process likes asks first ([`will_block`]).
//!
//! # Hazards
//!
//! - *Aborting a call that ends.* The list is changed and walked under the process's lock; a kthread leaves it before its
//!   stack is reused. (Races, kthreads 11.)
//! - *A request for the last call meets the next.* It is taken back when a call ends. (Races, kthreads 12.)

use alloc::sync::Arc;
use core::cell::Cell;
use core::mem::size_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use mcp_abi::call::{Call, Error};

use super::process::{Blocked, Proc};
use super::{current, work};
use crate::arch::{depth, irq, user};
use crate::kthread;
use crate::sync::depth::FROM_USER;

/// The most calls of a process that may be blocked for as long as it likes.
const MAX_BLOCKED: usize = 128;

/// The part of a batch that has not begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// The address of the next call.
    pub(crate) calls: usize,
    /// How many.
    pub(crate) count: usize,
}

/// What is done with the rest of a batch when a call of it blocks.
static PASS_ON: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

pub(super) fn set_pass_on(pass_on: fn(Arc<Proc>, Rest)) {
    PASS_ON.store(pass_on as *mut (), Ordering::Release);
}

/// The place of the trap that runs, or of the one whose work the running kthread does.
fn place() -> *mut Blocked {
    const { assert!(size_of::<Blocked>() <= size_of::<[usize; 8]>() && align_of::<Blocked>() <= 16) };
    user::reserved().cast()
}

/// For a call of `proc` that is about to block for as long as that likes: makes it a kthread's work, if it is not, where
/// otherwise whatever blocks would have to find out that it may. No lock is held, and no guard of interrupts.
///
/// # Errors
/// [`Error::Limit`]: as many have blocked as may. [`Error::NoMemory`]: there is none for its core to go on with. Nothing has
/// happened then.
#[inline(always)]
pub(crate) fn will_block(proc: &Proc) -> Result<(), Error> {
    if user::is_from_user() { begin(MAX_BLOCKED) } else { may_block(proc) }
}

/// As [`will_block`], of a call that is a kthread's work already, and in the list.
#[cold]
#[inline(never)]
fn may_block(proc: &Proc) -> Result<(), Error> {
    let inner = proc.inner.lock();
    if inner.blocked_count > MAX_BLOCKED {
        return Err(Error::Limit);
    }
    // Still with interrupts off.
    if kthread::has_spare() { Ok(()) } else { Err(Error::NoMemory) }
}

/// What `sync::depth` calls where a trap from ring 3 is about to block.
pub(super) fn on_block() {
    let done = begin(usize::MAX);
    debug_assert!(done.is_ok(), "there is no limit");
}

/// Makes the trap that runs a kthread's work, unless `most` calls have blocked already, or there is a limit and the core has
/// nothing to go on with.
#[inline(always)]
fn begin(most: usize) -> Result<(), Error> {
    irq::disable();
    if most < usize::MAX && !kthread::has_spare() {
        return Err(Error::NoMemory);
    }
    // SAFETY: the trap has not blocked yet.
    let (owner, call, end) = unsafe { current::owner_and_call() };
    let me = kthread::current();
    let place = place();
    let proc;
    let is_dying = {
        // SAFETY: they are turned on below.
        let mut inner = unsafe { owner.inner.lock_masked() };
        if inner.blocked_count >= most {
            return Err(Error::Limit);
        }
        // SAFETY: as above; counted before the core can lose the process.
        proc = unsafe { owner.to_arc() };
        inner.blocked_count += 1;
        inner.busy += 1;
        let first = inner.blocked;
        // SAFETY: reserved for this.
        unsafe { place.write(Blocked { proc: Arc::as_ptr(&proc), call, sleeper: me, next: first.into() }) };
        inner.blocked = place;
        inner.state.is_dying()
    };
    if is_dying {
        me.abort_slot().request();
    }
    kthread::rename_current(&proc.record.kthread_name);
    let calls = call + size_of::<Call>();
    if calls < end {
        let pass_on = PASS_ON.load(Ordering::Acquire);
        // SAFETY: only `set_pass_on` writes the pointer, before there is a process.
        let pass_on = unsafe { core::mem::transmute::<*mut (), fn(Arc<Proc>, Rest)>(pass_on) };
        pass_on(proc.clone(), Rest { calls, count: (end - calls) / size_of::<Call>() });
    }
    // The place has it from now on.
    let _ = Arc::into_raw(proc);
    current::before_block();
    depth::lower::<FROM_USER>();
    // SAFETY: a kthread's work from now on, in which nothing depends on them being off.
    unsafe { irq::enable() };
    Ok(())
}

/// Whether the trap's work has blocked, and is the running kthread's.
#[inline(always)]
pub(super) fn is_blocked() -> bool {
    !user::is_from_user()
}

/// Ends the work of a trap that had blocked: the process may go, the kthread is the idle loop's again. Whoever sees what `say`
/// says finds room for another that blocks.
#[inline(always)]
pub(crate) fn end(say: impl FnOnce(&Proc)) -> ! {
    // SAFETY: the reference that `on_block` has counted.
    let proc = unsafe { Arc::from_raw((*place()).proc) };
    leave_list(&proc, place());
    // A request that came too late is for nobody.
    let _ = kthread::current().abort_slot().take();
    say(&proc);
    work::end_work(&proc);
    drop(proc);
    current::leave()
}

/// Does `work` for the call at `call`, of a batch whose trap is over, and whose kthread is not one of the process's: so that
/// it is found if it blocks, by who wants it aborted and by the process's death.
pub(crate) fn listed<R>(proc: &Arc<Proc>, call: usize, work: impl FnOnce() -> R) -> R {
    let me = kthread::current();
    let place = Blocked { proc: Arc::as_ptr(proc), call, sleeper: me, next: Cell::new(ptr::null()) };
    let is_dying = {
        let mut inner = proc.inner.lock();
        place.next.set(inner.blocked);
        inner.blocked = &raw const place;
        inner.blocked_count += 1;
        inner.state.is_dying()
    };
    if is_dying {
        me.abort_slot().request();
    }
    let done = work();
    leave_list(proc, &raw const place);
    // A request that came too late is for nobody.
    let _ = me.abort_slot().take();
    done
}

fn leave_list(proc: &Proc, place: *const Blocked) {
    let mut inner = proc.inner.lock();
    inner.blocked_count -= 1;
    // SAFETY: what is in the list is on the stack of a kthread that has not left it.
    unsafe {
        if ptr::eq(inner.blocked, place) {
            inner.blocked = (*place).next.get();
            return;
        }
        let mut before = inner.blocked;
        while !ptr::eq((*before).next.get(), place) {
            before = (*before).next.get();
        }
        (*before).next.set((*place).next.get());
    }
}

/// Asks the blocked call at `call` to give up, and says whether there was one.
pub(crate) fn abort_call(proc: &Proc, call: usize) -> bool {
    let inner = proc.inner.lock();
    abort(inner.blocked, |blocked| blocked == call) > 0
}

/// Asks those blocked calls to give up whose address `wanted` accepts, and says how many there were. The list is the
/// process's, whose lock the caller has.
pub(super) fn abort(list: *const Blocked, wanted: impl Fn(usize) -> bool) -> usize {
    let (mut at, mut count) = (list, 0);
    // SAFETY: what is in the list is on the stack of a kthread that has not left it, and cannot while the lock is held.
    while let Some(place) = unsafe { at.as_ref() } {
        if wanted(place.call) {
            place.sleeper.abort_slot().request();
            count += 1;
        }
        at = place.next.get();
    }
    count
}
