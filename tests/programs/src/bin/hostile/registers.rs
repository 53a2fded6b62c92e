//! What is left in registers, and what the time-stamp counter tells.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, _rdtsc, _xgetbv};

use libmcp::abi::call::{Call, EventTarget, number};
use libmcp::call;

use crate::support::{Outcome, check, number_of, quick};

/// What no register of somebody else's should have.
const MARK: u64 = 0x5ec2_e75e_c2e7_5ec2;

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    Some(match name {
        "mark_registers" => mark_registers(number_of(args[0])),
        "residue" => residue(),
        "controls" => controls(),
        "time" => time(),
        "checksum" => Ok(crate::support::checksum(number_of(args[0]))),
        _ => return None,
    })
}

fn has_avx() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    // SAFETY: XGETBV is there where OSXSAVE is set.
    unsafe { __cpuid(1).ecx & OSXSAVE != 0 && _xgetbv(0) & 4 != 0 }
}

/// Has the mark in every register for a while; gives the core away again and again with it there.
fn mark_registers(rounds: u64) -> Outcome {
    let with_avx = has_avx();
    for round in 0..rounds {
        // SAFETY: every register is named, or put back.
        unsafe {
            asm!(
                "push rbx", "push rbp", "mov rbx, rax", "mov rbp, rax", "mov rdx, rax", "mov rsi, rax", "mov rdi, rax",
                "mov r8, rax", "mov r9, rax", "mov r10, rax", "mov r11, rax", "mov r12, rax", "mov r13, rax",
                "mov r14, rax", "mov r15, rax",
                "movq xmm0, rax", "movq xmm1, rax", "movq xmm2, rax", "movq xmm3, rax", "movq xmm4, rax",
                "movq xmm5, rax", "movq xmm6, rax", "movq xmm7, rax", "movq xmm8, rax", "movq xmm9, rax",
                "movq xmm10, rax", "movq xmm11, rax", "movq xmm12, rax", "movq xmm13, rax", "movq xmm14, rax",
                "movq xmm15, rax", "push rax", "fninit", "fld qword ptr [rsp]", "fild qword ptr [rsp]", "pop rax",
                "2:", "dec rcx", "jnz 2b",
                "pop rbp", "pop rbx",
                in("rax") MARK, inout("rcx") 200_000u64 => _, out("r12") _, out("r13") _, out("r14") _, out("r15") _,
                clobber_abi("C"),
            );
            if with_avx {
                asm!("vbroadcastsd ymm5, [{}]", "vmovapd ymm15, ymm5", in(reg) &MARK, clobber_abi("C"));
            }
        }
        if round % 2 == 0 {
            check!(call::yield_now().is_ok());
        }
    }
    Ok(0)
}

