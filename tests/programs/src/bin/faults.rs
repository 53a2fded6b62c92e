//! Does what it must not, and handles it, as its first argument says. Ends with a status that tells how it went.

#![no_std]
#![no_main]

use core::arch::asm;
use core::arch::x86_64::{__cpuid, _xgetbv};
use core::f64::consts::PI;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use libmcp::abi::call::{Call, Error, number};
use libmcp::abi::process::{Data, PAGE_LEN, Registers, SavedContext, USER_END, VcoreSlot, event};
use libmcp::fault::{self, Context, Fault};
use libmcp::memory::{self, Rights};
use libmcp::{call, process};

libmcp::program!(main);

/// What went wrong, as a status.
type Outcome = Result<(), u64>;

/// What the last fault was, and how many there were.
static VECTOR: AtomicU64 = AtomicU64::new(u64::MAX);
static ERROR: AtomicU64 = AtomicU64::new(0);
static ADDRESS: AtomicU64 = AtomicU64::new(0);
static RIP: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);

fn main() {
    let mut args = process::args();
    let what = args.next().unwrap_or_default();
    let how = args.next().unwrap_or_default();
    let outcome = match what {
        "missing" => missing(),
        "read_only" => read_only(),
        "instructions" => instructions(),
        "registers" => registers(how),
        "elsewhere" => elsewhere(),
        "steps" => steps(),
        "stack" => stack(),
        "unset" => unset(),
        "disabled" => disabled(),
        "nested" => nested(how),
        "round" => round(),
        "bad_handler" => bad_handler(how),
        "not_first" => not_first(),
        "forged" => forged(how),
        "may_not_resume" => may_not_resume(),
        "xsave" => Err(u64::from(has_xsave())),
        _ => Err(1000),
    };
    process::exit(outcome.err().unwrap_or(0));
}

fn note(fault: &Fault, context: &Context) {
    VECTOR.store(fault.vector.into(), Ordering::Relaxed);
    ERROR.store(fault.error, Ordering::Relaxed);
    ADDRESS.store(fault.address as u64, Ordering::Relaxed);
    RIP.store(context.rip, Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Relaxed);
}

fn seen(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

/// Notes the fault, spoils every register that a function may, and leaves out two bytes.
fn skip_two(fault: &Fault, context: &mut Context) {
    note(fault, context);
    // SAFETY: all that changes is named, or the handler's own.
    unsafe {
        asm!(
            "pcmpeqd xmm0, xmm0", "pcmpeqd xmm1, xmm1", "pcmpeqd xmm7, xmm7", "pcmpeqd xmm15, xmm15", "fninit", "fld1",
            clobber_abi("C"), out("st(0)") _,
        );
        context.registers_mut().rip += 2;
    }
}

fn set(handler: fault::Handler) -> Outcome {
    fault::set_handler(handler).map_err(|_| 900)
}

fn check(is_right: bool, otherwise: u64) -> Outcome {
    if is_right { Ok(()) } else { Err(otherwise) }
}

fn word(address: usize) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(address)
}

/// An address with nothing on four pages.
fn hole() -> Result<usize, u64> {
    let at = memory::map(4 * PAGE_LEN, Rights::ReadWrite).map_err(|_| 901u64)?;
    // SAFETY: not used.
    unsafe { memory::unmap(at..at + 4 * PAGE_LEN) }.map_err(|_| 902u64)?;
    Ok(at)
}

fn missing() -> Outcome {
    fn map(fault: &Fault, context: &mut Context) {
        note(fault, context);
        if memory::map_at(fault.address & !(PAGE_LEN - 1), PAGE_LEN, Rights::ReadWrite).is_err() {
            process::exit(1);
        }
    }
    // First: the handler's stack goes where there is room.
    set(map)?;
    let at = hole()?;
    // A process cannot have another vcore hear of its faults: it has none, and is not asked.
    let data = core::ptr::with_exposed_provenance::<Data>(process::info().data as usize);
    // SAFETY: pinned, and all atomics.
    unsafe { &(*data).vectors[event::PAGE_FAULT as usize] }.vcore_plus_one.store(77, Ordering::Relaxed);
    for page in 0..4u64 {
        let at = at + page as usize * PAGE_LEN + 8;
        // SAFETY: the handler maps it.
        unsafe {
            word(at).write_volatile(page + 5);
            check(word(at).read_volatile() == page + 5, 2)?;
        }
        // Writing, in ring 3, of what is not there.
        check((seen(&VECTOR), seen(&ERROR), seen(&ADDRESS)) == (14, 6, at as u64), 3)?;
        check(seen(&COUNT) == page + 1, 4)?;
    }
    let text = missing as fn() -> Outcome as usize as u64;
    check(seen(&RIP).abs_diff(text) < 1 << 20, 5)
}

