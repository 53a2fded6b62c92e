# System calls, as long as nothing is special about them. Contract: syscall/mod.rs, "The quick way".
#
# rbx: the call. r12: where the batch ends. r13: the core's distance. r14: the process. r15: the table of calls.

.section .text.syscall_dispatch, "ax"

.macro syscall_dispatch name, smap
.balign 16
.globl \name
\name:
    mov rbx, rdi
    mov r13, gs:[0]
    mov r14, [r13 + {here} + {owner}]
    # Aligned, one to 64 of them, and well below the end of the lower half. What is near it is looked at more closely.
    test dil, {call_len} - 1
    jne 70f
    lea rax, [rsi - 1]
    cmp rax, {max_batch}
    jae 70f
    mov rax, {safe_end}
    cmp rdi, rax
    ja 71f
10: shl rsi, 6
    lea r12, [rdi + rsi]
    mov [r13 + {here} + {calls_end}], r12
    lea r15, [rip + {first_table}]
20: mov [r13 + {here} + {call}], rbx
    .if \smap
    stac
    .endif
.globl \name\()_load
\name\()_load:
    mov eax, [rbx]
.globl \name\()_load_end
\name\()_load_end:
    .if \smap
    clac
    .endif
21: cmp eax, {max_calls}
    jae 72f
    bt qword ptr [r14 + {allowed}], rax
    jnc 72f
    mov rdi, r14
    mov rsi, rbx
    call [r15 + 8*rax]
30: cmp byte ptr gs:[{from_user}], 0
    je 73f
    .if \smap
    stac
    .endif
.globl \name\()_complete
\name\()_complete:
    mov [rbx + {result}], rax
    lock or dword ptr [rbx + {flags}], {done_lock_started}
    cmp dword ptr [rbx + {event}], 0
    jne 74f
    mov byte ptr [rbx + {flags} + 1], 0
.globl \name\()_complete_end
\name\()_complete_end:
    .if \smap
    clac
    .endif
40: add rbx, {call_len}
    cmp qword ptr [r13 + {messages} + {pending}], 0
    jne 75f
    cmp qword ptr [r13 + {messages} + {routine}], 0
    jne 75f
    cmp rbx, r12
    je 50f
    lea r15, [rip + {behind_table}]
    jmp 20b
50: mov byte ptr gs:[{from_user}], 0
    ret

    # There is no such batch.
71: mov rdi, rbx
    call {is_in_range}
    mov rdi, rbx
    mov rsi, gs:[{context}]
    mov rsi, [rsi + {rax}]
    test al, al
    jne 10b
70: call {refuse}
    mov r12, rbx
    jmp 75f

    # A call that the process was not given, or that nobody is.
72: mov rdi, r14
    mov esi, eax
    call {deny}
    jmp 30b

    # It has blocked: this is a kthread's work.
73: mov rdi, rbx
    mov rsi, rax
    call {end_blocked}
    ud2

    # It has an event, or the process has taken its struct away, or the page.
.globl \name\()_complete_faulted
\name\()_complete_faulted:
74:
    .if \smap
    clac
    .endif
    mov rdi, r14
    mov rsi, rbx
    mov rdx, rax
    call {complete}
    jmp 40b

    # A page that is not there yet, or an address that is none.
.globl \name\()_load_faulted
\name\()_load_faulted:
    .if \smap
    clac
    .endif
    mov rdi, r14
    mov rsi, rbx
    mov rdx, r12
    call {load}
    test rax, rax
    jns 21b
    mov r12, rbx

    # Something waits for the core: the rest of the batch goes behind it, and the core to the idle loop.
75: mov rdi, rbx
    mov rsi, r12
    call {leave}
    ud2
.endm

syscall_dispatch __syscall_dispatch, 0
syscall_dispatch __syscall_dispatch_smap, 1
