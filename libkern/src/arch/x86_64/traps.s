# Entry and exit of every trap. Every vector enters on an IST stack: the precompiled `core` uses the red zone.
#
# A frame on the stack, from low to high (traps.rs: TrapFrame):
#   r15 r14 r13 r12 r11 r10 r9 r8 rbp rdi rsi rdx rcx rbx rax | vector error | rip cs rflags rsp ss
# which is 22 words. The CPU aligns an IST stack to 16 before its five, so the frame is aligned too.

.macro save_registers
    cld
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    clac
1:
.endm

.macro restore_registers
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16
.endm

# The interrupted code may be in the middle of vector arithmetic; the handler's Rust uses xmm registers, and only them
# (no VEX code without target-feature avx, which traps.rs refuses).
#
# Before that, what looks like the call of a function that the interrupted code made: a backtrace goes on there.
.macro call_handler
    push qword ptr [rsp + {frame_rip}]
    push rbp
    mov rbp, rsp
    sub rsp, 272
    movaps [rsp + 0x00], xmm0
    movaps [rsp + 0x10], xmm1
    movaps [rsp + 0x20], xmm2
    movaps [rsp + 0x30], xmm3
    movaps [rsp + 0x40], xmm4
    movaps [rsp + 0x50], xmm5
    movaps [rsp + 0x60], xmm6
    movaps [rsp + 0x70], xmm7
    movaps [rsp + 0x80], xmm8
    movaps [rsp + 0x90], xmm9
    movaps [rsp + 0xa0], xmm10
    movaps [rsp + 0xb0], xmm11
    movaps [rsp + 0xc0], xmm12
    movaps [rsp + 0xd0], xmm13
    movaps [rsp + 0xe0], xmm14
    movaps [rsp + 0xf0], xmm15
    stmxcsr [rsp + 0x100]
    ldmxcsr [rip + trap_mxcsr]
    lea rdi, [rsp + 272 + 16]
    call {handler}
    movaps xmm0, [rsp + 0x00]
    movaps xmm1, [rsp + 0x10]
    movaps xmm2, [rsp + 0x20]
    movaps xmm3, [rsp + 0x30]
    movaps xmm4, [rsp + 0x40]
    movaps xmm5, [rsp + 0x50]
    movaps xmm6, [rsp + 0x60]
    movaps xmm7, [rsp + 0x70]
    movaps xmm8, [rsp + 0x80]
    movaps xmm9, [rsp + 0x90]
    movaps xmm10, [rsp + 0xa0]
    movaps xmm11, [rsp + 0xb0]
    movaps xmm12, [rsp + 0xc0]
    movaps xmm13, [rsp + 0xd0]
    movaps xmm14, [rsp + 0xe0]
    movaps xmm15, [rsp + 0xf0]
    ldmxcsr [rsp + 0x100]
    add rsp, 272 + 16
.endm

.section .rodata, "a"
.balign 4
trap_mxcsr: .long 0x1f80

.section .text, "ax"
.balign 16
trap_interrupt:
    save_registers
    call_handler
    restore_registers
    iretq

# The kernel's own interrupts, messages and the timer, which come often: no frame, no number, one function each. What a
# function may clobber is saved. The processor has pushed where the interrupted code goes on, so with its frame pointer
# this looks like a call that it made, for backtraces. Where the processor has SMAP, the entry is at the `clac`.
#
# A core that waits in `__roost_halt` keeps nothing in registers that a function may clobber, and wants
# interrupts off: what would be saved, restored and returned to is left out.
.macro quick_interrupt index
    .balign 16
    .globl __trap_quick_smap_\index
__trap_quick_smap_\index:
    clac
    .globl __trap_quick_\index