fn read_only() -> Outcome {
    fn mend(fault: &Fault, context: &mut Context) {
        note(fault, context);
        let page = fault.address & !(PAGE_LEN - 1);
        // SAFETY: what is there was to be written.
        if unsafe { memory::protect(page..page + PAGE_LEN, Rights::ReadWrite) }.is_err() {
            process::exit(1);
        }
    }
    let at = memory::map(PAGE_LEN, Rights::ReadWrite).map_err(|_| 2u64)?;
    set(mend)?;
    for round in 1..50 {
        // SAFETY: the process's own.
        unsafe {
            word(at).write_volatile(round);
            memory::protect(at..at + PAGE_LEN, Rights::Read).map_err(|_| 3u64)?;
            word(at).write_volatile(round + 1);
            check(word(at).read_volatile() == round + 1, 4)?;
        }
        check((seen(&VECTOR), seen(&ERROR), seen(&COUNT)) == (14, 7, round), 5)?;
    }
    Ok(())
}

fn instructions() -> Outcome {
    macro_rules! one {
        ($vector:literal, $($line:literal),+) => {{
            let count = seen(&COUNT);
            // SAFETY: the handler leaves out the instruction.
            unsafe { asm!($($line),+, out("rax") _, out("rcx") _, out("rdx") _) };
            check((seen(&VECTOR), seen(&COUNT)) == ($vector, count + 1), 10 + $vector)?;
        }};
    }
    set(skip_two)?;
    one!(0, "xor edx, edx", "xor ecx, ecx", "div ecx");
    check(seen(&ERROR) == 0, 1)?;
    one!(6, "ud2");
    // The processor goes on behind these two by itself: what is left out is what follows.
    one!(3, "int3", "ud2");
    one!(1, ".byte 0xf1", "ud2");
    one!(13, "cli", "nop");
    one!(13, "int 0x80");
    check(seen(&ERROR) == 0x80 << 3 | 2, 2)?;
    one!(13, "hlt", "nop");
    one!(13, "mov dx, 0x60", "in al, dx", "nop");
    Ok(())
}

fn has_xsave() -> bool {
    __cpuid(1).ecx >> 27 & 1 != 0
}

fn has_avx() -> bool {
    #[target_feature(enable = "xsave")]
    fn is_on() -> bool {
        // SAFETY: the feature that the caller has seen.
        unsafe { _xgetbv(0) & 4 != 0 }
    }
    // SAFETY: looked at just before.
    has_xsave() && unsafe { is_on() }
}

