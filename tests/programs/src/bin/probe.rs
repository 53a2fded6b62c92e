//! Does what its first argument says, and ends with a status that tells how it went.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::alloc::Layout;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use libmcp::abi::call::{Call, Error, number};
use libmcp::memory::{self, Rights};
use libmcp::time::{self, Duration, Instant};
use libmcp::{call, println, process};

libmcp::program!(main);

const PAGE: usize = 4096;

/// What went wrong, as a status.
type Outcome = Result<u64, u64>;

static DATA: AtomicU64 = AtomicU64::new(0x1234_5678);
static ZEROS: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
/// A table of addresses, which have to be relocated.
static WORDS: [&str; 3] = ["one", "two", "three"];

fn main() {
    let mut args = process::args();
    let what = args.next().unwrap_or_default();
    let outcome = match what {
        "hello" => hello(),
        "status" => Ok(args.next().and_then(|status| status.parse().ok()).unwrap_or(999)),
        "memory" => memory(),
        "calls" => calls(),
        "batch" => batch(),
        "sleep" => sleep(),
        "sleep_for_ever" => sleep_for_ever(args.next().is_none()),
        "spin" => spin(),
        "spin_a_while" => spin_a_while(),
        "yield" => yields(),
        "wait" => wait(),
        "alarm" => alarm(args.next()),
        "time" => time(args.next()),
        "vectors" => vectors(),
        "residue" => residue(),
        "panic" => panic!("as was asked"),
        "read" | "write" | "jump" => touch(what, args.next()),
        "instruction" => instruction(args.next()),
        "overflow" => Ok(overflow(black_box(1))),
        "eat" => eat(),
        "heap" => heap(),
        "heap_without_end" => heap_without_end(),
        "null_calls" => null_calls(args.next()),
        "refused" => loop {
            call::run_quick(&mut []);
        },
        "structs" => structs(),
        "wait_for_ever" => wait_for_ever(),
        "blocked" => blocked(),
        _ => Err(1000),
    };
    process::exit(outcome.unwrap_or_else(|error| error));
}

fn hello() -> Outcome {
    println!("hello from process {}", process::info().id);
    let all_there = WORDS.iter().map(|word| word.len()).sum::<usize>() == 11;
    let data = DATA.load(Ordering::Relaxed) == 0x1234_5678;
    let zeros = ZEROS.iter().all(|word| word.load(Ordering::Relaxed) == 0);
    DATA.store(1, Ordering::Relaxed);
    if all_there && data && zeros && process::args().eq(["hello", "a b", ""]) { Ok(0) } else { Err(1) }
}

fn memory() -> Outcome {
    let at = memory::map(8 * PAGE, Rights::ReadWrite).map_err(|_| 1u64)?;
    let mut map = [9; 8];
    if memory::resident(at..at + 8 * PAGE, &mut map) != Ok(0) || map != [0; 8] {
        return Err(2);
    }
    let word = |page: usize| core::ptr::with_exposed_provenance_mut::<u64>(at + page * PAGE);
    // SAFETY: mapped above, and the process's own.
    unsafe {
        if word(3).read_volatile() != 0 {
            return Err(3);
        }
        word(5).write_volatile(7);
    }
    if memory::resident(at..at + 8 * PAGE, &mut map) != Ok(2) || map != [0, 0, 0, 1, 0, 1, 0, 0] {
        return Err(4);
    }
    // SAFETY: as above.
    unsafe {
        memory::protect(at + 5 * PAGE..at + 6 * PAGE, Rights::Read).map_err(|_| 5u64)?;
        if word(5).read_volatile() != 7 {
            return Err(6);
        }
        memory::unmap(at..at + 3 * PAGE).map_err(|_| 7u64)?;
        if memory::unmap(at..at + 3 * PAGE) != Err(Error::BadAddress) {
            return Err(8);
        }
        memory::unmap(at + 3 * PAGE..at + 8 * PAGE).map_err(|_| 9u64)?;
    }
    let info = process::info();
    for fixed in [info as *const _ as usize, info.data as usize, info.slots as usize] {
        // SAFETY: it is refused.
        if unsafe { memory::unmap(fixed..fixed + PAGE) } != Err(Error::BadAddress) {
            return Err(10);
        }
    }
    Ok(0)
}

