//! Calls that cost the code around them nothing unless they happen.
//!
//! A call to a function changes half of the registers. So code that might make one keeps what it needs afterwards in the
//! other half, which it has to save first, be the call ever so seldom. This one keeps the general registers, and takes no
//! argument that might wait in one.

use core::arch::{asm, naked_asm};
use core::mem::size_of;
use core::ptr::NonNull;

/// Bytes below the stack pointer that the code around may use without saying so.
const RED_ZONE: usize = 128;

/// Calls `f`, which has captured nothing. Any context in which `f` may be called.
#[inline(always)]
pub fn call_aside<F: Fn() + Copy>(_: F) {
    const { assert!(size_of::<F>() == 0, "there is no register for what is captured") };
    // SAFETY: steps over the red zone; `aside` takes the pushed word off, and keeps all general registers. Of the vector
    // registers, and of memory, the compiler assumes nothing afterwards. (An address in the image is one of 32 bits.)
    unsafe {
        asm!(
            "lea rsp, [rsp - {red_zone}]",
            "push offset {call}",
            "call {aside}",
            "lea rsp, [rsp + {red_zone}]",
            red_zone = const RED_ZONE,
            call = sym call::<F>,
            aside = sym aside,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            // Not a stack that is aligned, which the code around would have to provide for.
            options(nostack),
        );
    }
}

extern "C" fn call<F: Fn() + Copy>() {
    // SAFETY: of a type without bytes, of which `call_aside` was given a value that may be copied.
    let f = unsafe { NonNull::<F>::dangling().as_ref() };
    f();
}

/// Calls the function whose address is the word behind the return address, and takes that word off the stack. Keeps all
/// general registers. Its frame is a function's, for backtraces.
///
/// # Safety
/// Called by `call_aside`.
#[unsafe(naked)]
unsafe extern "C" fn aside() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "and rsp, -16",
        "call [rbp + 16]",
        "lea rsp, [rbp - 72]",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rbp",
        "ret 8",
    )
}
