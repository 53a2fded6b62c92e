//! Cores: how many there are, which one this is, and having work done on each.
//!
//! Every core but the one that runs `main` is in the idle loop, where it halts until somebody wakes it, and looks for a
//! task here. A task is a closure that its giver waits for, so it may borrow from the giver's stack; it runs in task
//! context, interrupts on, on the core's own stack.
//!
//! While a giver waits, it runs what others have given to it, so two cores that give to each other do not wait for ever.

use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering};

use crate::arch::{self, apic, core_block};
use crate::sync::per_core;

/// A closure for several cores, on the giver's stack.
///
/// # Invariants
/// Lives until `remaining` is 0, which is the last thing that any other core does with it.
struct Task<'a> {
    run: &'a (dyn Fn(usize) + Sync),
    remaining: AtomicUsize,
}

per_core! {
    /// What somebody wants this core to run.
    static TASK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
    static UP: AtomicBool = AtomicBool::new(false);
    static WORK: AtomicU8 = AtomicU8::new(Work::Boot as u8);
}

/// What a core is doing, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Work {
    /// Starting.
    Boot,
    /// Nothing: it halts until something happens.
    Idle,
    /// The application's `main`.
    Main,
    /// A closure that another core gave it.
    Task,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Boot => "starting",
            Work::Idle => "idle",
            Work::Main => "main",
            Work::Task => "a task",
        })
    }
}

/// How many cores there are. Any context.
#[must_use]
pub fn count() -> usize {
    core_block::count()
}

/// The running core, from 0 to [`count`]` - 1`. Any context; may be another one after anything that blocks.
#[must_use]
pub fn id() -> usize {
    arch::core_id()
}

/// The id that the running core's own local APIC has. Any context. The firmware's numbering, with gaps.
#[must_use]
pub fn apic_id() -> u32 {
    apic::id()
}

/// Whether `core` has started.
#[must_use]
pub fn is_up(core: usize) -> bool {
    UP.on(core).load(Ordering::Acquire)
}

/// Runs `f` on every core that is up, with the core's number, and returns when all have run it.
///
/// On this core it runs right here, on the others at the same time, in task context. Task context; waits for cores that
/// are busy with other tasks.
pub fn on_all(f: impl Fn(usize) + Sync) {
    let here = id();
    let others = (0..count()).filter(|&core| core != here && is_up(core));
    let task = Task { run: &f, remaining: AtomicUsize::new(others.clone().count()) };
    for core in others {
        give(core, &task);
    }
    f(here);
    wait(&task);
}

/// Runs `f` on `core` and returns what it returns. Task context; waits for the core if it is busy.
///
/// # Panics
/// If there is no such core, or it did not start.
pub fn on<R: Send>(core: usize, f: impl FnOnce() -> R + Send) -> R {
    if core == id() {
        return f();
    }
    assert!(
        core < count() && is_up(core),
        "core {core} cannot run anything: {} of {} cores are up",
        arch::smp::up(),
        count()
    );
    let job = spin::Mutex::new((Some(f), None));
    let run = |_| {
        let f = job.lock().0.take().expect("a task runs once");
        let result = f();
        job.lock().1 = Some(result);
    };
    let task = Task { run: &run, remaining: AtomicUsize::new(1) };
    give(core, &task);
    wait(&task);
    job.into_inner().1.expect("the task has run")
}

fn give(core: usize, task: &Task<'_>) {
    let slot = TASK.on(core);
    let pointer = ptr::from_ref(task).cast_mut().cast::<()>();
    // Release: the core sees the task complete.
    while slot.compare_exchange(ptr::null_mut(), pointer, Ordering::Release, Ordering::Relaxed).is_err() {
        run_pending();
        arch::relax();
    }
    apic::wake(core);
}

fn wait(task: &Task<'_>) {
    // Acquire pairs with the Release of each core that is done: its effects are visible, and it has let go of the task.
    while task.remaining.load(Ordering::Acquire) > 0 {
        run_pending();
        arch::relax();
    }
}

/// Runs what somebody has given to this core, if anything. Says whether there was something.
pub(crate) fn run_pending() -> bool {
    let here = id();
    let pointer = TASK.on(here).swap(ptr::null_mut(), Ordering::Acquire).cast::<Task<'_>>();
    if pointer.is_null() {
        return false;
    }
    // SAFETY: the giver waits until `remaining` is 0.
    let task = unsafe { &*pointer };
    let before = set_work(Work::Task);
    (task.run)(here);
    set_work(before);
    task.remaining.fetch_sub(1, Ordering::Release);
    true
}

/// Whether somebody has given something to this core.
pub(crate) fn has_pending() -> bool {
    !TASK.on(id()).load(Ordering::Relaxed).is_null()
}

/// Says that this core has started.
pub(crate) fn set_up() {
    UP.on(id()).store(true, Ordering::Release);
}

/// Says what this core does from now on, and gives what it did.
pub(crate) fn set_work(work: Work) -> Work {
    let slot = WORK.on(id());
    let before = decode(slot.load(Ordering::Relaxed));
    slot.store(work as u8, Ordering::Relaxed);
    before
}

/// What this core is doing.
pub(crate) fn current_work() -> Work {
    work_of(id())
}

/// What `core` is doing, or did last.
pub(crate) fn work_of(core: usize) -> Work {
    decode(WORK.on(core).load(Ordering::Relaxed))
}

fn decode(work: u8) -> Work {
    [Work::Boot, Work::Idle, Work::Main, Work::Task][usize::from(work) % 4]
}
