//! Who waits for a core, and cores that wait for somebody.
//!
//! One queue for all cores, first come, first served. A core that finds it empty notes that it is idle, and looks once
//! more before it halts; whoever makes a process ready puts it into the queue and then looks for such notes. The queue's
//! lock is between: either the core finds the process, or the other finds the note. (Races, processes 4, of this queue.)
//!
//! A note stays while the core runs kthreads, which take no notice of it. So a core that is noted is told for certain only
//! if it halts; where none does, all that are noted are told, and look when they come to it.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::process::Proc;
use crate::arch::MAX_CORES;
use crate::kthread::READY as LEN;
use crate::sync::LeafLock;

struct Queue {
    first: *const Proc,
    last: *const Proc,
}

// SAFETY: it has a reference to each process that is in it.
unsafe impl Send for Queue {}

static QUEUE: LeafLock<Queue> = LeafLock::new(Queue { first: ptr::null(), last: ptr::null() });
/// Cores that have found the queue empty, by bits.
static IDLE: [AtomicU64; MAX_CORES.div_ceil(64)] = [const { AtomicU64::new(0) }; MAX_CORES.div_ceil(64)];

/// At least as many as have a bit there, so that most need not look.
static IDLE_CORES: AtomicUsize = AtomicUsize::new(0);

/// Where a process that becomes ready goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Before all others: it was interrupted for something that is not its fault.
    Front,
    /// Behind them.
    Back,
}

/// Puts a process into the queue. Cores have to be told afterwards. Interrupts off.
#[inline(always)]
pub(super) fn push(proc: Arc<Proc>, end: End) {
    let proc = Arc::into_raw(proc);
    QUEUE.with_interrupts_off(|queue| {
        // SAFETY: the queue's reference, and `next` is the queue's.
        unsafe {
            match (queue.first.is_null(), end) {
                (true, _) => {
                    (*proc).next.set(ptr::null());
                    queue.first = proc;
                    queue.last = proc;
                }
                (false, End::Front) => {
                    (*proc).next.set(queue.first);
                    queue.first = proc;
                }
                (false, End::Back) => {
                    (*proc).next.set(ptr::null());
                    (*queue.last).next.set(proc);
                    queue.last = proc;
                }
            }
        }
        LEN.store(LEN.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    });
}

/// The process that is next, if there is one. Interrupts off.
#[inline(always)]
pub(super) fn take() -> Option<Arc<Proc>> {
    if is_empty() {
        return None;
    }
    let first = QUEUE.with_interrupts_off(|queue| {
        let first = queue.first;
        if !first.is_null() {
            // SAFETY: as in `push`.
            queue.first = unsafe { (*first).next.get() };
            LEN.store(LEN.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
        first
    });
    // SAFETY: the queue's reference, which is the caller's now.
    (!first.is_null()).then(|| unsafe { Arc::from_raw(first) })
}

/// Whether nobody waits, or did not a moment ago.
#[inline(always)]
pub(super) fn is_empty() -> bool {
    LEN.load(Ordering::Relaxed) == 0
}

/// Notes that `core`, the running one, has nobody to run, and gives somebody who has come meanwhile. Interrupts off.
pub(super) fn idle(core: usize) -> Option<Arc<Proc>> {
    note_idle(core);
    let first = QUEUE.with_interrupts_off(|queue| !queue.first.is_null());
    if first { take().inspect(|_| busy(core)) } else { None }
}

/// Notes that `core` may have nobody to run. Any core.
pub(super) fn note_idle(core: usize) {
    let (word, bit) = (&IDLE[core / 64], 1 << (core % 64));
    if word.load(Ordering::Relaxed) & bit == 0 {
        // SeqCst: before the look that follows. Partner: `take_idle_core`, which comes after a push.
        IDLE_CORES.fetch_add(1, Ordering::SeqCst);
        if word.fetch_or(bit, Ordering::SeqCst) & bit != 0 {
            // Somebody else has noted it, and counted.
            IDLE_CORES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Notes that `core`, the running one, runs somebody.
pub(super) fn busy(core: usize) {
    let (word, bit) = (&IDLE[core / 64], 1 << (core % 64));
    if word.load(Ordering::Relaxed) & bit != 0 && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
        IDLE_CORES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A core that was noted as idle and is `wanted`. The note is gone.
#[inline(always)]
pub(super) fn take_idle_core(wanted: impl Fn(usize) -> bool) -> Option<usize> {
    if IDLE_CORES.load(Ordering::SeqCst) == 0 { None } else { find_idle_core(wanted) }
}

fn find_idle_core(wanted: impl Fn(usize) -> bool) -> Option<usize> {
    for (n, word) in IDLE.iter().enumerate() {
        let mut bits = word.load(Ordering::SeqCst);
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            let core = n * 64 + bit.trailing_zeros() as usize;
            if wanted(core) && word.fetch_and(!bit, Ordering::SeqCst) & bit != 0 {
                IDLE_CORES.fetch_sub(1, Ordering::Relaxed);
                return Some(core);
            }
            bits &= !bit;
        }
    }
    None
}
