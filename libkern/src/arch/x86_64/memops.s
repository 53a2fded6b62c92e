# What the compiler calls by name for moving memory. The linker script gives them their usual names.
#
# Up to 32 bytes by two overlapping moves; then 16-byte moves in a loop; from `rep_threshold` on `rep movsb`/`rep stosb`
# where CPUID says that it is fast (ERMS), 16-byte moves otherwise. Direction flag clear by the ABI.

.section .text, "ax"
.balign 16
.globl __roost_memcpy
__roost_memcpy:
    mov rax, rdi
    cmp rdx, 16
    jb 20f
    cmp rdx, 32
    ja 10f
    movups xmm0, [rsi]
    movups xmm1, [rsi + rdx - 16]
    movups [rdi], xmm0
    movups [rdi + rdx - 16], xmm1
    ret
10: cmp rdx, {rep_threshold}
    jae 13f
11: movups xmm1, [rsi + rdx - 16]
    lea r8, [rdi + rdx - 16]
12: movups xmm0, [rsi]
    movups [rdi], xmm0
    add rsi, 16
    add rdi, 16
    cmp rdi, r8
    jb 12b
    movups [r8], xmm1
    ret
13: cmp byte ptr [rip + {has_erms}], 0
    je 11b
    mov rcx, rdx
    rep movsb
    ret
20: cmp edx, 8
    jb 21f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
21: cmp edx, 4
    jb 22f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
22: test edx, edx
    jz 23f
    # One to three bytes: first, middle and last, which may be the same.
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    mov r9d, edx
    shr r9d, 1
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
23: ret

.balign 16
.globl __roost_memmove
__roost_memmove:
    mov rax, rdi
    sub rax, rsi
    cmp rax, rdx
    mov rax, rdi
    jae __roost_memcpy_forward
    # The destination begins inside the source: from the end backwards.
    cmp rdx, 16
    jb 31f
30: movups xmm0, [rsi + rdx - 16]
    movups [rdi + rdx - 16], xmm0
    sub rdx, 16
    cmp rdx, 16
    jae 30b
31: test rdx, rdx
    jz 33f
32: movzx ecx, byte ptr [rsi + rdx - 1]
    mov [rdi + rdx - 1], cl
    dec rdx
    jnz 32b
33: ret

# The destination begins before the source or beyond its end: forwards, each 16 bytes loaded before any later is stored.
__roost_memcpy_forward:
    cmp rdx, 16
    jb 41f
40: movups xmm0, [rsi]
    movups [rdi], xmm0
    add rsi, 16
    add rdi, 16
    sub rdx, 16
    cmp rdx, 16
    jae 40b
41: test rdx, rdx
    jz 43f
42: movzx ecx, byte ptr [rsi]
    mov [rdi], cl
    inc rsi
    inc rdi
    dec rdx
    jnz 42b
43: ret

.balign 16
.globl __roost_memset
__roost_memset:
    mov rax, rdi
    movzx ecx, sil
    cmp rdx, 16
    jb 53f
    movd xmm0, ecx
    punpcklbw xmm0, xmm0
    pshuflw xmm0, xmm0, 0
    punpcklqdq xmm0, xmm0
    cmp rdx, {rep_threshold}
    jae 52f
50: lea r8, [rdi + rdx - 16]
51: movups [rdi], xmm0
    add rdi, 16
    cmp rdi, r8
    jb 51b
    movups [r8], xmm0
    ret
52: cmp byte ptr [rip + {has_erms}], 0
    je 50b
    mov r8, rax
    mov eax, ecx
    mov rcx, rdx
    rep stosb
    mov rax, r8
    ret
53: test rdx, rdx
    jz 55f
54: mov [rdi + rdx - 1], cl
    dec rdx
    jnz 54b
55: ret

.balign 16
.globl __roost_memcmp
__roost_memcmp:
    xor ecx, ecx
60: lea r8, [rcx + 16]
    cmp r8, rdx
    ja 62f
    movups xmm0, [rdi + rcx]
    movups xmm1, [rsi + rcx]
    pcmpeqb xmm0, xmm1
    pmovmskb eax, xmm0
    xor eax, 0xffff
    jnz 61f
    mov rcx, r8
    jmp 60b
61: bsf eax, eax
    add rcx, rax
    jmp 63f
62: cmp rcx, rdx
    jae 64f
63: movzx eax, byte ptr [rdi + rcx]
    movzx r8d, byte ptr [rsi + rcx]
    inc rcx
    sub eax, r8d
    jz 62b
    ret
64: xor eax, eax
    ret

.balign 16
.globl __roost_strlen
__roost_strlen:
    xor eax, eax
70: cmp byte ptr [rdi + rax], 0
    je 71f
    inc rax
    jmp 70b
71: ret

.globl __roost_unwind
__roost_unwind:
    ud2
