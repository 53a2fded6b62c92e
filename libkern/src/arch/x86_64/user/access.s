# Touching a process's memory. Contract: user/access.rs.
#
# Leaf routines without a stack of their own. Each gives -1 in rax if all went well. Where it faults anywhere between
# __user_access_start and __user_access_end, `entry` has it go on at user_access_faulted, with the address in rax.

.section .text.user_access, "ax"
.balign 16
.globl __user_access_start
__user_access_start:

# to: rdi, from: rsi, bytes: rdx
.globl __user_copy
__user_copy:
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    stac
1:  mov rcx, rdx
    shr rcx, 3
    rep movsq
    mov ecx, edx
    and ecx, 7
    rep movsb
    mov rax, -1
    jmp user_access_done

.macro user_load_arguments
    mov rax, [rdi]
    mov rdx, [rdi + 8]
    mov rcx, [rdi + 16]
    mov r8, [rdi + 24]
    mov r9, [rdi + 32]
    xor edi, edi
.endm

# five words: rdi. They are in rax, rdx, rcx, r8 and r9 afterwards, and rdi is 0; if it is not, it faulted. Keeps the rest.
.balign 16
.globl __user_load_arguments
__user_load_arguments:
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    stac
    user_load_arguments
    clac
    ret
1:  user_load_arguments
    ret

# call: rdi, result: rsi. Sets DONE and LOCK at once, then looks whether there is an event: if so it is in rdx, and LOCK
# stays; if not, LOCK goes.
.balign 16
.globl __user_complete_call
__user_complete_call:
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    stac
1:  mov [rdi + {result}], rsi
    lock or dword ptr [rdi + {flags}], {done_lock_started}
    mov rdx, [rdi + {event}]
    test edx, edx
    jne 2f
    mov byte ptr [rdi + {flags} + 1], 0
2:  mov rax, -1
    cmp byte ptr [rip + {has_smap}], 0
    je 3f
    clac
3:  ret

# flags: rdi, bits: esi. Sets them.
.balign 16
.globl __user_set_bits
__user_set_bits:
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    stac
1:  lock or dword ptr [rdi], esi
    mov rax, -1
    jmp user_access_done

# byte: rdi. Clears it.
.balign 16
.globl __user_clear_byte
__user_clear_byte:
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    stac
1:  mov byte ptr [rdi], 0
    mov rax, -1
    jmp user_access_done

.globl __user_access_end
__user_access_end:

.globl __user_access_faulted
__user_access_faulted:
user_access_done:
    cmp byte ptr [rip + {has_smap}], 0
    je 1f
    clac
1:  ret
