//! Stacks: guarded, and left alone by interrupts.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use guest_tests::{dawdle, spin_until, yield_until};
use libkern::arch::{MAX_CORES, PAGE_SIZE, core_block, paging};
use libkern::kthread::sync::Semaphore;
use libkern::mem::stack::CORE_SPAN;
use libkern::mem::{self, FrameUse};
use libkern::sync::SpinLock;
use libkern::testing::{Skipped, metric, skip};
use libkern::{cpu, kmsg, kthread};

use crate::{many, other};

#[libkern::test(ids = ["K18"])]
fn below_every_spawned_kthread_s_stack_is_a_page_that_is_not_mapped() {
    for size in [8 << 10, 64 << 10, 512 << 10] {
        let handles: Vec<_> = (0..5)
            .map(|_| kthread::Builder::new().stack_size(size).spawn(core_block::current_stack).expect("memory"))
            .collect();
        for (lo, hi) in handles.into_iter().map(kthread::JoinHandle::join) {
            assert_eq!(hi - lo, size);
            for page in (lo..hi).step_by(PAGE_SIZE) {
                assert!(paging::translate(page).is_some_and(|leaf| leaf.writable && !leaf.executable), "{page:#x}");
            }
            assert!(paging::translate(lo - 1).is_none(), "{:#x} is mapped", lo - 1);
        }
    }
}

const CANARY: u64 = 0x0ca4_a21e_0ca4_a21e;

/// The running kthread's stack below what is in use, and below what blocking will use.
fn unused() -> &'static mut [u64] {
    const MARGIN: usize = 8 << 10;
    let here = 0_u64;
    let (lo, _) = core_block::current_stack();
    let end = core::hint::black_box(&raw const here).addr() - MARGIN;
    // SAFETY: mapped, and nobody's: below the frames of this kthread by more than the calls take that it makes while it
    // looks at it. The reference ends before the kthread does.
    unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(lo), (end - lo) / 8) }
}

/// Interrupts of `core`, one after the other.
fn interrupt(core: usize, count: usize) {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    TAKEN.store(0, Ordering::Relaxed);
    for sent in 1..=count {
        kmsg::send_immediate(core, |_| {
            // With some of the handler's stack in use.
            assert_eq!(core::hint::black_box([TAKEN.load(Ordering::Relaxed); 100])[99] + 1, {
                TAKEN.fetch_add(1, Ordering::Release) + 1
            });
        });
        spin_until("an interrupt", || TAKEN.load(Ordering::Acquire) == sent);
    }
}

#[libkern::test(ids = ["K16"])]
fn interrupts_leave_the_stacks_of_kthreads_alone_asleep_or_not() {
    static GO: Semaphore = Semaphore::new(0);
    static ASLEEP: AtomicUsize = AtomicUsize::new(0);
    let count = many(100_000).min(1_000_000 / cpu::count());
    let core = other();
    let asleep = || {
        unused().fill(CANARY);
        ASLEEP.fetch_add(1, Ordering::Release);
        GO.down();
        assert!(unused().iter().all(|&word| word == CANARY), "somebody was on the stack of a kthread that slept");
    };
    let sleepers = [cpu::id(), core].map(|core| kthread::Builder::new().core(core).spawn(asleep).expect("memory"));
    yield_until("them to sleep", || ASLEEP.load(Ordering::Acquire) == 2);
    interrupt(core, count / 2);
    // And one that is interrupted while it runs.
    let awake = move || {
        unused().fill(CANARY);
        let below = unused();
        interrupt(cpu::id(), count / 2);
        assert!(below.iter().all(|&word| word == CANARY), "somebody was on the stack of a kthread that runs");
    };
    kthread::Builder::new().core(core).spawn(awake).expect("memory").join();
    assert_eq!(GO.up_many(2), 2);
    sleepers.into_iter().for_each(kthread::JoinHandle::join);
}

/// What lies at an address, as `core` sees it.
fn seen_by(core: usize, address: usize) -> u64 {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    static IS_THERE: AtomicBool = AtomicBool::new(false);
    IS_THERE.store(false, Ordering::Relaxed);
    kmsg::send_immediate(core, move |_| {
        // SAFETY: the caller's address, where there is memory that nobody else writes to.
        let seen = unsafe { core::ptr::with_exposed_provenance::<u64>(address).read_volatile() };
        SEEN.store(seen, Ordering::Relaxed);
        IS_THERE.store(true, Ordering::Release);
    });
    spin_until("a look from another core", || IS_THERE.load(Ordering::Acquire));
    SEEN.load(Ordering::Relaxed)
}

