//! Making kthreads, and waiting for their ends.
//!
//! The closure lies at the top of the new kthread's stack, and what it returns takes its place there, until it is joined: so
//! a kthread costs no allocation but itself, and that comes from the pool. (What is too large for that is boxed.)
//!
//! # Ends
//!
//! A kthread that ends leaves its stack first; the call stack that goes on there notes the end ([`has_left`]). Then either
//! somebody joins, takes the value and gives the kthread to the pool, or the handle had been dropped, and the value and
//! the kthread go: at once, or, if dropping the value is work, by a routine message, which may block like any. The two are
//! told apart under the kthread's own lock.
//!
//! # Panics
//!
//! The stable toolchain's panics abort here: nothing can unwind a stack, so nothing on it could be dropped, and a lock
//! held there would never be released. A panic therefore ends the image, whichever kthread it is in. (`contain` has the one
//! exception.)

use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, needs_drop};
use core::ptr::{self, NonNull};

use super::pool::{self, DEFAULT_STACK, SpawnError};
use super::switch::{arrive, current, leave_ended, leave_for_joiner};
use super::thread::{Ending, Kthread, Name, State};
use super::{Sleeper, Wait, assert_may_block, block, wake};
use crate::arch::switch::prepare;
use crate::arch::{self, irq};
use crate::kmsg;
use crate::time::Instant;
use crate::time::timer::Timer;

/// Closures and results up to this size lie on the kthread's stack, in bytes.
const IN_PLACE: usize = 512;

/// What a kthread was made for.
#[derive(Clone, Copy)]
pub(super) struct Work {
    slot: *mut (),
    /// Turns the closure at `slot` into its result.
    run: unsafe fn(*mut ()),
    /// Drops the result at `slot`. None if there is nothing to be done for that.
    discard: Option<unsafe fn(*mut ())>,
}

/// A closure, and later what it returned.
union Slot<F, T> {
    f: ManuallyDrop<F>,
    result: ManuallyDrop<T>,
}

/// # Safety
/// The slot is one of `F` and `T`, and holds the closure.
unsafe fn run<F: FnOnce() -> T, T>(slot: *mut ()) {
    let slot: *mut Slot<F, T> = slot.cast();
    // SAFETY: the slot holds the closure, which is called once, and afterwards its result.
    unsafe {
        let f = ManuallyDrop::take(&mut (*slot).f);
        (*slot).result = ManuallyDrop::new(f());
    }
}

/// # Safety
/// The slot is one of `F` and `T`, and holds the result.
unsafe fn discard<F, T>(slot: *mut ()) {
    // SAFETY: the slot holds the result, which nobody takes.
    unsafe { ManuallyDrop::drop(&mut (*slot.cast::<Slot<F, T>>()).result) };
}

/// How a kthread is to be.
#[derive(Clone, Debug)]
pub struct Builder<'a> {
    name: &'a str,
    stack_len: usize,
    core: Option<usize>,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Self { name: "", stack_len: DEFAULT_STACK, core: None }
    }
}

impl<'a> Builder<'a> {
    /// No name, a stack of [`DEFAULT_STACK`] bytes, on the core that spawns it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its name, for dumps and panics. Of longer ones the first 23 bytes are kept.
    #[must_use]
    pub fn name(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// The size of its stack in bytes, rounded up to a power of two of at least [`MIN_STACK`](super::MIN_STACK). Below it
    /// lies a page that is not mapped.
    #[must_use]
    pub fn stack_size(self, stack_len: usize) -> Self {
        Self { stack_len, ..self }
    }

    /// The core on which it starts, and on which it goes on when it was woken by somebody who names none.
    #[must_use]
    pub fn core(self, core: usize) -> Self {
        Self { core: Some(core), ..self }
    }

    /// Makes a kthread that runs `f`, and sends it on its way. Any context but NMI; does not block.
    ///
    /// # Errors
    /// As [`SpawnError`] says.
    ///
    /// # Panics
    /// If the core named does not exist or is not up.
    #[inline]
    pub fn spawn<F, T>(self, f: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if const { size_of::<Slot<F, T>>() <= IN_PLACE } {
            self.spawn_in_place(f)
        } else {
            // A box of a result has the size of a pointer, so this goes in place.
            let boxed = Box::new(f);
            let handle: JoinHandle<Box<T>> = self.spawn_in_place(move || Box::new(boxed()))?;
            Ok(JoinHandle { kthread: handle.into_kthread(), is_boxed: true, _result: PhantomData })
        }
    }

    #[inline(always)]
    fn spawn_in_place<F, T>(self, f: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let kthread = pool::take(self.stack_len)?;
        // SAFETY: the kthread is this function's until its message is sent.
        let this = unsafe { kthread.as_ref() };
        let align = align_of::<Slot<F, T>>().max(16);
        let top = (this.bounds.hi - size_of::<Slot<F, T>>()) & !(align - 1);
        let slot: *mut Slot<F, T> = ptr::with_exposed_provenance_mut(top);
        // SAFETY: the top of a stack that nobody uses.
        unsafe {
            slot.write(Slot { f: ManuallyDrop::new(f) });
            this.sp.set(prepare(top, start));
        }
        let discard = const { if needs_drop::<T>() { Some(discard::<F, T> as unsafe fn(*mut ())) } else { None } };
        this.work.set(Some(Work { slot: slot.cast(), run: run::<F, T>, discard }));
        this.name.set(if self.name.is_empty() { Name::EMPTY } else { Name::new(self.name) });
        *this.ending.lock() = Ending::default();
        if this.abort.is_requested() {
            this.abort.take();
        }
        this.set_state(State::New);
        let flags = irq::save_and_disable();
        let core = self.core.unwrap_or_else(arch::core_id);
        // SAFETY: its message is in no queue. Interrupts are off, and the flags the innermost.
        unsafe {
            kmsg::post_routine(core, this.message());
            irq::restore(flags);
        }
        Ok(JoinHandle { kthread, is_boxed: false, _result: PhantomData })
    }
}

/// Makes a kthread that runs `f`, on this core, with a stack of [`DEFAULT_STACK`] bytes. As [`Builder::spawn`].
///
/// # Panics
/// If there is no memory for it; [`Builder::spawn`] returns that as an error.
#[inline]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).unwrap_or_else(|error| panic!("cannot spawn a kthread: {error}"))
}