fn calls() -> Outcome {
    call::null().map_err(|_| 1u64)?;
    for number in [7, 200, 255, 256, 1 << 16, u32::MAX] {
        if call::one(number, [0; 5]) != Err(Error::NoSuchCall) {
            return Err(2);
        }
    }
    // What is no address of its own, for a call that writes and one that reads.
    for address in [0, 1, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX] {
        let own = &raw const DATA as u64;
        if call::one(number::WRITE_CONSOLE, [address, 8, 0, 0, 0]) != Err(Error::BadAddress) {
            return Err(3);
        }
        if call::one(number::RESIDENT, [own & !4095, 4096, address, 0, 0]) != Err(Error::BadAddress) {
            return Err(4);
        }
    }
    if call::one(number::WRITE_CONSOLE, [0, 0, 0, 0, 0]) != Ok(0) {
        return Err(5);
    }
    Ok(0)
}

fn batch() -> Outcome {
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; 64];
    calls[10].number = number::SLEEP;
    calls[10].args[0] = 2_000_000;
    calls[20].number = number::YIELD;
    calls[30].number = 77;
    if call::run(&mut calls) != 64 {
        return Err(1);
    }
    for (index, call) in calls.iter().enumerate() {
        let expected = match index {
            20 => Err(Error::NotFirst),
            30 => Err(Error::NoSuchCall),
            _ => Ok(0),
        };
        if !call.is_done() || !call.is_started() || call.outcome() != expected {
            return Err(100 + index as u64);
        }
    }
    Ok(0)
}

fn sleep() -> Outcome {
    for _ in 0..3 {
        call::sleep_ns(1_000_000).map_err(|_| 1u64)?;
    }
    Ok(0)
}

/// It ends when it is aborted, and not before; if nobody does that, with the process.
fn sleep_for_ever(aborts: bool) -> Outcome {
    let mut calls = [const { Call::new(number::SLEEP, [u64::MAX, 0, 0, 0, 0]) }; 3];
    if call::run_quick(&mut calls) != 3 {
        return Err(1);
    }
    call::sleep_ns(2_000_000).map_err(|_| 2u64)?;
    if calls.iter().any(Call::is_done) {
        return Err(3);
    }
    if !aborts {
        wait_for_ever();
    }
    let abort = |call: &Call| call::one(number::ABORT, [(&raw const *call).addr() as u64, 0, 0, 0, 0]);
    // It has begun, and blocks, as soon as the core that has the rest of the batch comes to it.
    while abort(&calls[1]).map_err(|_| 4u64)? == 0 {
        call::yield_now().map_err(|_| 5u64)?;
    }
    while !calls[1].is_done() {
        call::yield_now().map_err(|_| 5u64)?;
    }
    if calls[1].outcome() != Err(Error::Aborted)
        || abort(&calls[1]) != Ok(0)
        || calls[0].is_done()
        || calls[2].is_done()
    {
        return Err(6);
    }
    Ok(0)
}

fn spin() -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Long enough for several turns.
fn spin_a_while() -> Outcome {
    let mut sum = 0u64;
    for n in 0..20_000_000u64 {
        sum = black_box(sum.wrapping_add(n));
    }
    Ok(u64::from(sum == 0))
}

fn yields() -> Outcome {
    for _ in 0..100 {
        call::yield_now().map_err(|_| 1u64)?;
    }
    Ok(0)
}

/// Waits for something that was there before, which is at once, and for an alarm.
fn wait() -> Outcome {
    let pending = &process::slot().notif_pending;
    pending.store(1, Ordering::SeqCst);
    call::wait();
    pending.store(0, Ordering::SeqCst);
    call::one(number::WAIT, [1, 0, 0, 0, 0]).map_err(|_| 1u64)?;
    if pending.load(Ordering::SeqCst) == 0 {
        return Err(2);
    }
    Ok(0)
}