/// Looks into every register behind calls that return at once, that give the core away, and that block.
fn residue() -> Outcome {
    let mut general = [1u64; 8];
    let mut vectors = [[1u64; 4]; 16];
    let with_avx = u64::from(has_avx());
    for number in [number::NULL, 200, number::YIELD, number::RESIDENT, number::WAIT, number::SLEEP] {
        let mut call = Call::new(number, [1_000_000, 0, 0, 0, 0]);
        call.event = EventTarget { vcore_plus_one: 1, tag: 0 };
        // SAFETY: the call is the process's own; all registers that change are named.
        unsafe {
            asm!(
                "syscall",
                "mov [r12], rdx", "mov [r12 + 8], rsi", "mov [r12 + 16], rdi", "mov [r12 + 24], r8",
                "mov [r12 + 32], r9", "mov [r12 + 40], r10",
                "test r14, r14", "jz 3f",
                "vmovupd [r13], ymm0", "vmovupd [r13 + 32], ymm1", "vmovupd [r13 + 64], ymm2",
                "vmovupd [r13 + 96], ymm3", "vmovupd [r13 + 128], ymm4", "vmovupd [r13 + 160], ymm5",
                "vmovupd [r13 + 192], ymm6", "vmovupd [r13 + 224], ymm7", "vmovupd [r13 + 256], ymm8",
                "vmovupd [r13 + 288], ymm9", "vmovupd [r13 + 320], ymm10", "vmovupd [r13 + 352], ymm11",
                "vmovupd [r13 + 384], ymm12", "vmovupd [r13 + 416], ymm13", "vmovupd [r13 + 448], ymm14",
                "vmovupd [r13 + 480], ymm15", "jmp 4f",
                "3:",
                "movups [r13], xmm0", "movups [r13 + 32], xmm1", "movups [r13 + 64], xmm2", "movups [r13 + 96], xmm3",
                "movups [r13 + 128], xmm4", "movups [r13 + 160], xmm5", "movups [r13 + 192], xmm6",
                "movups [r13 + 224], xmm7", "movups [r13 + 256], xmm8", "movups [r13 + 288], xmm9",
                "movups [r13 + 320], xmm10", "movups [r13 + 352], xmm11", "movups [r13 + 384], xmm12",
                "movups [r13 + 416], xmm13", "movups [r13 + 448], xmm14", "movups [r13 + 480], xmm15",
                "4:",
                in("r12") general.as_mut_ptr(), in("r13") vectors.as_mut_ptr(), in("r14") with_avx,
                inout("rdi") &raw const call => _, inout("rsi") 1usize => _, clobber_abi("C"),
            );
        }
        general[6..].fill(0);
        if with_avx == 0 {
            vectors.iter_mut().for_each(|vector| vector[2..].fill(0));
        }
        check!(general == [0; 8]);
        check!(vectors == [[0; 4]; 16]);
        call::wait_for(&call);
        general.fill(1);
        vectors.fill([1; 4]);
    }
    Ok(0)
}

/// MXCSR and the x87 control word are the process's, whatever it does in between.
fn controls() -> Outcome {
    let (mxcsr, fcw) = (0x7fc0u32, 0x0e7fu16);
    for number in [number::NULL, number::YIELD, number::SLEEP] {
        let mut call = Call::new(number, [1_000_000, 0, 0, 0, 0]);
        call.event = EventTarget { vcore_plus_one: 1, tag: 0 };
        let (mut mxcsr_after, mut fcw_after) = (0u32, 0u16);
        // SAFETY: what is changed is put back.
        unsafe {
            asm!(
                "ldmxcsr [{mxcsr}]", "fldcw word ptr [{fcw}]", "syscall", "stmxcsr [r12]", "fnstcw word ptr [r13]",
                "push 0x1f80", "ldmxcsr [rsp]", "pop rax", "fninit",
                mxcsr = in(reg) &mxcsr, fcw = in(reg) &fcw, in("r12") &raw mut mxcsr_after, in("r13") &raw mut fcw_after,
                inout("rdi") &raw const call => _, inout("rsi") 1usize => _, clobber_abi("C"),
            );
        }
        check!(mxcsr_after == mxcsr && fcw_after == fcw);
        call::wait_for(&call);
    }
    Ok(0)
}

/// Deadlines that are past, now, and at the end of time; and a clock that does not go back.
fn time() -> Outcome {
    // SAFETY: it can be read.
    let now = || unsafe { _rdtsc() };
    let mut before = now();
    for deadline in [1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 1 << 60] {
        libmcp::process::slot().notif_pending.store(1, core::sync::atomic::Ordering::SeqCst);
        check!(quick(number::WAIT, [deadline, 0, 0, 0, 0]).is_ok());
        let mut sleeping = Call::new(number::SLEEP, [deadline, 0, 0, 0, 0]);
        sleeping.event = EventTarget { vcore_plus_one: 1, tag: 0 };
        check!(crate::support::trap((&raw const sleeping).addr(), 1) == 1);
        if deadline > 2 {
            check!(quick(number::ABORT, [(&raw const sleeping).addr() as u64, 0, 0, 0, 0]) == Ok(1));
        }
        call::wait_for(&sleeping);
    }
    for _ in 0..10_000 {
        let after = now();
        check!(after >= before);
        before = after;
    }
    for _ in 0..200 {
        check!(call::yield_now().is_ok());
        let after = now();
        check!(after >= before);
        before = after;
    }
    Ok(0)
}
