//! Blocking anywhere, and going on as if nothing had been.

use core::arch::global_asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use guest_tests::yield_until;
use libkern::arch::irq;
use libkern::kthread::sync::Semaphore;
use libkern::{cpu, kmsg, kthread};

use crate::other;

// Calls a function with a value of its own in each register that a function preserves, and says what differs afterwards: in
// the registers, the stack pointer, and the words at it.
global_asm!(
    ".global blocking_registers",
    "blocking_registers:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 24",
    "mov [rsp], rsi",
    "mov [rsp + 8], rsp",
    "lea rbx, [rsi + 1]",
    "lea rbp, [rsi + 2]",
    "lea r12, [rsi + 3]",
    "lea r13, [rsi + 4]",
    "lea r14, [rsi + 5]",
    "lea r15, [rsi + 6]",
    "mov [rsp + 16], rdi",
    "call rdi",
    "mov rcx, [rsp]",
    "mov rax, [rsp + 8]",
    "xor rax, rsp",
    ".irp register, rbx, rbp, r12, r13, r14, r15",
    "inc rcx",
    "xor \\register, rcx",
    "or rax, \\register",
    ".endr",
    "add rsp, 24",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
);

unsafe extern "C" {
    safe fn blocking_registers(f: extern "C" fn(), seed: u64) -> u64;
}

static ASLEEP: AtomicUsize = AtomicUsize::new(0);
static WAKE: Semaphore = Semaphore::new(0);

extern "C" fn down() {
    ASLEEP.fetch_add(1, Ordering::Relaxed);
    WAKE.down();
}

extern "C" fn yield_once() {
    kthread::yield_now();
}

extern "C" fn sleep() {
    kthread::sleep(Duration::from_micros(200));
}

extern "C" fn join() {
    assert_eq!(kthread::Builder::new().core(other()).spawn(cpu::id).expect("memory").join(), other());
}

extern "C" fn call() {
    assert_eq!(kthread::call(other(), cpu::id), other());
}

extern "C" fn call_all() {
    kthread::call_set(&(0..cpu::count().min(4)).collect(), |core| assert_eq!(cpu::id(), core));
}

/// Calls `f` some calls deep, with locals at each depth.
#[inline(never)]
fn deep(depth: u64, f: extern "C" fn()) -> u64 {
    let locals = black_box([depth; 5]);
    let below = if depth == 0 { blocking_registers(f, 0x1234_5678_9abc_def0) } else { deep(depth - 1, f) };
    assert_eq!(below, 0, "registers after blocking {depth} calls above");
    assert_eq!(locals, [depth; 5]);
    black_box(locals)[0] - depth
}

#[libkern::test(ids = ["K1"])]
fn whatever_blocks_however_deep_goes_on_with_its_registers_and_locals() {
    for f in [yield_once, sleep, join, call, call_all] {
        // With somebody else of this core in between, who has other things in the registers.
        let filler = kthread::spawn(move || (0..4).map(|depth| deep(depth, yield_once)).sum::<u64>());
        assert_eq!(deep(5, f), 0);
        assert_eq!(filler.join(), 0);
    }
}

#[libkern::test(ids = ["K1", "K2", "K4", "K14"])]
fn a_kthread_goes_on_on_another_core_with_its_registers_and_locals() {
    let cores = cpu::count().min(8);
    let deep_sleeper = kthread::spawn(|| {
        for round in 0..20 {
            assert_eq!(deep(3 + round % 3, down), 0);
        }
    });
    for round in 0..20 {
        yield_until("it to sleep", || ASLEEP.load(Ordering::Relaxed) > round);
        // It may have a few instructions to go until it does, if it is on another core.
        WAKE.up_on((round + 1) % cores);
    }
    deep_sleeper.join();
}

#[libkern::test(ids = ["K4", "K26"])]
fn main_spawned_kthreads_messages_and_calls_may_all_block() {
    static DONE: Semaphore = Semaphore::new(0);
    fn block() {
        assert!(irq::enabled());
        yield_once();
        call();
        join();
        sleep();
        assert!(irq::enabled());
    }
    block();
    for core in [cpu::id(), other()] {
        kthread::Builder::new().core(core).spawn(block).expect("memory").join();
        kmsg::send_routine(core, |_| {
            block();
            DONE.up();
        });
        DONE.down();
        kthread::call(core, block);
        kthread::call(core, || kthread::call(0, || kthread::call(core, block)));
    }
    kthread::call_set(&(0..cpu::count().min(4)).collect(), |_| block());
}

#[libkern::test]
fn kthreads_that_yield_take_turns() {
    const KTHREADS: usize = 5;
    const ROUNDS: usize = 200;
    static TURNS: [AtomicUsize; KTHREADS] = [const { AtomicUsize::new(0) }; KTHREADS];
    let handles: [_; KTHREADS] = core::array::from_fn(|me| {
        kthread::spawn(move || {
            for turn in 1..=ROUNDS {
                TURNS[me].store(turn, Ordering::Relaxed);
                // Nobody is ahead by more than the one who is having his turn.
                for turns in &TURNS {
                    assert!(turns.load(Ordering::Relaxed).abs_diff(turn) <= 1, "{TURNS:?} in turn {turn} of {me}");
                }
                kthread::yield_now();
            }
        })
    });
    handles.into_iter().for_each(kthread::JoinHandle::join);
}

#[libkern::test(ids = ["K5"])]
fn work_can_be_handed_to_a_fresh_stack_that_finishes_later() {
    static FREED: AtomicUsize = AtomicUsize::new(0);
    static ENOUGH: Semaphore = Semaphore::new(0);
    const ALL: usize = 50;
    // Deep in something that found that it lacks memory, say: the first piece is what it waits for, the rest can wait.
    let reclaimer = kthread::spawn(|| {
        for freed in 1..=ALL {
            FREED.store(freed, Ordering::Relaxed);
            if freed == 1 {
                ENOUGH.up();
            }
            kthread::yield_now();
        }
    });
    ENOUGH.down();
    let freed = FREED.load(Ordering::Relaxed);
    assert!((1..ALL).contains(&freed), "{freed} of {ALL} were freed before the one in need went on");
    assert!(!reclaimer.is_finished());
    reclaimer.join();
    assert_eq!(FREED.load(Ordering::Relaxed), ALL);
}
