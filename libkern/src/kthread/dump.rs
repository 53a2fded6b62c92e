//! Who is there, and what each waits for.

use core::fmt::{self, Write};
use core::iter::successors;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::thread::{Kthread, State};
use crate::arch::{self, backtrace, clock, slot};
use crate::sync::{IrqSpinLock, SLOT_KTHREAD};

/// Under which kthreads enter the list of all of them, and leave it.
static LIST: IrqSpinLock<()> = IrqSpinLock::new("list of kthreads", ());

/// How many calls of a sleeper's stack a dump shows.
const SHOWN_CALLS: usize = 8;

/// The kthread that was made last.
static NEWEST: AtomicPtr<Kthread> = AtomicPtr::new(ptr::null_mut());

/// A kthread's place in the list of all. Changed under [`LIST`]; read without it while all other cores are stopped.
pub(super) struct Place {
    older: AtomicPtr<Kthread>,
    newer: AtomicPtr<Kthread>,
}

impl Place {
    pub(super) const fn new() -> Self {
        Self { older: AtomicPtr::new(ptr::null_mut()), newer: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// Enters a kthread that was just made into the list.
pub(super) fn enter(kthread: &'static Kthread) {
    let _held = LIST.lock();
    let this = ptr::from_ref(kthread).cast_mut();
    let older = NEWEST.load(Ordering::Relaxed);
    kthread.place.older.store(older, Ordering::Relaxed);
    // SAFETY: kthreads in the list are alive.
    if let Some(older) = unsafe { older.as_ref() } {
        older.place.newer.store(this, Ordering::Relaxed);
    }
    NEWEST.store(this, Ordering::Relaxed);
}

/// Takes a kthread that is about to be destroyed out of the list.
pub(super) fn leave(kthread: &Kthread) {
    let _held = LIST.lock();
    let (older, newer) = (&kthread.place.older, &kthread.place.newer);
    let (older, newer) = (older.load(Ordering::Relaxed), newer.load(Ordering::Relaxed));
    // SAFETY: kthreads in the list are alive.
    unsafe {
        newer.as_ref().map_or(&NEWEST, |newer| &newer.place.older).store(older, Ordering::Relaxed);
        if let Some(older) = older.as_ref() {
            older.place.newer.store(newer, Ordering::Relaxed);
        }
    }
}

/// Prints every kthread but those that the pool keeps: number, name, state, and of those that sleep what they wait for,
/// since when, and from where they were called. Any context but NMI. Kthreads of other cores may move on meanwhile.
///
/// # Errors
/// Those of `out`.
pub fn dump(out: &mut dyn Write) -> fmt::Result {
    let _held = LIST.lock();
    list(out)
}

/// As [`dump`], while all other cores are stopped, perhaps in the middle of making a kthread.
pub(crate) fn dump_stopped(out: &mut dyn Write) -> fmt::Result {
    list(out)
}

/// The kthreads in the list, the newest first. With the lock held, or all other cores stopped.
fn all<'a>() -> impl Iterator<Item = &'a Kthread> {
    // SAFETY: kthreads in the list are alive, and leave it under the lock.
    let at = |kthread: &AtomicPtr<Kthread>| unsafe { kthread.load(Ordering::Relaxed).as_ref() };
    successors(at(&NEWEST), move |kthread| at(&kthread.place.older))
}

fn list(out: &mut dyn Write) -> fmt::Result {
    let mut pooled = 0;
    for kthread in all() {
        match kthread.state() {
            State::Pooled => pooled += 1,
            state => line(kthread, state, out)?,
        }
    }
    writeln!(out, "and {pooled} kthreads in the pool")
}

/// Writes the lines of [`dump`] about kthreads that have waited for more than `limit_ticks` of the clock and were not
/// reported since they fell asleep: of `most` of them. Any context but NMI.
pub(super) fn report_sleepers(limit_ticks: u64, most: usize, out: &mut dyn Write) {
    let _held = LIST.lock();
    let now = clock::tsc();
    for kthread in all().filter(|kthread| sleeps_for_more_than(kthread, limit_ticks, now)).take(most) {
        // It cannot fail but by `out`, which is told nothing that matters to it.
        let _ = line(kthread, State::Active, out);
    }
}

/// Whether it is to be reported, which it then counts as.
fn sleeps_for_more_than(kthread: &Kthread, limit_ticks: u64, now: u64) -> bool {
    // The time is read last: one that is launched and sleeps again while this looks is seen with the time of that sleep.
    let may_be = kthread.state() == State::Active && !is_running(kthread) && !kthread.wait.get().is_for_time();
    let since = kthread.since.load(Ordering::Acquire);
    let is_long = since > 0 && now.saturating_sub(since) > limit_ticks;
    may_be && is_long && kthread.reported.swap(since, Ordering::Relaxed) != since
}

fn line(kthread: &Kthread, state: State, out: &mut dyn Write) -> fmt::Result {
    let core = kthread.core.get();
    write!(out, "kthread {} ", kthread.id)?;
    match kthread.name.get().as_str() {
        "" => {}
        name => write!(out, "`{name}` ")?,
    }
    match state {
        State::Active if is_running(kthread) => writeln!(out, "on core {core}"),
        State::Active => {
            let since = match kthread.since.load(Ordering::Relaxed) {
                0 => return writeln!(out, "of core {core} waits for its turn"),
                since => clock::tsc().saturating_sub(since),
            };
            let (wait, ms) = (kthread.wait.get(), clock::ticks_to_ns(since) / 1_000_000);
            writeln!(out, "of core {core} waits for {} ({:#x}) since {ms} ms", wait.kind, wait.object)?;
            calls(kthread, out)
        }
        State::New => writeln!(out, "has not begun"),
        State::Spare => writeln!(out, "is the spare of core {core}"),
        State::Ended => writeln!(out, "has ended and is not joined"),
        State::Pooled => writeln!(out, "is in the pool"),
    }
}

/// Whether it is the one that its core runs.
fn is_running(kthread: &Kthread) -> bool {
    arch::core_block::slot_of::<SLOT_KTHREAD>(kthread.core.get() as usize) == ptr::from_ref(kthread).addr()
}

/// The calls on a sleeper's stack. It may be launched meanwhile; what is read then is old, and is checked to be a chain
/// within the stack.
fn calls(kthread: &Kthread, out: &mut dyn Write) -> fmt::Result {
    let frame = arch::switch::frame_of(kthread.sp.get(), (kthread.bounds.lo, kthread.bounds.hi));
    let (mut number, mut result) = (0, Ok(()));
    backtrace::walk(frame, (kthread.bounds.lo, kthread.bounds.hi), |address| {
        if number < SHOWN_CALLS && result.is_ok() {
            result = writeln!(out, "  #{number} {address:#018x}");
        }
        number += 1;
    });
    result
}

/// What a core's kthread is called.
#[derive(Clone, Copy)]
pub struct Description(Option<&'static Kthread>);

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("starting"),
            Some(kthread) => match kthread.name.get().as_str() {
                "" => write!(f, "kthread {}", kthread.id),
                name => f.write_str(name),
            },
        }
    }
}

/// What the running kthread is called. Any context.
#[must_use]
pub fn current_description() -> Description {
    describe(slot::get::<SLOT_KTHREAD>())
}

/// What the kthread that runs on `core`, or ran when that core was stopped, is called.
pub(crate) fn description_on(core: usize) -> Description {
    describe(arch::core_block::slot_of::<SLOT_KTHREAD>(core))
}

fn describe(address: usize) -> Description {
    // SAFETY: null, or a kthread that runs and so is alive; those of cores that are stopped stay so.
    Description(unsafe { ptr::with_exposed_provenance::<Kthread>(address).as_ref() })
}