/// Waits until that time of the kernel's clock, in nanoseconds.
fn alarm(deadline: Option<&str>) -> Outcome {
    let deadline = deadline.and_then(|ns| ns.parse().ok()).ok_or(1u64)?;
    let pending = &process::slot().notif_pending;
    pending.store(0, Ordering::SeqCst);
    while pending.load(Ordering::SeqCst) == 0 {
        call::one(number::WAIT, [deadline, 0, 0, 0, 0]).map_err(|_| 1u64)?;
    }
    Ok(0)
}

/// Its clock is the kernel's, by which it sleeps and waits. Ends with what it says then.
fn time(before: Option<&str>) -> Outcome {
    const NAP: Duration = Duration::from_millis(1);
    let before = Instant::from_nanos(before.and_then(|ns| ns.parse().ok()).ok_or(1u64)?);
    let first = Instant::now();
    let asked = Instant::from_nanos(call::one(number::NOW, [0; 5]).map_err(|_| 1u64)?);
    let second = Instant::now();
    if !(before <= first && first <= asked && asked <= second) {
        return Err(2);
    }
    time::sleep(NAP).map_err(|_| 1u64)?;
    let slept = Instant::now();
    if slept - second < NAP || slept.elapsed() > Duration::from_secs(3600) {
        return Err(3);
    }
    let pending = &process::slot().notif_pending;
    pending.store(0, Ordering::SeqCst);
    while pending.load(Ordering::SeqCst) == 0 {
        time::wait_until(slept + NAP);
    }
    if slept.elapsed() < NAP {
        return Err(4);
    }
    Ok(Instant::now().as_nanos())
}

/// What it allocates is its own, aligned, and comes again when it is free.
fn heap() -> Outcome {
    let before = process::info().memory_used_frames.load(Ordering::Relaxed);
    let mut words: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..20 {
        for n in 0..200 {
            words.insert(n * 7919 % 4096, format!("{round} {n}"));
        }
        words.retain(|key, _| key % 3 != round % 3);
    }
    if words.iter().any(|(key, word)| {
        word.split(' ').nth(1).and_then(|n| n.parse().ok()).is_none_or(|n: u64| n * 7919 % 4096 != *key)
    }) {
        return Err(1);
    }
    for align in [1, 8, 64, 4096, 1 << 16] {
        let layout = Layout::from_size_align(3 * align, align).map_err(|_| 2u64)?;
        // SAFETY: of more than no bytes; freed as it was allocated.
        unsafe {
            let at = alloc::alloc::alloc(layout);
            if at.is_null() || !at.addr().is_multiple_of(align) {
                return Err(3);
            }
            at.write_bytes(0xaa, layout.size());
            alloc::alloc::dealloc(at, layout);
        }
    }
    // 64 MiB in all, one at a time.
    for n in 0..64 {
        let bytes = vec![n; 1 << 20];
        if black_box(&bytes).iter().any(|&byte| byte != n) {
            return Err(4);
        }
    }
    let used = process::info().memory_used_frames.load(Ordering::Relaxed) - before;
    // An eighth: what is free is found again.
    if used > 2048 { Err(5) } else { Ok(0) }
}

/// More than there are addresses fails; more than it may have it dies of.
fn heap_without_end() -> Outcome {
    let mut all: Vec<Vec<u8>> = Vec::new();
    if Vec::<u8>::new().try_reserve_exact(isize::MAX as usize).is_ok() {
        return Err(1);
    }
    loop {
        all.push(vec![1; 1 << 16]);
    }
}

fn wait_for_ever() -> ! {
    loop {
        call::wait();
    }
}

