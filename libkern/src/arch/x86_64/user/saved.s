# Moving vector state between the kernel's memory and a process's. Contract: user/saved.rs.

.section .rodata.user_vectors, "a"
.balign 4
user_vectors_mxcsr: .long 0x1f80

.section .text.user_vectors, "ax"

# from: rdi, to: rsi, both of 832 bytes and aligned to 64. Gives 1, or 0 if the processor refuses what it finds. Afterwards
# MXCSR is the kernel's, and the other vector registers hold what was moved.
.balign 16
.globl __user_move_vectors
__user_move_vectors:
    cmp byte ptr [rip + {has_xsave}], 0
    je 2f
    mov eax, -1
    mov edx, -1
.globl __user_vectors_xrstor
__user_vectors_xrstor:
    xrstor64 [rdi]
    xsave64 [rsi]
1:  ldmxcsr [rip + user_vectors_mxcsr]
    mov eax, 1
    ret
2:
.globl __user_vectors_fxrstor
__user_vectors_fxrstor:
    fxrstor64 [rdi]
    fxsave64 [rsi]
    jmp 1b

.globl __user_vectors_refused
__user_vectors_refused:
    ldmxcsr [rip + user_vectors_mxcsr]
    xor eax, eax
    ret
