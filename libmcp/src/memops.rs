//! What the compiler calls by name for moving memory. `proc.ld` gives them their usual names.

use core::arch::naked_asm;

/// For `_Unwind_Resume` and its like, which nobody calls: a panic ends the process.
#[unsafe(no_mangle)]
extern "C" fn __mcp_unwind() -> ! {
    crate::process::exit(mcp_abi::exit::PANICKED.into())
}

/// As C's `memcpy`.
///
/// # Safety
/// Both are good for `len` bytes, and do not overlap.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn __mcp_memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdx",
        "shr rcx, 3",
        "rep movsq",
        "mov ecx, edx",
        "and ecx, 7",
        "rep movsb",
        "ret"
    )
}

/// As C's `memmove`.
///
/// # Safety
/// Both are good for `len` bytes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn __mcp_memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jae {memcpy}",
        // The end of the source would be overwritten before it is read: from the end, then.
        "lea rdi, [rdi + rdx - 1]",
        "lea rsi, [rsi + rdx - 1]",
        "mov rcx, rdx",
        "std",
        "rep movsb",
        "cld",
        "ret",
        memcpy = sym __mcp_memcpy,
    )
}

/// As C's `memset`.
///
/// # Safety
/// `to` is good for `len` bytes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn __mcp_memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    naked_asm!("mov r8, rdi", "mov eax, esi", "mov rcx, rdx", "rep stosb", "mov rax, r8", "ret")
}

/// As C's `memcmp`.
///
/// # Safety
/// Both are good for `len` bytes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn __mcp_memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, rdx",
        // With a length of 0 the flags are those of this comparison: equal.
        "cmp rax, rax",
        "repe cmpsb",
        "je 2f",
        "movzx eax, byte ptr [rdi - 1]",
        "movzx ecx, byte ptr [rsi - 1]",
        "sub eax, ecx",
        "2:",
        "ret",
    )
}

/// As C's `strlen`.
///
/// # Safety
/// `text` is good up to a NUL.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn __mcp_strlen(text: *const u8) -> usize {
    naked_asm!("mov rax, rdi", "2:", "cmp byte ptr [rax], 0", "je 3f", "inc rax", "jmp 2b", "3:", "sub rax, rdi", "ret",)
}