/// All registers have what they had, whatever the handler does, and wherever the process goes on after a turn.
fn registers(rounds: &str) -> Outcome {
    set(skip_two)?;
    let avx = has_avx();
    for round in 0..rounds.parse::<u64>().map_err(|_| 1u64)? {
        let mut general = [0u64; 16];
        let mut vectors = [0u64; 64];
        let (mut mxcsr, mut control, mut x87) = (0x7fbfu32, 0x0f7fu16, 0.0f64);
        let (usual_mxcsr, usual_control) = (0x1f80u32, 0x037fu16);
        let value = 0x0123_4567_89ab_cdef ^ round;
        for (at, word) in vectors.iter_mut().enumerate() {
            *word = value.wrapping_mul(at as u64 + 1);
        }
        let expected = vectors;
        let places = [
            general.as_mut_ptr().addr(),
            vectors.as_mut_ptr().addr(),
            (&raw mut mxcsr).addr(),
            (&raw mut control).addr(),
            (&raw mut x87).addr(),
            (&raw const usual_mxcsr).addr(),
            (&raw const usual_control).addr(),
            usize::from(avx),
        ];
        // SAFETY: all registers that change are named or put back, and so are the controls. Where it may not, AVX is not
        // used.
        unsafe {
            asm!(
                "push rbx", "push rbp", "push rdi", "push rsi",
                "mov rax, [rdi + 16]", "ldmxcsr [rax]", "mov rax, [rdi + 24]", "fldcw [rax]",
                "fldpi",
                "mov rax, [rdi + 8]", "cmp qword ptr [rdi + 56], 0", "je 3f",
                "vmovups ymm0, [rax]", "vmovups ymm1, [rax + 32]", "vmovups ymm7, [rax + 64]", "vmovups ymm8, [rax + 96]",
                "vmovups ymm14, [rax + 128]", "vmovups ymm15, [rax + 160]", "jmp 4f",
                "3: movups xmm0, [rax]", "movups xmm1, [rax + 32]", "movups xmm7, [rax + 64]", "movups xmm8, [rax + 96]",
                "movups xmm14, [rax + 128]", "movups xmm15, [rax + 160]",
                "4: lea rax, [rsi + 1]", "lea rbx, [rsi + 2]", "lea rcx, [rsi + 3]", "lea rdx, [rsi + 4]",
                "lea rbp, [rsi + 5]", "lea r8, [rsi + 6]", "lea r9, [rsi + 7]", "lea r10, [rsi + 8]", "lea r11, [rsi + 9]",
                "lea r12, [rsi + 10]", "lea r13, [rsi + 11]", "lea r14, [rsi + 12]", "lea r15, [rsi + 13]",
                "lea rdi, [rsi + 14]",
                "push rax", "mov rax, 0x1234", "cmp al, 0x35", "pop rax", "std",
                "ud2",
                "push rdi", "pushfq", "cld",
                "mov rdi, [rsp + 24]", "mov rdi, [rdi]",
                "mov [rdi], rax", "mov [rdi + 8], rbx", "mov [rdi + 16], rcx", "mov [rdi + 24], rdx", "mov [rdi + 32], rbp",
                "mov [rdi + 40], r8", "mov [rdi + 48], r9", "mov [rdi + 56], r10", "mov [rdi + 64], r11",
                "mov [rdi + 72], r12", "mov [rdi + 80], r13", "mov [rdi + 88], r14", "mov [rdi + 96], r15",
                "mov [rdi + 112], rsi",
                "pop rax", "mov [rdi + 120], rax", "pop rax", "mov [rdi + 104], rax",
                "pop rsi", "pop rdi",
                "mov rax, [rdi + 8]", "cmp qword ptr [rdi + 56], 0", "je 5f",
                "vmovups [rax], ymm0", "vmovups [rax + 32], ymm1", "vmovups [rax + 64], ymm7", "vmovups [rax + 96], ymm8",
                "vmovups [rax + 128], ymm14", "vmovups [rax + 160], ymm15", "vzeroupper", "jmp 6f",
                "5: movups [rax], xmm0", "movups [rax + 32], xmm1", "movups [rax + 64], xmm7", "movups [rax + 96], xmm8",
                "movups [rax + 128], xmm14", "movups [rax + 160], xmm15",
                "6: mov rax, [rdi + 16]", "stmxcsr [rax]", "mov rax, [rdi + 24]", "fnstcw [rax]",
                "mov rax, [rdi + 32]", "fstp qword ptr [rax]",
                "mov rax, [rdi + 40]", "ldmxcsr [rax]", "mov rax, [rdi + 48]", "fldcw [rax]",
                "pop rbp", "pop rbx",
                inout("rdi") places.as_ptr() => _, inout("rsi") value => _,
                out("r12") _, out("r13") _, out("r14") _, out("r15") _, clobber_abi("C"),
            );
        }
        check((0..14).all(|at| general[at] == value + at as u64 + 1) && general[14] == value, 2)?;
        // Carry, sign and direction, and interrupts.
        check(general[15] & 0x681 == 0x681, 3)?;
        check(vectors == expected, 4)?;
        check((mxcsr, control) == (0x7fbf, 0x0f7f) && x87 == PI, 5)?;
        check(seen(&COUNT) == round + 1, 6)?;
    }
    Ok(())
}

/// A handler that has the program go on somewhere else, with other registers and without a vector state.
fn elsewhere() -> Outcome {
    fn go(fault: &Fault, context: &mut Context) {
        note(fault, context);
        // SAFETY: as the code below expects it.
        let registers = unsafe { context.registers_mut() };
        registers.rip = registers.r8;
        registers.r9 += 1;
        registers.has_vector_state = 0;
    }
    set(go)?;
    let (mut number, mut vector) = (41u64, 1u64);
    // SAFETY: all that changes is named.
    unsafe {
        asm!(
            "movq xmm3, r9", "lea r8, [rip + 2f]", "ud2", "mov r9d, 1", "2: movq r10, xmm3",
            inout("r9") number, out("r10") vector, out("r8") _, out("xmm3") _,
        );
    }
    check((number, vector) == (42, 0), 1)
}

