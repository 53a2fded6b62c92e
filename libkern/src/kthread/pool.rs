//! kthreads that nobody uses, by the size of their stacks.
//!
//! A kthread's struct and stack stay together from when they are made until they are destroyed. What ends goes to the pool,
//! from which the next one is taken: its stack is mapped already, on every core alike. Stacks are powers of two, from
//! [`MIN_STACK`] to [`MAX_STACK`].
//!
//! A pool that has grown beyond [`KEEP_BYTES`] gives back, when a core has nothing better to do, and when there is no
//! memory for another stack ([`trim`]): what goes is unmapped, all cores are told to forget the addresses, and only when
//! the last one has is the memory free. (Seed `kthreads.txt`, Freeing Stacks and Structs.)

use alloc::boxed::Box;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::thread::{Kthread, Name, State};
use crate::arch::irq;
use crate::arch::paging::{self, MapError};
use crate::cpu::CoreSet;
use crate::mem::stack::{KernelStack, Unmapped};
use crate::mem::frames;
use crate::sync::{LeafLock, depth};

/// The smallest stack, in bytes.
pub const MIN_STACK: usize = 8 * 1024;
/// The largest stack, in bytes.
pub const MAX_STACK: usize = 16 << 20;
/// The stack of a kthread for which nothing else was asked, and of the idle loop, in bytes.
pub const DEFAULT_STACK: usize = 64 * 1024;

/// Stacks of each size that the pool keeps, in bytes.
const KEEP_BYTES: usize = 4 << 20;

/// How many kthreads cost one interrupt of all cores when they are given back.
const TRIM_BATCH: usize = 64;

const CLASSES: usize = (MAX_STACK / MIN_STACK).ilog2() as usize + 1;

#[derive(Default)]
struct Class {
    first: Option<NonNull<Kthread>>,
    len: usize,
}

// SAFETY: pooled kthreads are the pool's, whichever core looks.
unsafe impl Send for Class {}

static POOL: [LeafLock<Class>; CLASSES] = [const { LeafLock::new(Class { first: None, len: 0 }) }; CLASSES];

/// Whether some class has more than it is to keep.
static HAS_TOO_MANY: AtomicBool = AtomicBool::new(false);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A kthread could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// There is no memory for a stack.
    OutOfMemory,
    /// The stack asked for is larger than [`MAX_STACK`].
    StackTooLarge,
}

impl core::fmt::Display for SpawnError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            SpawnError::OutOfMemory => f.write_str("there is no memory for the stack of a kthread"),
            SpawnError::StackTooLarge => write!(f, "a stack has at most {MAX_STACK} bytes"),
        }
    }
}

impl core::error::Error for SpawnError {}

fn class_of(stack_len: usize) -> usize {
    (stack_len.next_power_of_two().max(MIN_STACK) / MIN_STACK).ilog2() as usize
}

/// A kthread with a stack of at least `stack_len` bytes. It is the caller's.
#[inline(always)]
pub(super) fn take(stack_len: usize) -> Result<NonNull<Kthread>, SpawnError> {
    if stack_len > MAX_STACK {
        return Err(SpawnError::StackTooLarge);
    }
    let class = class_of(stack_len);
    match pop(class) {
        Some(kthread) => Ok(kthread),
        None => create(MIN_STACK << class),
    }
}

#[inline(always)]
fn pop(class: usize) -> Option<NonNull<Kthread>> {
    POOL[class].with(|pool| {
        let first = pool.first?;
        // SAFETY: the pool's own.
        pool.first = unsafe { first.as_ref() }.next.take();
        pool.len -= 1;
        Some(first)
    })
}

/// One for the idle loop of a core that has no spare.
#[cold]
pub(super) fn take_for_idle() -> NonNull<Kthread> {
    take(DEFAULT_STACK).unwrap_or_else(|error| panic!("a core has nothing to go on with while something blocks: {error}"))
}

/// The same, ahead of time: one that there is, or a new one if there is plenty of memory.
#[cold]
pub(super) fn spare_if_plenty() -> Option<NonNull<Kthread>> {
    let one = pop(class_of(DEFAULT_STACK)).or_else(|| if frames::is_scarce() { None } else { create(DEFAULT_STACK).ok() });
    if let Some(kthread) = one {
        // SAFETY: the caller's, from the pool or new.
        unsafe { kthread.as_ref() }.set_state(State::Spare);
    }
    one
}

