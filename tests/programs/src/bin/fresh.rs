//! Looks into every register at its first instruction. Ends with a bit for each kind that is not as it should be.

#![no_std]
#![no_main]

use core::arch::{global_asm, naked_asm};

use mcp_abi::call::number;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// What the linker script wants of `libmcp`. This program copies nothing and never unwinds.
global_asm!(
    ".globl __mcp_memcpy, __mcp_memmove, __mcp_memset, __mcp_memcmp, __mcp_strlen, __mcp_unwind",
    "__mcp_memcpy: __mcp_memmove: __mcp_memset: __mcp_memcmp: __mcp_strlen: __mcp_unwind: ud2",
);

/// Not `libmcp`'s: nothing is to happen before.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        // Registers that nothing was put into.
        "mov r12, rax",
        "or r12, rbx", "or r12, rcx", "or r12, rdx", "or r12, rbp", "or r12, r8", "or r12, r9", "or r12, r10",
        "or r12, r11", "or r12, r13", "or r12, r14", "or r12, r15", "or r12, rdi",
        "xor ebx, ebx", "test r12, r12", "setne bl",
        // Vectors: all of them into one, and that must be zero; the upper halves where there are some.
        "orps xmm0, xmm1", "orps xmm0, xmm2", "orps xmm0, xmm3", "orps xmm0, xmm4", "orps xmm0, xmm5", "orps xmm0, xmm6",
        "orps xmm0, xmm7", "orps xmm0, xmm8", "orps xmm0, xmm9", "orps xmm0, xmm10", "orps xmm0, xmm11",
        "orps xmm0, xmm12", "orps xmm0, xmm13", "orps xmm0, xmm14", "orps xmm0, xmm15",
        "movups [rsp - 64], xmm0", "mov rax, [rsp - 64]", "or rax, [rsp - 56]", "jz 2f", "or ebx, 2", "2:",
        "mov r14, rsi", "xor r15d, r15d",
        "mov r13, rbx", "mov eax, 1", "xor ecx, ecx", "cpuid", "mov rbx, r13", "bt ecx, 27", "jnc 3f",
        "xor ecx, ecx", "xgetbv", "test eax, 4", "jz 3f",
        "vorpd ymm0, ymm1, ymm2", "vorpd ymm0, ymm0, ymm3", "vorpd ymm0, ymm0, ymm4", "vorpd ymm0, ymm0, ymm5",
        "vorpd ymm0, ymm0, ymm6", "vorpd ymm0, ymm0, ymm7", "vorpd ymm0, ymm0, ymm8", "vorpd ymm0, ymm0, ymm15",
        "vextractf128 xmm0, ymm0, 1", "movups [rsp - 64], xmm0", "mov rax, [rsp - 64]", "or rax, [rsp - 56]",
        "jz 3f", "or ebx, 4", "3:",
        // Controls, flags, and an empty x87 stack.
        "stmxcsr [rsp - 64]", "cmp dword ptr [rsp - 64], 0x1f80", "je 4f", "or ebx, 8", "4:",
        "fnstenv [rsp - 64]", "cmp word ptr [rsp - 64], 0x37f", "je 5f", "or ebx, 16", "5:",
        "cmp word ptr [rsp - 56], 0xffff", "je 6f", "or ebx, 32", "6:",
        "mov eax, ds", "mov ecx, es", "or eax, ecx", "mov ecx, fs", "or eax, ecx", "mov ecx, gs", "or eax, ecx",
        "jz 7f", "or ebx, 64", "7:",
        "pushfq", "pop rax", "and eax, 0x3f7700", "cmp eax, 0x200", "je 8f", "or ebx, 128", "8:",
        // The info page is where it was said, and the stack is aligned.
        "cmp dword ptr [r14], 1", "je 9f", "or ebx, 256", "9:",
        "test rsp, 4095", "jz 10f", "or ebx, 512", "10:",
        "sub rsp, 128", "and rsp, -64",
        "mov qword ptr [rsp], {exit}", "mov [rsp + 8], rbx", "mov rdi, rsp", "mov esi, 1", "syscall",
        "ud2",
        exit = const number::EXIT,
    )
}