/// Steps through a few instructions by the trap flag.
fn steps() -> Outcome {
    fn step(fault: &Fault, context: &mut Context) {
        note(fault, context);
        if context.rax == 4 {
            // SAFETY: it goes on as it would, without steps.
            unsafe { context.registers_mut() }.rflags &= !(1 << 8);
        }
    }
    set(step)?;
    let mut number = 0u64;
    // SAFETY: the flag is cleared by the handler.
    unsafe {
        asm!(
            "pushfq", "or qword ptr [rsp], 0x100", "popfq",
            "inc rax", "inc rax", "inc rax", "inc rax", "inc rax", "inc rax",
            inout("rax") number,
        );
    }
    check((number, seen(&VECTOR)) == (6, 1) && (4..=5).contains(&seen(&COUNT)), 1)
}

/// A stack pointer that is none is a fault like others, and the handler has its own.
fn stack() -> Outcome {
    fn mend(fault: &Fault, context: &mut Context) {
        note(fault, context);
        // SAFETY: as the code below expects it.
        unsafe { context.registers_mut() }.rsp = context.r8;
    }
    set(mend)?;
    for wrong in [0, 8, USER_END, 0x8000_0000_0000, 0xffff_8000_0000_0000, usize::MAX & !7] {
        let count = seen(&COUNT);
        // SAFETY: the handler puts it right.
        unsafe { asm!("mov r8, rsp", "mov rsp, rax", "push rax", "pop rax", in("rax") wrong, out("r8") _) };
        check(seen(&COUNT) == count + 1, 1)?;
    }
    Ok(())
}

fn fault_now() {
    // SAFETY: none: a fault.
    unsafe { asm!("ud2") };
}

fn unset() -> Outcome {
    set(|_, _| fault::unset_handler())?;
    fault_now();
    Err(1)
}

fn disabled() -> Outcome {
    set(skip_two)?;
    fault_now();
    process::slot().notif_disabled.store(1, Ordering::Relaxed);
    // SAFETY: none: the end.
    unsafe { word(0x10).read_volatile() };
    Err(1)
}

/// A fault in the handler.
fn nested(how: &str) -> Outcome {
    fn read(_: &Fault, _: &mut Context) {
        // SAFETY: none: the end.
        black_box(unsafe { word(0x18).read_volatile() });
    }
    fn again(_: &Fault, _: &mut Context) {
        fault_now();
    }
    fn overflow(_: &Fault, _: &mut Context) {
        fn deeper(depth: u64) {
            let block = black_box([depth; 64]);
            if black_box(depth) != u64::MAX {
                deeper(black_box(block[7]) + 1);
            }
            black_box(block);
        }
        deeper(0);
    }
    set(match how {
        "read" => read,
        "again" => again,
        _ => overflow,
    })?;
    // SAFETY: none: a fault.
    unsafe { asm!("int3") };
    Err(1)
}

/// A handler that enables notifications and faults again goes round, and takes nothing but its own turns.
fn round() -> Outcome {
    fn again(fault: &Fault, context: &mut Context) {
        note(fault, context);
        process::slot().notif_disabled.store(0, Ordering::Relaxed);
        fault_now();
    }
    set(again)?;
    fault_now();
    Err(1)
}

fn set_raw(entry: usize, stack: usize) -> Result<u64, Error> {
    call::one(number::SET_FAULT_HANDLER, [entry as u64, stack as u64, 0, 0, 0])
}

fn bad_handler(how: &str) -> Outcome {
    let entry = landed as extern "C" fn() -> ! as usize;
    for (entry, stack) in [
        (USER_END, 0),
        (0x8000_0000_0000, 0),
        (0xffff_ffff_8020_0000, 0),
        (usize::MAX, 0),
        (entry, USER_END + 1),
        (entry, 0xffff_8000_0000_0000),
        (entry, usize::MAX),
    ] {
        check(set_raw(entry, stack) == Err(Error::BadAddress), 1)?;
    }
    let (entry, stack) = match how {
        "entry" => (0x20, process::slot() as *const VcoreSlot as usize),
        "stack" => (spill as extern "C" fn() -> ! as usize, 0x30),
        _ => (0, 0x30),
    };
    check(set_raw(entry, stack) == Ok(0), 2)?;
    process::slot().notif_disabled.store(0, Ordering::Relaxed);
    fault_now();
    Err(3)
}

extern "C" fn spill() -> ! {
    // SAFETY: none: the end.
    unsafe { asm!("push rax", "ud2", options(noreturn)) }
}

fn not_first() -> Outcome {
    let mut calls = [Call::new(number::NULL, [0; 5]), Call::new(number::RESUME, [0; 5])];
    call::run(&mut calls);
    check(calls[1].outcome() == Err(Error::NotFirst), 1)
}

fn may_not_resume() -> Outcome {
    set(skip_two)?;
    fault_now();
    Err(1)
}