/// What is in vector registers survives interrupts and turns; what a call loses it has lost to zeros.
fn vectors() -> Outcome {
    let mut seen: [u64; 32] = [0; 32];
    for round in 0..200u64 {
        // SAFETY: all registers that change are named; a long loop, for something to interrupt.
        unsafe {
            core::arch::asm!(
                "movq xmm0, {n}", "movq xmm7, {n}", "movq xmm15, {n}",
                "mov {i}, 20000",
                "2:", "dec {i}", "jnz 2b",
                "movups [{seen}], xmm0", "movups [{seen} + 16], xmm7", "movups [{seen} + 32], xmm15",
                n = in(reg) round | 1 << 60, i = out(reg) _, seen = in(reg) seen.as_mut_ptr(),
                out("xmm0") _, out("xmm7") _, out("xmm15") _,
            );
        }
        if seen[..6] != [round | 1 << 60, 0, round | 1 << 60, 0, round | 1 << 60, 0] {
            return Err(1);
        }
    }
    Ok(0)
}

/// Looks into every register after a call.
fn residue() -> Outcome {
    let mut registers = [1u64; 16];
    let mut vectors = [1u64; 32];
    let null = Call::new(number::NULL, [0; 5]);
    // SAFETY: the call is the process's own; all registers that change are named.
    unsafe {
        core::arch::asm!(
            "mov r12, {registers}", "mov r13, {vectors}",
            "syscall",
            "mov [r12], rax", "mov [r12 + 8], rdx", "mov [r12 + 16], rsi", "mov [r12 + 24], rdi",
            "mov [r12 + 32], r8", "mov [r12 + 40], r9", "mov [r12 + 48], r10",
            "movups [r13], xmm0", "movups [r13 + 16], xmm1", "movups [r13 + 32], xmm2", "movups [r13 + 48], xmm3",
            "movups [r13 + 64], xmm4", "movups [r13 + 80], xmm5", "movups [r13 + 96], xmm6", "movups [r13 + 112], xmm7",
            "movups [r13 + 128], xmm8", "movups [r13 + 144], xmm9", "movups [r13 + 160], xmm10",
            "movups [r13 + 176], xmm11", "movups [r13 + 192], xmm12", "movups [r13 + 208], xmm13",
            "movups [r13 + 224], xmm14", "movups [r13 + 240], xmm15",
            registers = in(reg) registers.as_mut_ptr(), vectors = in(reg) vectors.as_mut_ptr(),
            inout("rdi") &raw const null => _, inout("rsi") 1usize => _,
            out("r12") _, out("r13") _, clobber_abi("C"),
        );
    }
    match (registers[0], registers[1..7].iter().all(|&word| word == 0), vectors.iter().all(|&word| word == 0)) {
        (1, true, true) => Ok(0),
        (1, false, _) => Err(1),
        (1, true, false) => Err(2),
        _ => Err(3),
    }
}

/// A trap as it comes. Gives how many calls the kernel took.
fn trap(calls: usize, count: usize) -> usize {
    let taken;
    // SAFETY: as `libmcp`'s, but that what it is given may be anything: the kernel writes to nothing but calls.
    unsafe {
        core::arch::asm!("syscall", in("rdi") calls, in("rsi") count, lateout("rax") taken, clobber_abi("C"));
    }
    taken
}