#[cold]
#[inline(never)]
fn create(stack_len: usize) -> Result<NonNull<Kthread>, SpawnError> {
    let stack = KernelStack::new(stack_len).or_else(|_| {
        // Where others' forgetting can be waited for, what the pool keeps in other sizes may be enough.
        if depth::may_block() && irq::enabled() {
            trim(0);
        }
        KernelStack::new(stack_len)
    });
    let stack = stack.map_err(|_: MapError| SpawnError::OutOfMemory)?;
    Ok(NonNull::from(adopt(stack)))
}

/// A kthread around a stack that is there already. It is in no pool.
fn adopt(stack: KernelStack) -> &'static Kthread {
    // Relaxed: only the number matters.
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let kthread = Box::leak(Box::new(Kthread::new(stack, id)));
    super::dump::enter(kthread);
    kthread
}

/// Makes what runs on `stack` a kthread.
///
/// # Safety
/// This core runs on `stack`, or is about to and keeps interrupts off until then.
pub(crate) unsafe fn adopt_running(stack: KernelStack, name: &str) {
    let kthread = adopt(stack);
    kthread.name.set(Name::new(name));
    // SAFETY: the caller's word.
    unsafe { super::switch::adopt(kthread) };
}

/// Puts a kthread into the pool.
///
/// # Safety
/// It is the caller's, and nothing on its stack is needed. Nobody runs on it.
pub(super) unsafe fn put(kthread: NonNull<Kthread>) {
    // SAFETY: the caller's kthread.
    let this = unsafe { kthread.as_ref() };
    this.set_state(State::Pooled);
    let class = class_of(this.stack_len());
    POOL[class].with(|pool| {
        this.next.set(pool.first);
        pool.first = Some(kthread);
        pool.len += 1;
        if pool.len > keep_len(class, KEEP_BYTES) {
            // Relaxed: a hint for idle cores.
            HAS_TOO_MANY.store(true, Ordering::Relaxed);
        }
    });
}

/// How many kthreads of a class take `bytes`.
fn keep_len(class: usize, bytes: usize) -> usize {
    bytes / (MIN_STACK << class)
}

/// Gives back what is too much, if some is. For the idle loop: may block, and so return on another core.
#[inline(always)]
pub(super) fn trim_if_needed() {
    if HAS_TOO_MANY.load(Ordering::Relaxed) && HAS_TOO_MANY.swap(false, Ordering::Relaxed) {
        trim(KEEP_BYTES);
    }
}

/// Gives kthreads back until those of each size take at most `keep_bytes`. Blocks until all cores have forgotten the
/// addresses of their stacks.
pub fn trim(keep_bytes: usize) {
    for class in 0..CLASSES {
        let keep = keep_len(class, keep_bytes);
        while let Some(surplus) = take_surplus(class, keep) {
            destroy(surplus);
        }
    }
}

/// Takes a batch out of the pool if it has more than `keep`. They are linked like those in the pool.
fn take_surplus(class: usize, keep: usize) -> Option<NonNull<Kthread>> {
    POOL[class].with(|pool| {
        let count = pool.len.saturating_sub(keep).min(TRIM_BATCH);
        let mut batch = None;
        for _ in 0..count {
            let kthread = pool.first?;
            // SAFETY: the pool's own.
            let next = unsafe { &kthread.as_ref().next };
            pool.first = next.replace(batch);
            pool.len -= 1;
            batch = Some(kthread);
        }
        batch
    })
}

fn destroy(batch: NonNull<Kthread>) {
    let mut unmapped: [Option<Unmapped>; TRIM_BATCH] = [const { None }; TRIM_BATCH];
    let mut next = Some(batch);
    for place in &mut unmapped {
        let Some(kthread) = next else { break };
        // SAFETY: out of the pool, so nobody's but ours; made by `adopt` as a box.
        let kthread = unsafe { Box::from_raw(kthread.as_ptr()) };
        super::dump::leave(&kthread);
        next = kthread.next.take();
        *place = Some(kthread.stack.unmap());
    }
    super::interrupt_set(&CoreSet::all(), |_| paging::flush_everything());
    // The memory is free when `unmapped` is dropped, which no TLB knows any more.
}