/// What a process may write where the kernel takes a context from.
fn forged(how: &str) -> Outcome {
    const HEADER: usize = 512;
    const MXCSR: usize = 24;
    let top = memory::map(4 * PAGE_LEN, Rights::ReadWrite).map_err(|_| 1u64)? + 4 * PAGE_LEN;
    // SAFETY: the slot is the process's.
    let saved: &mut SavedContext = unsafe { &mut *process::slot().thread.get() };
    saved.registers = Registers {
        rip: landed as extern "C" fn() -> ! as usize as u64,
        // As behind a call.
        rsp: top as u64 - 8,
        rflags: 2,
        has_vector_state: 1,
        ..Registers::default()
    };
    let vector = &mut saved.vector;
    // All of x87 and SSE, from zeros, but for what a new process has.
    vector.fill(0);
    vector[..2].copy_from_slice(&0x37fu16.to_le_bytes());
    vector[MXCSR..MXCSR + 4].copy_from_slice(&0x1f80u32.to_le_bytes());
    vector[HEADER] = 3;
    let registers = &mut saved.registers;
    match how {
        "nothing" => {}
        "no vectors" => {
            registers.has_vector_state = 0;
            vector.fill(0xff);
        }
        "some vectors" => registers.has_vector_state = 1 << 40,
        // No steps, and no check of alignment, which compiled code does not hold to.
        "flags" => registers.rflags = !(1 << 8 | 1 << 18),
        "no flags" => registers.rflags = 0,
        "mxcsr" => vector[MXCSR..MXCSR + 4].fill(0xff),
        "x87" => {
            // Every exception unmasked, and pending.
            vector[..2].fill(0);
            vector[2..4].fill(0xff);
        }
        "mask" => vector[28..32].fill(0xff),
        "rip" => registers.rip = 0x8000_0000_0000,
        "rip end" => registers.rip = USER_END as u64,
        "rip kernel" => registers.rip = 0xffff_ffff_8020_0000,
        "rip all" => registers.rip = u64::MAX,
        "rip nowhere" => registers.rip = 0x1000,
        "fs" => registers.fs_base = 0x8000_0000_0000,
        "fs kernel" => registers.fs_base = 0xffff_8000_0000_0000,
        "fs own" => registers.fs_base = top as u64 - 64,
        "rsp kernel" => registers.rsp = 0xffff_8000_0000_0008,
        "rsp" => registers.rsp = 0x8000_0000_0008,
        "components 3" => vector[HEADER] |= 1 << 3,
        "components 9" => vector[HEADER + 1] |= 2,
        "components 63" => vector[HEADER + 7] |= 0x80,
        "components all" => vector[HEADER..HEADER + 8].fill(0xff),
        "compact" => vector[HEADER + 15] = 0x80,
        "compact all" => vector[HEADER + 8..HEADER + 16].fill(0xff),
        "header" => vector[HEADER + 16] = 1,
        "header end" => vector[HEADER + 23] = 0x80,
        "all" => vector.fill(0xff),
        _ => return Err(2),
    }
    // In a register that nothing else uses on the way: what the place is.
    registers.r12 = how.len() as u64;
    let _ = call::one(number::RESUME, [0; 5]);
    Err(3)
}

/// Where a forged context goes on.
extern "C" fn landed() -> ! {
    let (flags, code, stack, fs): (u64, u16, u16, u16);
    let mut mxcsr = 0u32;
    // SAFETY: reads only.
    unsafe {
        asm!("pushfq", "pop {}", out(reg) flags);
        asm!("mov {:x}, cs", "mov {:x}, ss", "mov {:x}, fs", out(reg) code, out(reg) stack, out(reg) fs);
        asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr);
    }
    let slot = process::slot();
    let is_right = [
        // Interrupts on, no right to input and output, not nested, not virtual.
        flags & 0x1f_7202 == 0x202 || flags & 0x1b_7202 == 0x202,
        (code, stack, fs) == (0x23, 0x1b, 0),
        [0x1f80, 0xffff].contains(&mxcsr),
        slot.notif_disabled.load(Ordering::Relaxed) == 0,
    ];
    let wrong = is_right.iter().position(|&is_right| !is_right);
    // SAFETY: the slot is the process's; the base is where a word is.
    unsafe {
        let base = (*slot.thread.get()).registers.fs_base;
        if base != 0 {
            let mut found: u64;
            word(base as usize).write_volatile(0x1234);
            asm!("mov {}, fs:[0]", out(reg) found);
            if found != 0x1234 {
                process::exit(20);
            }
        }
    }
    process::exit(wrong.map_or(0, |wrong| 10 + wrong as u64))
}