/// Batches that are none, or of which a part is not there.
fn structs() -> Outcome {
    const CALL: usize = size_of::<Call>();
    let at = memory::map(4 * PAGE, Rights::ReadWrite).map_err(|_| 1u64)?;
    // SAFETY: mapped above.
    unsafe { memory::unmap(at + 2 * PAGE..at + 3 * PAGE) }.map_err(|_| 2u64)?;
    let call = |index: usize| core::ptr::with_exposed_provenance_mut::<Call>(at + index * CALL);
    // SAFETY: the first two pages are there.
    let is_done = |index: usize| unsafe { (*call(index)).is_done() };
    let nowhere = [
        (0, 1),
        (64, 1),
        (0xffff_8000_0000_0000, 1),
        (0xffff_ffff_8020_0000, 1),
        (usize::MAX & !63, 1),
        (0x8000_0000_0000, 1),
        (0x7fff_ffff_ffc0, 1),
        (0x7fff_ffff_f000, 1),
        (0x7fff_ffff_efc0, 2),
        (0x7fff_ffff_efc0, 1),
        (at + 2 * PAGE, 1),
        (at + 1, 1),
        (at + 8, 1),
        (at + 63, 64),
        (at, 0),
        (at, 65),
        (at, 1 << 32),
        (at, 1 << 58),
        (at, usize::MAX),
    ];
    for (number, (address, count)) in nowhere.into_iter().enumerate() {
        if trap(address, count) != 0 {
            return Err(100 + number as u64);
        }
    }
    if (0..2 * PAGE / CALL).any(is_done) {
        return Err(3);
    }
    // What is there is taken, also where nobody has touched it.
    let last = 2 * PAGE / CALL - 3;
    if trap(call(last).addr(), 8) != 3 || !(last..last + 3).all(is_done) || is_done(last - 1) {
        return Err(4);
    }
    // One that the kernel may read, but not write to.
    // SAFETY: nothing else uses it.
    unsafe { memory::protect(at..at + PAGE, Rights::Read) }.map_err(|_| 5u64)?;
    if trap(at, 1) != 1 || is_done(0) {
        return Err(6);
    }
    let text = main as fn() as usize & !63;
    if trap(text, 1) > 1 {
        return Err(7);
    }
    Ok(0)
}

/// What a function keeps is kept by a call that blocks, wherever the process goes on; vector registers are zero.
fn blocked() -> Outcome {
    // Rounding, and flags, that nobody else has.
    const MXCSR: u32 = 0x7fbf;
    const CONTROL: u16 = 0x0f7f;
    for round in 1..40u64 {
        let call = Call::new(number::SLEEP, [round * 20_000, 0, 0, 0, 0]);
        let (mut kept, mut vectors) = ([0u64; 5], [1u64; 6]);
        let (mut mxcsr, mut control) = (MXCSR, CONTROL);
        let (mut usual_mxcsr, mut usual_control) = (0u32, 0u16);
        let places = [
            (&raw mut usual_mxcsr).addr(),
            (&raw mut usual_control).addr(),
            (&raw mut mxcsr).addr(),
            (&raw mut control).addr(),
            (&raw const call).addr(),
            kept.as_mut_ptr().addr(),
            vectors.as_mut_ptr().addr(),
        ];
        // SAFETY: the call is alive until it is done; all registers that change are named or put back, and so are the
        // controls.
        unsafe {
            core::arch::asm!(
                "push rbx", "push rbp", "push rdi",
                "mov rax, [rdi]", "stmxcsr [rax]", "mov rax, [rdi + 8]", "fnstcw [rax]",
                "mov rax, [rdi + 16]", "ldmxcsr [rax]", "mov rax, [rdi + 24]", "fldcw [rax]",
                "lea rbx, [rsi + 1]", "lea rbp, [rsi + 2]", "lea r12, [rsi + 3]", "lea r13, [rsi + 4]", "lea r14, [rsi + 5]",
                "movq xmm0, rsi", "movq xmm7, rsi", "movq xmm15, rsi",
                "mov rdi, [rdi + 32]", "mov esi, 1",
                "syscall",
                "pop rdi",
                "mov rax, [rdi + 16]", "stmxcsr [rax]", "mov rax, [rdi + 24]", "fnstcw [rax]",
                "mov rax, [rdi]", "ldmxcsr [rax]", "mov rax, [rdi + 8]", "fldcw [rax]",
                "mov rax, [rdi + 40]",
                "mov [rax], rbx", "mov [rax + 8], rbp", "mov [rax + 16], r12", "mov [rax + 24], r13", "mov [rax + 32], r14",
                "mov rax, [rdi + 48]",
                "movups [rax], xmm0", "movups [rax + 16], xmm7", "movups [rax + 32], xmm15",
                "pop rbp", "pop rbx",
                in("rdi") places.as_ptr(), in("rsi") round,
                out("r12") _, out("r13") _, out("r14") _, clobber_abi("C"),
            );
        }
        while !call.is_done() {
            call::yield_now().map_err(|_| 1u64)?;
        }
        if !kept.iter().zip(1..).all(|(&word, n)| word == round + n) {
            return Err(2);
        }
        if vectors != [0; 6] {
            return Err(3);
        }
        if (mxcsr, control) != (MXCSR, CONTROL) {
            return Err(4);
        }
        call.outcome().map_err(|_| 5u64)?;
    }
    Ok(0)
}

