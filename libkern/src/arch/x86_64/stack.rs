//! Moving to another stack.

use core::arch::naked_asm;

/// Leaves the current stack for ever and calls `f(argument)` on the one that ends at `top`.
///
/// # Safety
/// `top` is the 16-aligned end of a mapped stack that nobody uses, large enough for `f`; nothing on the current stack
/// is needed any more.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on(top: usize, f: extern "C" fn(*mut ()) -> !, argument: *mut ()) -> ! {
    naked_asm!("mov rsp, rdi", "xor ebp, ebp", "mov rdi, rdx", "call rsi", "ud2")
}
