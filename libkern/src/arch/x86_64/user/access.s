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