fn touch(how: &str, address: Option<&str>) -> Outcome {
    let own = |address: &str| match address {
        "text" => main as fn() as usize,
        "info" => core::ptr::from_ref(process::info()).addr(),
        "data" => (&raw const DATA).addr(),
        "stack" => (&raw const address).addr(),
        _ => usize::from_str_radix(address, 16).unwrap_or(0),
    };
    let address = own(address.unwrap_or_default());
    let at = core::ptr::with_exposed_provenance_mut::<u64>(address);
    // SAFETY: none: this is to fail.
    unsafe {
        match how {
            "read" => _ = black_box(at.read_volatile()),
            "write" => at.write_volatile(1),
            _ => core::mem::transmute::<*mut u64, extern "C" fn()>(at)(),
        }
    }
    Err(1)
}

fn instruction(name: Option<&str>) -> Outcome {
    macro_rules! one_of {
        ($($name:literal => $($line:literal),+;)*) => {
            match name.unwrap_or_default() {
                // SAFETY: none: this is to fail.
                $($name => unsafe { core::arch::asm!($($line),+, clobber_abi("C")) },)*
                _ => return Err(999),
            }
        };
    }
    one_of! {
        "cli" => "cli";
        "hlt" => "hlt";
        "in" => "in al, 0x60";
        "out" => "out 0x80, al";
        "cr3" => "mov rax, cr3";
        "dr7" => "mov dr7, rax";
        "wrmsr" => "mov ecx, 0xc0000080", "rdmsr", "wrmsr";
        "lgdt" => "lgdt [rsp]";
        "invlpg" => "invlpg [rsp]";
        "swapgs" => "swapgs";
        "sysretq" => "sysretq";
        "iretq" => "push 0", "push 0", "push 2", "push 8", "push 0", "iretq";
        "ud2" => "ud2";
        "int3" => "int3";
        "icebp" => ".byte 0xf1";
        "int 0x80" => "int 0x80";
        "int 0xf0" => "int 0xf0";
        "div" => "xor edx, edx", "xor ecx, ecx", "div ecx";
        "tf" => "pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop";
        "ac" => "pushfq", "or qword ptr [rsp], 0x40000", "popfq", "mov rax, [rsp + 1]", "ud2";
        "df" => "std", "mov rdi, 64", "mov rsi, 1", "syscall", "ud2";
        "rsp" => "mov rsp, 0x8000000000000000", "push rax";
        "noncanonical" => "mov rax, 0x800000000000", "jmp rax";
        "gs" => "mov rax, gs:[0]";
    }
    Err(1)
}

fn overflow(depth: u64) -> u64 {
    let block = black_box([depth; 64]);
    if black_box(depth) == u64::MAX {
        return 0;
    }
    overflow(black_box(block[7] + 1)) + block[9]
}

/// Takes memory until there is no more.
fn eat() -> Outcome {
    loop {
        let at = memory::map(64 * PAGE, Rights::ReadWrite).map_err(|_| 1u64)?;
        for page in 0..64 {
            // SAFETY: mapped above.
            unsafe { core::ptr::with_exposed_provenance_mut::<u64>(at + page * PAGE).write_volatile(1) };
        }
    }
}

fn null_calls(count: Option<&str>) -> Outcome {
    let count: u64 = count.and_then(|count| count.parse().ok()).unwrap_or(1);
    for _ in 0..count {
        call::null().map_err(|_| 1u64)?;
    }
    Ok(0)
}