/// The first function of a spawned kthread.
extern "C" fn start(token: usize) -> ! {
    // SAFETY: the first thing on this stack.
    unsafe {
        arrive(token);
        irq::enable();
    }
    // SAFETY: the running kthread is alive.
    let me = unsafe { current().0.as_ref() };
    me.set_state(State::Active);
    if let Some(work) = me.work.get() {
        // SAFETY: the slot holds the closure.
        unsafe { (work.run)(work.slot) };
    }
    assert_may_block(|| "the end of a kthread");
    end(me)
}

/// Ends the running kthread. Who joins it on this core already goes on with what is left of its turn.
fn end(me: &Kthread) -> ! {
    irq::disable();
    me.set_state(State::Ended);
    let here = arch::core_id() as u32;
    let mut ending = me.ending.lock();
    // SAFETY: a joiner is alive, and blocked.
    match ending.joiner.take_if(|joiner| unsafe { joiner.0.as_ref() }.core.get() == here) {
        Some(joiner) => {
            ending.has_ended = true;
            leave_for_joiner(me, joiner, ending)
        }
        None => {
            drop(ending);
            leave_ended(me)
        }
    }
}

/// Notes that a kthread has ended and its stack is not in use any more. Interrupts off.
pub(super) fn has_left(kthread: NonNull<Kthread>) {
    // SAFETY: alive until it is given to the pool, by whoever is the second to let go of it.
    let this = unsafe { kthread.as_ref() };
    let joiner = {
        let mut ending = this.ending.lock();
        ending.has_ended = true;
        match ending.is_detached {
            true => None,
            false => match ending.joiner.take() {
                Some(joiner) => Some(joiner),
                None => return,
            },
        }
    };
    match joiner {
        Some(joiner) => wake(joiner),
        // SAFETY: its handle is gone, and it has ended.
        None if !this.has_result_to_drop() => unsafe { discard_and_pool(kthread) },
        None => {
            // What drops a result is anybody's code: not for this place, between two stacks.
            let ended = Sleeper(kthread);
            // SAFETY: as above.
            kmsg::send_routine(arch::core_id(), move |_| unsafe { discard_and_pool({ ended }.0) });
        }
    }
}

impl Kthread {
    fn has_result_to_drop(&self) -> bool {
        self.work.get().is_some_and(|work| work.discard.is_some())
    }
}

/// # Safety
/// The kthread has ended and left its stack, and nobody has a handle.
unsafe fn discard_and_pool(kthread: NonNull<Kthread>) {
    // SAFETY: the caller's word.
    unsafe {
        if let Some(Work { slot, discard: Some(discard), .. }) = kthread.as_ref().work.take() {
            discard(slot);
        }
        pool::put(kthread);
    }
}

/// The right to wait for a kthread's end and to have what it returned. Dropping it lets the kthread go its way.
#[must_use = "dropping it detaches the kthread"]
pub struct JoinHandle<T> {
    kthread: NonNull<Kthread>,
    /// Whether the slot holds a box of the result.
    is_boxed: bool,
    _result: PhantomData<T>,
}

