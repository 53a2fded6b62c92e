//! System calls, interrupts and exceptions from states of the processor in which nobody should be.

use core::arch::asm;

use libmcp::abi::call::{Call, number};

use crate::support::{Outcome, PAGE, USER_END, check, execute, hex, pages_at};

const CARRY: u64 = 1;
const ALWAYS: u64 = 1 << 1;
const TRAP: u64 = 1 << 8;
const INTERRUPTS: u64 = 1 << 9;
const DIRECTION: u64 = 1 << 10;
const IOPL: u64 = 3 << 12;
const NESTED: u64 = 1 << 14;
const RESUME: u64 = 1 << 16;
const ALIGNMENT: u64 = 1 << 18;
const ID: u64 = 1 << 21;

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    Some(match name {
        "flags" => flags(),
        "trap_flag" => trap_flag(),
        "stack_pointers" => stack_pointers(),
        "interrupted_without_a_stack" => interrupted_without_a_stack(hex(args[0])),
        "fault_without_a_stack" => fault_without_a_stack(hex(args[0])),
        "end_of_the_half" => end_of_the_half(args[0]),
        "segments" => segments(),
        "behind_mov_ss" => behind_mov_ss(),
        "unmasked_exceptions" => unmasked_exceptions(),
        "garbage_in_registers" => garbage_in_registers(),
        _ => return None,
    })
}

/// A call with these flags; gives those that are there behind it.
fn call_with_flags(flags: u64) -> u64 {
    let null = Call::new(number::NULL, [0; 5]);
    let after: u64;
    // SAFETY: the direction flag is put back before compiled code sees it.
    unsafe {
        asm!(
            "push {flags}", "popfq", "syscall", "pushfq", "pop r12", "push 2", "popfq",
            flags = in(reg) flags, inout("rdi") &raw const null => _, inout("rsi") 1usize => _,
            out("r12") after, clobber_abi("C"),
        );
    }
    if null.is_done() { after } else { u64::MAX }
}

/// What interrupts leave of them.
fn flags_after_a_while(flags: u64) -> u64 {
    let after: u64;
    // SAFETY: as above.
    unsafe {
        asm!(
            "push {flags}", "popfq", "mov rcx, 30000000", "2:", "lea rcx, [rcx - 1]", "jrcxz 3f", "jmp 2b", "3:",
            "pushfq", "pop {after}", "push 2", "popfq",
            flags = in(reg) flags, after = out(reg) after, out("rcx") _,
        );
    }
    after
}

fn flags() -> Outcome {
    for set in [0, CARRY, DIRECTION, NESTED, ALIGNMENT, ID, DIRECTION | NESTED | ALIGNMENT | ID] {
        let expected = set | ALWAYS | INTERRUPTS;
        check!(call_with_flags(set | ALWAYS) == expected);
        // What it may not change it does not change.
        check!(call_with_flags(set | ALWAYS | IOPL) == expected);
        check!(call_with_flags(set | ALWAYS | RESUME) == expected);
    }
    for set in [DIRECTION, ALIGNMENT, NESTED | ID] {
        check!(flags_after_a_while(set | ALWAYS) == set | ALWAYS | INTERRUPTS);
    }
    Ok(0)
}

/// A call with the trap flag set: the process dies of it, behind the call.
fn trap_flag() -> Outcome {
    call_with_flags(TRAP | ALWAYS);
    Ok(0)
}

