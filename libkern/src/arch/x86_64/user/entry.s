# The ways into the kernel from ring 3, and back. Contract: user/mod.rs.
#
# All of it is in a section of its own, which is left out of images that have no processes.

.section .rodata.user_entry, "a"
.balign 4
user_entry_mxcsr: .long 0x1f80

.section .text.user_entry, "ax"

# By `syscall`: rcx is where it goes on, r11 its flags; interrupts are off.
.macro user_call name, resume, avx
.balign 16
.globl \name
\name:
    test rcx, rcx
    js user_stray_call
    swapgs
    mov rax, gs:[{context}]
    mov [rax + {rsp}], rsp
    mov [rax + {rbx}], rbx
    mov [rax + {rbp}], rbp
    mov [rax + {r12}], r12
    mov [rax + {r13}], r13
    mov [rax + {r14}], r14
    mov [rax + {r15}], r15
    mov [rax + {rip}], rcx
    mov [rax + {rflags}], r11
    mov [rax + {rax}], rsi
    mov dword ptr [rax + {kind}], 0
    stmxcsr [rax + {mxcsr}]
    ldmxcsr [rip + user_entry_mxcsr]
    # From the top of the running kthread's stack, on which there is nothing while its core is in ring 3.
    mov rax, gs:[{stack}]
    mov rsp, [rax + {hi}]
    sub rsp, {reserved} + 8
    xor ebp, ebp
    inc byte ptr gs:[{from_user}]
    call [rip + {handlers}]
    mov rdi, gs:[{context}]
    # From the idle loop: rdi is the context, which is this core's.
.globl \resume
\resume:
    mov rsp, rdi
    mov rax, [rsp + {rax}]
    ldmxcsr [rsp + {mxcsr}]
    .if \avx
    vzeroall
    .else
    xorps xmm0, xmm0
    xorps xmm1, xmm1
    xorps xmm2, xmm2
    xorps xmm3, xmm3
    xorps xmm4, xmm4
    xorps xmm5, xmm5
    xorps xmm6, xmm6
    xorps xmm7, xmm7
    xorps xmm8, xmm8
    xorps xmm9, xmm9
    xorps xmm10, xmm10
    xorps xmm11, xmm11
    xorps xmm12, xmm12
    xorps xmm13, xmm13
    xorps xmm14, xmm14
    xorps xmm15, xmm15
    .endif
    mov rbx, [rsp + {rbx}]
    mov rbp, [rsp + {rbp}]
    mov r12, [rsp + {r12}]
    mov r13, [rsp + {r13}]
    mov r14, [rsp + {r14}]
    mov r15, [rsp + {r15}]
    mov rcx, [rsp + {rip}]
    mov r11, [rsp + {rflags}]
    xor edx, edx
    xor esi, esi
    xor edi, edi
    xor r8d, r8d
    xor r9d, r9d
    xor r10d, r10d
    mov rsp, [rsp + {rsp}]
    swapgs
    sysretq
.endm

user_call __user_call, __user_resume_call, 0
user_call __user_call_avx, __user_resume_call_avx, 1

# The kernel itself executed `syscall`, at rcx - 2: a dependency that was written for another system.
user_stray_call:
    and rsp, -16
    mov rdi, rcx
    call [rip + {handlers} + 16]
    ud2

# By an interrupt or an exception: an IST stack holds vector, error code, rip, cs, rflags, rsp, ss.
.balign 16
user_trap:
    swapgs
    mov gs:[{user_sp}], rsp
    mov rsp, gs:[{context}]
    lea rsp, [rsp + {frame_end}]
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
    lea rdi, [rsp - {frame}]
    mov dword ptr [rdi + {kind}], 1
    cld
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    clac
1:  cmp byte ptr [rip + {has_xsave}], 0
    je 2f
    mov eax, -1
    mov edx, -1
    xsave64 [rdi + {vector}]
    # Seven words: vector, error code and what the processor pushed.
3:  mov rsi, gs:[{user_sp}]
    movups xmm0, [rsi]
    movups xmm1, [rsi + 16]
    movups xmm2, [rsi + 32]
    mov rax, [rsi + 48]
    movups [rsp + 15*8], xmm0
    movups [rsp + 17*8], xmm1
    movups [rsp + 19*8], xmm2
    mov [rsp + 21*8], rax
    ldmxcsr [rip + user_entry_mxcsr]
    mov rax, gs:[{stack}]
    mov rsp, [rax + {hi}]
    sub rsp, {reserved}
    xor ebp, ebp
    inc byte ptr gs:[{from_user}]
    call [rip + {handlers} + 8]
    mov rdi, gs:[{context}]
    # From the idle loop: rdi is the context, which is this core's.
.globl __user_resume_full
__user_resume_full:
    cmp byte ptr [rip + {has_xsave}], 0
    je 4f
    mov eax, -1
    mov edx, -1
    xrstor64 [rdi + {vector}]
5:  lea rsp, [rdi + {frame}]
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
    swapgs
    iretq

    # A processor without XSAVE.
2:  fxsave64 [rdi + {vector}]
    jmp 3b
4:  fxrstor64 [rdi + {vector}]
    jmp 5b

# A core that runs processes has these instead of the kernel's stubs, to which they leave what comes from ring 0.
.macro user_stub vector
    .balign 32
    .if \vector == 2 || \vector == 8 || \vector == 18
    # These find their core from their stack, wherever they come from.
    jmp __trap_stubs + 16*\vector
    .else
    .if (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30
    test byte ptr [rsp + 16], 3
    jz __trap_stubs + 16*\vector
    .elseif \vector == {first_quick} || \vector == {first_quick} + 1
    test byte ptr [rsp + 8], 3
    jnz 1f
    jmp [rip + {quick_stubs} + 8*(\vector - {first_quick})]
1:  push 0
    .else
    test byte ptr [rsp + 8], 3
    jz __trap_stubs + 16*\vector
    push 0
    .endif
    push \vector
    jmp user_trap
    .endif
.endm

.balign 32
.globl __user_stubs
__user_stubs:
.altmacro
.set vector, 0
.rept 256
    user_stub %vector
    .set vector, vector + 1
.endr
.noaltmacro