// SAFETY: it stands for a kthread that any core may wait for; the result goes to whoever joins.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: shared, it only shows the kthread's words for dumps.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Waits until the kthread has ended, and gives what it returned. Blocks.
    ///
    /// # Panics
    /// If it would block here: a lock is held, interrupts are off, or this is a handler.
    #[inline]
    pub fn join(self) -> T {
        assert_may_block(|| "JoinHandle::join");
        // SAFETY: alive while there is a handle.
        let this = unsafe { self.kthread.as_ref() };
        let mut ending = this.ending.lock();
        if ending.has_ended {
            drop(ending);
        } else {
            ending.joiner = Some(current());
            block(ending, self.wait());
        }
        self.take_result()
    }

    /// As [`join`](Self::join), but gives up when `deadline` has come. Blocks.
    ///
    /// # Errors
    /// The handle, if the kthread has not ended by then.
    ///
    /// # Panics
    /// As [`join`](Self::join).
    pub fn join_until(self, deadline: Instant) -> Result<T, Self> {
        assert_may_block(|| "JoinHandle::join_until");
        // SAFETY: alive while there is a handle.
        let this = unsafe { self.kthread.as_ref() };
        let patience = Patience { timer: Timer::new(lose_patience), kthread: self.kthread };
        let mut ending = this.ending.lock();
        if !ending.has_ended {
            ending.joiner = Some(current());
            // SAFETY: the timer stays where it is, and is cancelled before it goes.
            unsafe { patience.timer.arm(deadline.as_nanos()) };
            block(ending, self.wait());
            let _ = patience.timer.cancel_sync();
            ending = this.ending.lock();
        }
        let has_ended = ending.has_ended;
        drop(ending);
        if has_ended { Ok(self.take_result()) } else { Err(self) }
    }

    fn wait(&self) -> Wait {
        Wait { kind: "the end of kthread", object: self.id() as usize }
    }

    /// What the kthread returned, which has ended; it goes to the pool.
    #[inline(always)]
    fn take_result(self) -> T {
        let (kthread, is_boxed) = self.into_raw();
        // SAFETY: ended, so the slot holds the result, which nobody else takes; then nobody needs the kthread.
        unsafe {
            let work = kthread.as_ref().work.take().expect("a kthread that ended was spawned");
            let result = match is_boxed {
                true => *ptr::read(work.slot.cast::<Box<T>>()),
                false => ptr::read(work.slot.cast::<T>()),
            };
            pool::put(kthread);
            result
        }
    }

    /// Asks the kthread to give up what it waits for: its next sleep that can be aborted, or the one that it is in, ends
    /// with an error. Any context.
    pub fn abort(&self) {
        // SAFETY: alive while there is a handle.
        unsafe { self.kthread.as_ref() }.abort.request();
    }

    /// Whether it has ended. Any context.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        // SAFETY: alive while there is a handle.
        unsafe { self.kthread.as_ref() }.ending.lock().has_ended
    }

    /// The number that no other kthread has, as dumps show it. Any context.
    #[must_use]
    pub fn id(&self) -> u64 {
        // SAFETY: alive while there is a handle.
        unsafe { self.kthread.as_ref() }.id
    }

    fn into_raw(self) -> (NonNull<Kthread>, bool) {
        let this = ManuallyDrop::new(self);
        (this.kthread, this.is_boxed)
    }

    fn into_kthread(self) -> NonNull<Kthread> {
        self.into_raw().0
    }
}

/// A joiner's timer.
#[repr(C)]
struct Patience {
    /// First, so that its address is the rest's.
    timer: Timer,
    kthread: NonNull<Kthread>,
}

/// # Safety
/// The timer is a [`Patience`]'s, whose kthread is alive.
unsafe fn lose_patience(timer: NonNull<Timer>) {
    // SAFETY: the caller's word; the joiner waits for this function to return before it goes on for good.
    let joiner = unsafe { timer.cast::<Patience>().as_ref().kthread.as_ref() }.ending.lock().joiner.take();
    if let Some(joiner) = joiner {
        wake(joiner);
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let has_ended = {
            // SAFETY: alive while there is a handle.
            let mut ending = unsafe { self.kthread.as_ref() }.ending.lock();
            ending.is_detached = true;
            ending.has_ended
        };
        if has_ended {
            // SAFETY: ended and left; this was the handle.
            unsafe { discard_and_pool(self.kthread) };
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).field("is_finished", &self.is_finished()).finish()
    }
}

/// The number of the running kthread, as dumps show it.
#[must_use]
pub fn id() -> u64 {
    // SAFETY: the running kthread is alive.
    unsafe { current().0.as_ref() }.id
}