/// Calls with a stack pointer that is none.
fn stack_pointers() -> Outcome {
    for sp in [0, 1, 7, USER_END, 1 << 47, 1 << 63, usize::MAX, !0 << 47, 0xffff_ffff_8020_0000] {
        let null = Call::new(number::NULL, [0; 5]);
        let mut after: usize;
        // SAFETY: the stack pointer is put back.
        unsafe {
            asm!(
                "mov r12, rsp", "mov rsp, {sp}", "syscall", "mov r13, rsp", "mov rsp, r12",
                sp = in(reg) sp, inout("rdi") &raw const null => _, inout("rsi") 1usize => _,
                out("r12") _, out("r13") after, clobber_abi("C"),
            );
        }
        check!(after == sp && null.is_done());
        let yields = Call::new(number::YIELD, [0; 5]);
        // SAFETY: as above.
        unsafe {
            asm!(
                "mov r12, rsp", "mov rsp, {sp}", "syscall", "mov r13, rsp", "mov rsp, r12",
                sp = in(reg) sp, inout("rdi") &raw const yields => _, inout("rsi") 1usize => _,
                out("r12") _, out("r13") after, clobber_abi("C"),
            );
        }
        check!(after == sp && yields.is_done());
    }
    Ok(0)
}

/// Goes round for some turns, with interrupts and a stack pointer that is none.
fn interrupted_without_a_stack(sp: usize) -> Outcome {
    let after: usize;
    // SAFETY: the stack pointer is put back.
    unsafe {
        asm!(
            "mov {saved}, rsp", "mov rsp, {sp}", "2:", "dec {n}", "jnz 2b", "mov {sp}, rsp", "mov rsp, {saved}",
            saved = out(reg) _, sp = inout(reg) sp => after, n = inout(reg) 30_000_000u64 => _,
        );
    }
    check!(after == sp);
    Ok(0)
}

fn fault_without_a_stack(sp: usize) -> Outcome {
    // SAFETY: the end of it.
    unsafe { asm!("mov rsp, {}", "ud2", in(reg) sp, options(noreturn)) }
}

/// The last instruction of the lower half: a call, whose return address is none, or one that is just gone through.
fn end_of_the_half(what: &str) -> Outcome {
    let at = USER_END - PAGE;
    check!(pages_at(at, 1) == Ok(at));
    let code: &[u8] = match what {
        "syscall" => &[0x31, 0xff, 0x31, 0xf6, 0x0f, 0x05],
        "nop" => &[0x90],
        "half" => &[0x48, 0xb8],
        _ => &[0xeb, 0x00],
    };
    let start = USER_END - code.len();
    // SAFETY: mapped above.
    unsafe {
        core::ptr::with_exposed_provenance_mut::<u8>(start).copy_from_nonoverlapping(code.as_ptr(), code.len());
        let rights = libmcp::memory::Rights::ReadExecute;
        check!(libmcp::memory::protect(at..at + PAGE, rights).is_ok());
    }
    execute(start);
    Ok(0)
}

/// Selectors that are allowed, and calls and turns with them.
fn segments() -> Outcome {
    for selector in [0u32, 1, 2, 3, 0x18, 0x19, 0x1a, 0x1b] {
        let null = Call::new(number::NULL, [0; 5]);
        // SAFETY: in 64-bit mode these segments mean nothing but their bases, which nobody uses here.
        unsafe {
            asm!(
                "mov ds, {s:e}", "mov es, {s:e}", "mov fs, {s:e}", "mov gs, {s:e}", "syscall",
                s = in(reg) selector, inout("rdi") &raw const null => _, inout("rsi") 1usize => _, clobber_abi("C"),
            );
        }
        check!(null.is_done());
        check!(libmcp::call::yield_now().is_ok());
        check!(flags_after_a_while(ALWAYS) & DIRECTION == 0);
    }
    // The stack segment is the process's own, whatever was loaded.
    // SAFETY: the selector that it has.
    unsafe { asm!("mov ss, {:e}", in(reg) 0x1b) };
    check!(libmcp::call::yield_now().is_ok());
    Ok(0)
}

