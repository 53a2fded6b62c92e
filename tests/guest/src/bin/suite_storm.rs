//! Interrupts at every instruction of a window.
//!
//! Under an emulator that counts instructions, a timer armed for n nanoseconds interrupts the n-th instruction from there;
//! a storm lets n run from the arming to the window's end and beyond, and notes which instructions it has hit.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::global_asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest_tests::RawTimer;
use libkern::arch::{clock, irq, qemu, timer};
use libkern::mem::{self, Heap};
use libkern::testing::{Skipped, metric, skip};

libkern::test_main!();

// The window: a value for each vector register and for each of the red zone's words, then a look whether all are still
// there. Straight on, so that every instruction of it is executed each time. The result is what differs.
global_asm!(
    ".global storm_window_start",
    ".global storm_window_end",
    ".global storm_registers",
    "storm_registers:",
    "storm_window_start:",
    "movq xmm0, rdi",
    "lea rsi, [rdi + 1]",
    "movq xmm15, rsi",
    "pxor xmm1, xmm1",
    ".irp register, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14",
    "movdqa xmm\\register, xmm0",
    "paddq xmm\\register, xmm15",
    ".endr",
    ".irp offset, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128",
    "mov [rsp - \\offset], rdi",
    ".endr",
    "xor eax, eax",
    ".irp offset, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128",
    "mov rcx, [rsp - \\offset]",
    "xor rcx, rdi",
    "or rax, rcx",
    ".endr",
    "lea rdx, [rdi + rsi]",
    ".irp register, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14",
    "movq rcx, xmm\\register",
    "xor rcx, rdx",
    "or rax, rcx",
    ".endr",
    "movq rcx, xmm0",
    "xor rcx, rdi",
    "or rax, rcx",
    "movq rcx, xmm15",
    "xor rcx, rsi",
    "or rax, rcx",
    "storm_window_end:",
    "ret",
);

unsafe extern "C" {
    static storm_window_start: u8;
    static storm_window_end: u8;
    safe fn storm_registers(seed: u64) -> u64;
}

/// The most bytes that the window may have.
const WINDOW_LEN: usize = 1024;

/// A bit for each byte of the window: whether an instruction that begins there was interrupted.
static HIT: [AtomicU64; WINDOW_LEN / 64] = [const { AtomicU64::new(0) }; WINDOW_LEN / 64];
static FIRED: AtomicBool = AtomicBool::new(false);

/// Runs `window` again and again, with the timer armed for one instruction more each time, until `longest`.
fn storm(longest: u64, window: impl Fn(u64)) {
    for delay_ns in 0..longest {
        FIRED.store(false, Ordering::Relaxed);
        let off = irq::save_and_disable();
        timer::arm(delay_ns);
        // SAFETY: the innermost.
        unsafe { irq::restore(off) };
        while !FIRED.load(Ordering::Relaxed) {
            window(delay_ns);
        }
    }
}

/// Whether nanoseconds are instructions: a second has a thousand million of them.
fn instructions_are_counted() -> bool {
    (990_000_000..1_010_000_000).contains(&clock::frequency())
}

#[libkern::test(long)]
fn the_red_zone_and_all_vector_registers_survive_an_interrupt_at_every_instruction() -> Result<(), Skipped> {
    if !instructions_are_counted() {
        return skip("instructions are not counted here");
    }
    let (start, end) = ((&raw const storm_window_start).addr() as u64, (&raw const storm_window_end).addr() as u64);
    assert!(end - start <= WINDOW_LEN as u64);
    let _timer = RawTimer::take(|frame| {
        let (start, end) = ((&raw const storm_window_start).addr() as u64, (&raw const storm_window_end).addr() as u64);
        if (start..end).contains(&frame.rip) {
            let at = (frame.rip - start) as usize;
            HIT[at / 64].fetch_or(1 << (at % 64), Ordering::Relaxed);
        }
        // Uses all vector registers, and as much stack as a handler may.
        assert_eq!(storm_registers(black_box(!frame.rip)), 0);
        FIRED.store(true, Ordering::Relaxed);
    });
    /// More than from arming the timer to the window's end, in instructions.
    const LONGEST: u64 = 2_000;
    storm(LONGEST, |seed| assert_eq!(storm_registers(black_box(seed)), 0, "armed for {seed}"));
    qemu::control(format_args!("window registers {start:x} {end:x}"));
    for (word, bits) in HIT.iter().enumerate() {
        for bit in (0..64).filter(|bit| bits.load(Ordering::Relaxed) & 1 << bit != 0) {
            qemu::control(format_args!("hit registers {:x}", start + (word * 64 + bit) as u64));
        }
    }
    Ok(())
}

/// The class under attack: what the window and its interrupter both use.
const LAYOUT: Layout = Layout::new::<[u64; 8]>();

/// Takes an object, marks it, looks whether somebody else has it too, and gives it back.
fn use_heap(layout: Layout, mark: u64) {
    // SAFETY: the layout has a size; the object is long enough, and freed with the layout it was made with.
    unsafe {
        let object = Heap.alloc(layout).cast::<u64>();
        object.write_volatile(mark);
        object.add(7).write_volatile(!mark);
        assert!(object.read_volatile() == mark && object.add(7).read_volatile() == !mark, "somebody else has it too");
        Heap.dealloc(object.cast(), layout);
    }
}

/// Who interrupts the heap may use the heap. What keeps the two apart is one counter, raised and lowered by one instruction
/// each. Which instructions there are to hit is not known from outside, because the compiler puts slow paths between them;
/// the sweep is one instruction at a time all the same.
#[libkern::test(long)]
fn the_heap_may_be_used_by_what_interrupts_it_at_any_instruction() -> Result<(), Skipped> {
    if !instructions_are_counted() {
        return skip("instructions are not counted here");
    }
    static WHERE: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];
    let _timer = RawTimer::take(|frame| {
        // By the low bits: enough to see that the sweep moves.
        WHERE[(frame.rip as usize >> 6) % 64].fetch_or(1 << (frame.rip % 64), Ordering::Relaxed);
        let marks = [3, 5];
        // SAFETY: as in `use_heap`.
        let objects = marks.map(|mark| unsafe {
            let object = Heap.alloc(LAYOUT).cast::<u64>();
            object.write_volatile(mark);
            object
        });
        for (mark, object) in marks.into_iter().zip(objects) {
            // SAFETY: as in `use_heap`.
            unsafe {
                assert_eq!(object.read_volatile(), mark, "somebody else has it too");
                Heap.dealloc(object.cast(), LAYOUT);
            }
        }
        FIRED.store(true, Ordering::Relaxed);
    });
    let in_use = || {
        let heap = mem::stats().heap;
        heap.small_bytes.saturating_sub(heap.in_depots_bytes + heap.in_magazines_bytes)
    };
    let before = in_use();
    storm(3_000, |mark| use_heap(black_box(LAYOUT), mark));
    let addresses: u32 = WHERE.iter().map(|bits| bits.load(Ordering::Relaxed).count_ones()).sum();
    metric("heap-addresses-interrupted", addresses, "count");
    assert!(addresses > 40, "{addresses}");
    assert!(in_use() <= before + 4096, "{before} bytes in use before, {} after", in_use());
    // No object is free twice: as many as there are can be taken, and no two are one.
    let taken: Vec<_> = (0..200).map(|mark: u64| alloc::boxed::Box::new([mark; 8])).collect();
    assert!(taken.iter().zip(0..).all(|(object, mark)| object.iter().all(|&word| word == mark)));
    Ok(())
}