__trap_quick_\index:
    cmp qword ptr [rsp], offset halted
    je 3f
    push rbp
    mov rbp, rsp
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    cld
    sub rsp, 264
    movaps [rsp + 0x00], xmm0
    movaps [rsp + 0x10], xmm1
    movaps [rsp + 0x20], xmm2
    movaps [rsp + 0x30], xmm3
    movaps [rsp + 0x40], xmm4
    movaps [rsp + 0x50], xmm5
    movaps [rsp + 0x60], xmm6
    movaps [rsp + 0x70], xmm7
    movaps [rsp + 0x80], xmm8
    movaps [rsp + 0x90], xmm9
    movaps [rsp + 0xa0], xmm10
    movaps [rsp + 0xb0], xmm11
    movaps [rsp + 0xc0], xmm12
    movaps [rsp + 0xd0], xmm13
    movaps [rsp + 0xe0], xmm14
    movaps [rsp + 0xf0], xmm15
    stmxcsr [rsp + 0x100]
    ldmxcsr [rip + trap_mxcsr]
    call [rip + {quick_handlers} + 8*\index]
    movaps xmm0, [rsp + 0x00]
    movaps xmm1, [rsp + 0x10]
    movaps xmm2, [rsp + 0x20]
    movaps xmm3, [rsp + 0x30]
    movaps xmm4, [rsp + 0x40]
    movaps xmm5, [rsp + 0x50]
    movaps xmm6, [rsp + 0x60]
    movaps xmm7, [rsp + 0x70]
    movaps xmm8, [rsp + 0x80]
    movaps xmm9, [rsp + 0x90]
    movaps xmm10, [rsp + 0xa0]
    movaps xmm11, [rsp + 0xb0]
    movaps xmm12, [rsp + 0xc0]
    movaps xmm13, [rsp + 0xd0]
    movaps xmm14, [rsp + 0xe0]
    movaps xmm15, [rsp + 0xf0]
    ldmxcsr [rsp + 0x100]
    add rsp, 264
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
    pop rbp
    iretq
3:  push rbp
    mov rbp, rsp
    call [rip + {quick_handlers} + 8*\index]
    mov rsp, [rsp + 32]
    pop rbp
    ret
.endm
quick_interrupt 0
quick_interrupt 1

# Waits for an interrupt: with interrupts off before, and after. What is pending ends the `hlt`, because `sti` takes effect
# after it.
.balign 16
.globl __roost_halt
__roost_halt:
    push rbp
    mov rbp, rsp
    sti
    hlt
halted:
    cli
    pop rbp
    ret

# A ring-0 exception goes on below the interrupted stack pointer (and its red zone), so that it may nest and, one day,
# block; where that pointer lies outside the current stack, or too near its end, it stays on the IST stack and the
# handler finds out why.
.balign 16
trap_exception:
    save_registers
    mov rax, [rsp + {frame_rsp}]
    mov rdx, gs:[{stack}]
    mov rcx, rax
    sub rcx, [rdx + {lo}]
    jb 3f
    cmp rcx, {stack_margin}
    jb 2f
    cmp rax, [rdx + {hi}]
    ja 2f
1:  lea rdi, [rax - 128 - {frame_len}]
    and rdi, -16
    mov rsi, rsp
    mov rsp, rdi
    mov ecx, {frame_len} / 8
    rep movsq
    jmp 2f
    # Not on the kthread's stack: perhaps in an interrupt handler, which has the core's interrupt stack.
3:  mov rcx, rax
    sub rcx, gs:[{interrupt} + {lo}]
    jb 2f
    cmp rcx, {stack_margin}
    jb 2f
    cmp rax, gs:[{interrupt} + {hi}]
    jbe 1b
2:  call_handler
    restore_registers
    iretq

# NMI, #DB, #MC and #DF land anywhere, also where GS is not the kernel's. Their stacks know their core: its header's
# address lies just above the frame.
.balign 16
trap_anywhere:
    save_registers
    mov ecx, 0xc0000101
    rdmsr
    shl rdx, 32
    or rax, rdx
    mov rbx, rax
    mov rax, [rsp + {frame_len}]
    mov rdx, rax
    shr rdx, 32
    wrmsr
    call_handler
    mov rax, rbx
    mov rdx, rbx
    shr rdx, 32
    mov ecx, 0xc0000101
    wrmsr
    restore_registers
    iretq

.macro trap_stub vector
    .balign 16
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30
    .else
    push 0
    .endif
    push \vector
    .if \vector >= 32
    jmp trap_interrupt
    .elseif \vector == 1 || \vector == 2 || \vector == 8 || \vector == 18
    jmp trap_anywhere
    .else
    jmp trap_exception
    .endif
.endm

.balign 16
.globl __trap_stubs
__trap_stubs:
.altmacro
.set vector, 0
.rept 256
    trap_stub %vector
    .set vector, vector + 1
.endr
.noaltmacro