/// What comes right behind a load of the stack segment, when interrupts and traps are held off.
fn behind_mov_ss() -> Outcome {
    for _ in 0..1000 {
        let null = Call::new(number::NULL, [0; 5]);
        // SAFETY: the selector that it has.
        unsafe {
            asm!(
                "mov ss, {s:e}", "syscall",
                s = in(reg) 0x1b, inout("rdi") &raw const null => _, inout("rsi") 1usize => _, clobber_abi("C"),
            );
        }
        check!(null.is_done());
    }
    // With the trap flag: the process dies, not the kernel that the trap would hit.
    let null = Call::new(number::NULL, [0; 5]);
    // SAFETY: as above.
    unsafe {
        asm!(
            "push 0x102", "popfq", "mov ss, {s:e}", "syscall", "nop",
            s = in(reg) 0x1b, inout("rdi") &raw const null => _, inout("rsi") 1usize => _, clobber_abi("C"),
        );
    }
    Ok(0)
}

/// Calls with nonsense in every register that is not the call's.
fn garbage_in_registers() -> Outcome {
    for pattern in [u64::MAX, 1 << 63, 0xffff_8000_0000_0000, 0x8000_0000_0000, 0xdead_beef] {
        let null = Call::new(number::NULL, [0; 5]);
        let kept: u64;
        // SAFETY: all are named; rbx and rbp are put back.
        unsafe {
            asm!(
                "push rbx", "push rbp", "mov rbx, rax", "mov rbp, rax", "mov rcx, rax", "mov rdx, rax", "mov r8, rax",
                "mov r9, rax", "mov r10, rax", "mov r11, rax", "mov r12, rax", "mov r13, rax", "mov r14, rax", "mov r15, rax",
                "movq xmm0, rax", "movq xmm15, rax", "fninit",
                "syscall",
                "and rbx, rbp", "and rbx, r12", "and rbx, r13", "and rbx, r14", "and r15, rbx",
                "pop rbp", "pop rbx",
                inout("rax") pattern => _, inout("rdi") &raw const null => _, inout("rsi") 1usize => _,
                out("r12") _, out("r13") _, out("r14") _, out("r15") kept, clobber_abi("C"),
            );
        }
        check!(kept == pattern && null.is_done());
    }
    Ok(0)
}

/// Calls and interrupts while every exception of x87 and SSE is unmasked, and some have happened: it is the process's
/// business, and stays as it is.
fn unmasked_exceptions() -> Outcome {
    const UNMASKED: u32 = 0x003f;
    const CONTROL: u16 = 0x0340;
    let page = crate::support::pages(1)? as u64;
    let text = "unmasked".as_ptr().addr() as u64;
    for (number, args) in [
        (number::NULL, [0; 5]),
        (number::MAP, [0, 4096, 3, number::ANONYMOUS, 0]),
        (number::RESIDENT, [page, 4096, page, 0, 0]),
        (number::WRITE_CONSOLE, [text, 8, 0, 0, 0]),
        (number::PROTECT, [page, 4096, 1, 0, 0]),
        (number::UNMAP, [page, 4096, 0, 0, 0]),
        (number::YIELD, [0; 5]),
        (number::SLEEP, [100_000, 0, 0, 0, 0]),
    ] {
        let call = Call::new(number, args);
        let (mut mxcsr, mut fcw) = (0u32, 0u16);
        // SAFETY: what is changed is put back.
        unsafe {
            asm!(
                "ldmxcsr [{new}]", "fldcw word ptr [{control}]", "syscall",
                "mov rcx, 1000000", "2:", "lea rcx, [rcx - 1]", "jrcxz 3f", "jmp 2b", "3:",
                "stmxcsr [r12]", "fnstcw word ptr [r13]", "push 0x1f80", "ldmxcsr [rsp]", "pop rax", "fninit",
                new = in(reg) &UNMASKED, control = in(reg) &CONTROL, in("r12") &raw mut mxcsr, in("r13") &raw mut fcw,
                inout("rdi") &raw const call => _, inout("rsi") 1usize => _, clobber_abi("C"),
            );
        }
        check!(mxcsr == UNMASKED && fcw == CONTROL);
        while !call.is_done() {
            check!(libmcp::call::yield_now().is_ok());
        }
        check!(call.outcome().is_ok());
    }
    Ok(0)
}
