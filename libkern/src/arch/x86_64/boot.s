# The first instructions, from either loader, up to Rust at the image's linked address.
#
# Both protocols enter in 32-bit protected mode without paging, flat segments, interrupts off. The image may lie
# elsewhere than linked (GRUB may relocate it), so the 32-bit code reaches everything as `ebp + offset`, where ebp
# is the physical address of the image's first byte and the offsets come from the linker script.
#
# Register use from `common` on: ebp image base, esi boot information (physical), edi protocol (1 PVH, 2 multiboot2).

.section .multiboot2, "a"
.balign 8
.globl __roost_multiboot2_header
__roost_multiboot2_header:
    .long 0xe85250d6
    .long 0
    .long 2f - __roost_multiboot2_header
    .long -(0xe85250d6 + (2f - __roost_multiboot2_header))
    # Information request, optional: command line, modules, memory map, framebuffer, both RSDPs, load base.
    .balign 8
1:  .short 1, 1
    .long 8 + 7*4
    .long 1, 3, 6, 8, 14, 15, 21
    # Entry address.
    .balign 8
    .short 3, 0
    .long 12
    .long __phys_multiboot2_entry
    # Framebuffer, optional.
    .balign 8
    .short 5, 1
    .long 20
    .long 1024, 768, 32
    # Modules on page boundaries.
    .balign 8
    .short 6, 0
    .long 8
    # May be placed anywhere below 4 GiB on a 2 MiB boundary, as low as possible: the linked address can be taken.
    .balign 8
    .short 10, 0
    .long 24
    .long 0x200000, 0xffffffff, 0x200000, 1
    .balign 8
    .short 0, 0
    .long 8
2:

.section .note.pvh, "a"
.balign 4
.globl __roost_pvh_note
__roost_pvh_note:
    .long 4, 8, 18
    .asciz "Xen"
    .quad __phys_pvh_entry

.section .text.boot, "ax"
.code32
.globl multiboot2_entry
multiboot2_entry:
    cli
    cld
    cmp eax, 0x36d76289
    jne __boot_no_long_mode
    mov esi, ebx
    mov edi, 2
    # There is no stack yet; the call needs four bytes, and the information's second word is reserved.
    lea esp, [ebx + 8]
    call __boot_here
.globl __boot_here
__boot_here:
    pop ebp
    sub ebp, offset __off_boot_here
    jmp common

.globl pvh_entry
pvh_entry:
    cli
    cld
    mov esi, ebx
    mov edi, 1
    mov ebp, offset __phys_image_start

common:
    lea esp, [ebp + __off_boot_stack_top]
    rdtsc
    push edx
    push eax

    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb __boot_no_long_mode
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 29
    jz __boot_no_long_mode
    push edx

    # The first 4 GiB by pages of 2 MiB, both at 0 and at the direct map's base.
    lea ebx, [ebp + __off_boot_pd_low]
    mov eax, 0x83
    mov ecx, 2048
1:  mov [ebx], eax
    add ebx, 8
    add eax, 0x200000
    loop 1b
    lea ebx, [ebp + __off_boot_pdpt_low]
    lea eax, [ebp + __off_boot_pd_low + 3]
    mov ecx, 4
2:  mov [ebx], eax
    add ebx, 8
    add eax, 4096
    loop 2b
    lea ebx, [ebp + __off_boot_pml4]
    lea eax, [ebp + __off_boot_pdpt_low + 3]
    mov [ebx], eax
    mov [ebx + 256*8], eax
    # The image at its linked address, which is 2 MiB above the start of the last 2 GiB.
    lea eax, [ebp + __off_boot_pdpt_high + 3]
    mov [ebx + 511*8], eax
    lea ecx, [ebp + __off_boot_pdpt_high]
    lea eax, [ebp + __off_boot_pd_image + 3]
    mov [ecx + 510*8], eax
    lea edx, [ebp + __off_boot_pd_image + 8]
    lea eax, [ebp + 0x83]
    mov ecx, offset __len_image_large_pages
3:  mov [edx], eax
    add edx, 8
    add eax, 0x200000
    loop 3b

    mov cr3, ebx
    mov eax, cr4
    or eax, 1 << 5 | 1 << 9 | 1 << 10   # PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    pop ebx
    mov ecx, 0xc0000080
    rdmsr
    or eax, 1 << 8                      # EFER.LME
    test ebx, 1 << 20
    jz 4f
    or eax, 1 << 11                     # EFER.NXE
4:  wrmsr
    mov eax, cr0
    and eax, ~(1 << 2)                  # EM off
    or eax, 1 << 31 | 1 << 16 | 1 << 5 | 1 << 1 | 1   # PG, WP, NE, MP, PE
    mov cr0, eax

    lea eax, [ebp + __off_boot_gdt]
    push eax
    push 23 << 16
    lgdt [esp + 2]
    add esp, 8
    push 0x08
    lea eax, [ebp + __off_boot_long_mode]
    push eax
    retf

.globl __boot_no_long_mode
__boot_no_long_mode:
    # Nothing works yet that could tell the reason at length: one letter on the serial port.
    mov dx, 0x3f8
    mov al, 'L'
    out dx, al
5:  hlt
    jmp 5b

.balign 8
.globl __boot_gdt
__boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff

.code64
.globl __boot_long_mode
__boot_long_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov rbx, [rsp]                      # the TSC at entry
    movabs rax, offset boot_high
    jmp rax
boot_high:
    movabs rsp, offset __boot_stack_top
    lea rax, [rip + {boot_core}]
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0xc0000101
    wrmsr
    mov edi, edi
    mov esi, esi
    mov rdx, rbx
    mov ecx, ebp
    xor ebp, ebp
    call {start}
    ud2

.section .boot_only, "aw", @nobits
.balign 4096
.globl __boot_pml4
__boot_pml4: .skip 4096
.globl __boot_pdpt_low
__boot_pdpt_low: .skip 4096
.globl __boot_pdpt_high
__boot_pdpt_high: .skip 4096
.globl __boot_pd_low
__boot_pd_low: .skip 4*4096
.globl __boot_pd_image
__boot_pd_image: .skip 4096
.globl __boot_stack_bottom
__boot_stack_bottom: .skip {boot_stack_len}
.globl __boot_stack_top
__boot_stack_top:
