# The way of an application processor from its start-up IPI to Rust.
#
# The part between __ap_page_start and __ap_page_end is copied to a page below 1 MiB, in which the processor begins in
# real mode at offset 0. It holds no state of a core: all start at once and run it side by side. A core learns who it is
# only in `__ap_entry`, by looking its own APIC id up in a table.

.section .rodata.ap_page, "a"
.balign 16
.globl __ap_page_start
__ap_page_start:
.code16
    jmp short ap_begin

# Filled in when the code is copied. Before the code, because the assembler wants to know the offsets by then.
.balign 8
.globl __ap_param_page
__ap_param_page: .long 0
.globl __ap_param_cr3
__ap_param_cr3: .long 0
.globl __ap_param_efer
__ap_param_efer: .long 0
.balign 8
.globl __ap_param_entry
__ap_param_entry: .quad 0
ap_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                  # 0x08: 64-bit code
    .quad 0x00cf93000000ffff                  # 0x10: data
    .quad 0x00cf9b000000ffff                  # 0x18: 32-bit code
ap_gdtr:
    .short 31
.globl __ap_param_gdt
__ap_param_gdt: .long ap_gdt - __ap_page_start    # these three: plus the page's address
.balign 4
.globl __ap_param_jump32
__ap_param_jump32: .long ap_32 - __ap_page_start
    .short 0x18
.balign 4
.globl __ap_param_jump64
__ap_param_jump64: .long ap_64 - __ap_page_start
    .short 0x08

.set page_at, __ap_param_page - __ap_page_start
.set cr3_at, __ap_param_cr3 - __ap_page_start
.set efer_at, __ap_param_efer - __ap_page_start
.set gdtr_at, ap_gdtr - __ap_page_start
.set jump32_at, __ap_param_jump32 - __ap_page_start
.set jump64_at, __ap_param_jump64 - __ap_page_start

ap_begin:
    cli
    cld
    mov ax, cs
    mov ds, ax
    mov ebx, dword ptr ds:[page_at]
    data32 lgdt ds:[gdtr_at]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xff, 0x2e                    # jmp far dword [disp16]
    .short jump32_at
.code32
ap_32:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, cr4
    or eax, 1 << 5 | 1 << 9 | 1 << 10         # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, [ebx + cr3_at]
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, [ebx + efer_at]
    wrmsr
    mov eax, cr0
    and eax, ~(1 << 2 | 1 << 29 | 1 << 30)    # EM off, caches on
    or eax, 1 << 31 | 1 << 16 | 1 << 5 | 1 << 1 | 1
    mov cr0, eax
    .byte 0xff, 0xab                          # jmp far dword [ebx + disp32]
    .long jump64_at
.code64
ap_64:
    mov rax, [rip + __ap_param_entry]
    jmp rax
.globl __ap_page_end
__ap_page_end:

.section .text, "ax"
.code64
.globl __ap_entry
__ap_entry:
    # The APIC id: leaf 0xb where there is one (it knows ids above 255), else leaf 1.
    xor eax, eax
    cpuid
    cmp eax, 0xb
    jb 1f
    mov eax, 0xb
    xor ecx, ecx
    cpuid
    test ebx, ebx
    jnz 2f
1:  mov eax, 1
    cpuid
    mov edx, ebx
    shr edx, 24
    # The table is sorted by nothing: a few hundred entries are searched faster than they are sorted.
2:  mov rbx, [rip + {table}]
    mov ecx, [rip + {table_len}]
3:  test ecx, ecx
    jz 5f
    cmp [rbx], edx
    je 4f
    add rbx, 16
    dec ecx
    jmp 3b
4:  mov rdi, [rbx + 8]
    mov rsp, [rdi + {stack_hi}]
    mov rax, rdi
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0xc0000101
    wrmsr
    xor ebp, ebp
    call {start}
    ud2
5:  hlt                                       # a processor that nobody expects stays out of the way
    jmp 5b