#[libkern::test(ids = ["M21"])]
fn a_core_forgets_the_addresses_of_stacks_that_were_given_back() -> Result<(), Skipped> {
    // A size that nobody else uses, so that the same addresses come again.
    const SIZE: usize = 128 << 10;
    static STOP: AtomicBool = AtomicBool::new(false);
    static GO: Semaphore = Semaphore::new(0);
    static BUSY: SpinLock<u64> = SpinLock::new("held while others' addresses are forgotten", 0);
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = other();
    STOP.store(false, Ordering::Relaxed);
    // What the other core does meanwhile, with a lock held, stays what it is.
    let compute = || {
        let mut rounds = 0;
        while !STOP.load(Ordering::Relaxed) {
            let mut held = BUSY.lock();
            let words: [u64; 16] = core::array::from_fn(|n| core::hint::black_box(*held) * 31 + n as u64);
            dawdle(200);
            assert!(words.iter().enumerate().all(|(n, &word)| word == *held * 31 + n as u64), "{words:?} of {}", *held);
            *held += 1;
            rounds += 1;
        }
        rounds
    };
    let busy = kthread::Builder::new().core(core).spawn(compute).expect("memory");
    let stack = || {
        let (lo, _) = kthread::Builder::new().stack_size(SIZE).spawn(core_block::current_stack).expect("memory").join();
        (lo, paging::translate(lo).expect("it is in the pool, mapped").phys)
    };
    let mark = |lo: usize, mark| {
        // SAFETY: the end of a stack of the pool, of which nobody has been given anything.
        unsafe { core::ptr::with_exposed_provenance_mut::<u64>(lo).write_volatile(mark) };
        assert_eq!(seen_by(core, lo), mark);
    };
    let (mut moved, mut sleepers) = (0, Vec::new());
    for round in 0..40 {
        let (lo, frame) = stack();
        mark(lo, round);
        kthread::trim(0);
        assert!(paging::translate(lo).is_none());
        // Another stack takes some of the memory that was there.
        sleepers.push(kthread::Builder::new().stack_size(8 << 10).spawn(|| GO.down()).expect("memory"));
        let (again, other_frame) = stack();
        if again == lo && other_frame != frame {
            moved += 1;
            mark(lo, !round);
        }
    }
    STOP.store(true, Ordering::Relaxed);
    let rounds = busy.join();
    GO.up_many(sleepers.len());
    sleepers.into_iter().for_each(kthread::JoinHandle::join);
    metric("moved", moved, "count");
    assert!(moved > 10, "the same addresses with other memory, {moved} times");
    assert_eq!((*BUSY.lock(), rounds > 0), (rounds, true));
    Ok(())
}

/// Bytes mapped in the region of stacks, and how many cores' first stacks are among them: the only ones of their size where
/// cores have their own.
fn mapped_stacks() -> (usize, usize) {
    const FIRST_STACK: usize = 64 << 10;
    let cores_end = paging::STACKS + MAX_CORES * CORE_SPAN;
    let (mut bytes, mut first_stacks) = (0, 0);
    let mut run = 0..0;
    let mut end_run = |run: &Range<usize>| first_stacks += usize::from(run.len() == FIRST_STACK && run.end < cores_end);
    paging::for_each_leaf(|leaf| {
        if !(paging::STACKS..paging::IMAGE).contains(&leaf.virt) {
            return;
        }
        bytes += leaf.len;
        if run.end != leaf.virt {
            end_run(&run);
            run.start = leaf.virt;
        }
        run.end = leaf.virt + leaf.len;
    });
    end_run(&run);
    (bytes, first_stacks)
}

#[libkern::test(ids = ["K17"])]
fn the_stacks_on_which_cores_start_become_kthreads_and_go_back_to_memory() -> Result<(), Skipped> {
    static ASLEEP: AtomicUsize = AtomicUsize::new(0);
    static GO: Semaphore = Semaphore::new(0);
    let cores = cpu::count().min(8);
    if cores == 1 {
        return skip("the boot processor's first stack is part of the image");
    }
    let used = || mem::stats().used(FrameUse::KernelStacks);
    let before = (used(), mapped_stacks());
    // Messages that block take with them whatever the idle loop runs on, sooner or later the core's first stack, and
    // return into another core's idle loop. Of three that do so one after the other, the first one's stack is the loop's
    // own, then its spare, and then the pool's.
    const SLEEPERS: usize = 3;
    let mut rounds = 0;
    while mapped_stacks().1 + cores > cpu::count() && rounds < 40 {
        rounds += 1;
        ASLEEP.store(0, Ordering::Relaxed);
        for core in (0..cores).cycle().take(SLEEPERS * cores) {
            kmsg::send_routine(core, |_| {
                ASLEEP.fetch_add(1, Ordering::Relaxed);
                GO.down();
            });
        }
        yield_until("messages to sleep", || ASLEEP.load(Ordering::Relaxed) == SLEEPERS * cores);
        for sleeper in 0..SLEEPERS * cores {
            GO.up_on((sleeper + rounds) % cores);
        }
        kthread::call_set(&(0..cores).collect(), |_| kthread::yield_now());
        kthread::trim(0);
    }
    let after = (used(), mapped_stacks());
    metric("first-stacks-left", after.1.1, "count");
    assert!(after.1.1 < cpu::count() - 1, "{rounds} rounds, and all cores are still on their first stacks");
    // What is not mapped any more is free, and nothing else is.
    assert_eq!(before.0 as isize - after.0 as isize, before.1.0 as isize - after.1.0 as isize, "{before:?} {after:?}");
    // The memory is as good as any: it holds what is put there.
    let count = 16 * (cpu::count() - 1 - after.1.1);
    let pages: Vec<_> = (0..count).map(|mark| Box::new([mark; PAGE_SIZE / 8])).collect();
    kthread::call_set(&(0..cores).collect(), |core| assert_eq!(kthread::spawn(cpu::id).join(), core));
    for (page, mark) in pages.iter().zip(0..) {
        assert!(page.iter().all(|&word| word == mark));
    }
    Ok(())
}
