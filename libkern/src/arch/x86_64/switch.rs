//! From one call stack to another.
//!
//! A suspended call stack is its stack pointer. What a function must preserve for its caller lies on the stack; the rest,
//! vector registers included, the caller of [`switch`] has saved or does not need, because to it the switch is a call like
//! any other. (MXCSR and the x87 control word, which a callee would have to preserve, are the kernel's constants.)

use core::arch::{asm, naked_asm};
use core::ptr;

use super::core_block::{StackBounds, offsets};

/// Suspends the running call stack, storing its stack pointer at `save`, and goes on with the one whose stack pointer is
/// `to`, where the [`switch`] that suspended it returns `token`.
///
/// # Safety
/// Interrupts are off. `to` was stored by `switch` or made by [`prepare`], and has not been used since. The stack left is
/// not touched by anybody until the code that goes on here says so.
#[inline(always)]
pub unsafe fn switch(save: *mut usize, to: usize, mut token: usize) -> usize {
    // SAFETY: the caller's word. To the compiler this clobbers everything; it does not allow rbx and rbp to be named, so
    // they are saved here. Where a stack goes on is popped and jumped to, which processors foresee better than a return
    // to what was not called.
    unsafe {
        asm!(
            "lea rax, [rip + 2f]",
            "push rax",
            "push rbp",
            "push rbx",
            "mov [rdi], rsp",
            "mov rsp, rsi",
            "pop rbx",
            "pop rbp",
            "pop rax",
            "jmp rax",
            "2:",
            inout("rdx") token,
            inout("rdi") save => _,
            inout("rsi") to => _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("C"),
        );
    }
    token
}

/// Words that [`prepare`] needs at the top of a stack.
const FRAME_WORDS: usize = 7;

/// Makes a stack on which [`switch`] will call `start` with the token. Returns the stack pointer to switch to.
///
/// # Safety
/// `top` is the 16-aligned end of memory of a stack that nobody uses.
#[inline(always)]
pub unsafe fn prepare(top: usize, start: extern "C" fn(usize) -> !) -> usize {
    let sp = top - FRAME_WORDS * size_of::<usize>();
    let frame: *mut usize = ptr::with_exposed_provenance_mut(sp);
    // SAFETY: the caller's stack. What `switch` pops: the function for `begin`, an end for chains of frames, and `begin`.
    unsafe {
        frame.write(start as usize);
        frame.add(1).write(0);
        frame.add(2).write(begin as *const () as usize);
    }
    sp
}

/// The first instructions on a new stack, 16-aligned: as if nobody had called `start`.
///
/// # Safety
/// Entered by `switch`, on a stack made by `prepare`.
#[unsafe(naked)]
unsafe extern "C" fn begin() -> ! {
    naked_asm!("mov rdi, rdx", "push 0", "jmp rbx")
}

/// Says which stack this core's kernel work runs on from now on.
///
/// # Safety
/// Interrupts are off, and the core switches to that stack before they come on again. The bounds stay where they are while
/// the core runs there.
#[inline(always)]
pub unsafe fn set_stack(bounds: &StackBounds) {
    // SAFETY: this core's block.
    unsafe {
        asm!("mov gs:[{}], {}", const offsets::STACK, in(reg) bounds, options(nostack, preserves_flags));
    }
}

/// Leaves everything on the running stack behind and calls `f` at its end, `top`.
///
/// # Safety
/// `top` is the 16-aligned end of the running stack, above all that is still needed, which is nothing.
#[unsafe(naked)]
pub unsafe extern "C" fn restart(top: usize, f: extern "C" fn() -> !) -> ! {
    naked_asm!("mov rsp, rdi", "xor ebp, ebp", "call rsi", "ud2")
}

/// The frame pointer of the code that called [`switch`] and was suspended with stack pointer `sp`, or 0 if that lies outside
/// the stack.
pub fn frame_of(sp: usize, (lo, hi): (usize, usize)) -> usize {
    /// `rbp` was pushed last but one.
    const RBP: usize = size_of::<usize>();
    let at = sp.wrapping_add(RBP);
    if at < lo || at.checked_add(size_of::<usize>()).is_none_or(|end| end > hi) || !at.is_multiple_of(8) {
        return 0;
    }
    // SAFETY: within a mapped stack, and aligned.
    unsafe { ptr::with_exposed_provenance::<usize>(at).read() }
}
