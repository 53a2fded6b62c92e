//! Instructions that are not for processes, or mean something else than they seem to.

use core::arch::asm;

use crate::support::{Outcome, PAGE, check, code, execute, hex, pages};

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    match name {
        "instruction" => Some(instruction(args[0])),
        "bytes" => Some(bytes(args[0])),
        "int_n" => Some(bytes_of(&[0xcd, hex(args[0]) as u8, 0xc3])),
        "across_pages" => Some(across_pages()),
        _ => None,
    }
}

fn bytes_of(bytes: &[u8]) -> Outcome {
    execute(code(bytes)?);
    Ok(0)
}

/// Executes the bytes that the argument spells.
fn bytes(text: &str) -> Outcome {
    let mut bytes = [0; 64];
    let len = text.len() / 2;
    for (byte, pair) in bytes.iter_mut().zip(0..len) {
        *byte = hex(&text[2 * pair..2 * pair + 2]) as u8;
    }
    bytes_of(&bytes[..len])
}

/// An instruction whose second half is not there.
fn across_pages() -> Outcome {
    let start = code(&[0x48, 0xb8, 0, 0])?;
    check!((start + 4).is_multiple_of(PAGE));
    execute(start);
    Ok(0)
}

fn instruction(name: &str) -> Outcome {
    let scratch = pages(1)?;
    macro_rules! one_of {
        ($($name:literal => $($line:literal),+;)*) => {
            match name {
                // SAFETY: whatever it does, it does to this process.
                $($name => unsafe { asm!($($line),+, in("rdi") scratch, clobber_abi("C")) },)*
                _ => return Err(line!()),
            }
        };
    }
    one_of! {
        "cli" => "cli";
        "sti" => "sti";
        "hlt" => "hlt";
        "in al, imm" => "in al, 0x60";
        "in eax, dx" => "mov dx, 0xcf8", "in eax, dx";
        "out imm, al" => "out 0x80, al";
        "out dx, eax" => "mov dx, 0x604", "out dx, eax";
        "insb" => "mov dx, 0x60", "insb";
        "outsb" => "mov rsi, rdi", "mov dx, 0xe9", "outsb";
        "read cr0" => "mov rax, cr0";
        "read cr2" => "mov rax, cr2";
        "read cr3" => "mov rax, cr3";
        "read cr4" => "mov rax, cr4";
        "read cr8" => "mov rax, cr8";
        "write cr0" => "xor eax, eax", "mov cr0, rax";
        "write cr3" => "xor eax, eax", "mov cr3, rax";
        "write cr4" => "xor eax, eax", "mov cr4, rax";
        "write cr8" => "xor eax, eax", "mov cr8, rax";
        "read dr0" => "mov rax, dr0";
        "write dr0" => "mov dr0, rdi";
        "write dr7" => "mov eax, 0xffff", "mov dr7, rax";
        "rdmsr" => "mov ecx, 0xc0000080", "rdmsr";
        "wrmsr" => "mov ecx, 0xc0000082", "xor eax, eax", "xor edx, edx", "wrmsr";
        "lgdt" => "lgdt [rdi]";
        "lidt" => "lidt [rdi]";
        "lldt" => "xor eax, eax", "lldt ax";
        "ltr" => "mov eax, 0x28", "ltr ax";
        "lmsw" => "xor eax, eax", "lmsw ax";
        "clts" => "clts";
        "invlpg" => "invlpg [rdi]";
        "invpcid" => "xor eax, eax", "invpcid rax, [rdi]";
        "invd" => "invd";
        "wbinvd" => "wbinvd";
        "swapgs" => "swapgs";
        "sysretq" => "xor ecx, ecx", "sysretq";
        "sysexit" => "sysexit";
        "sysenter" => "sysenter";
        "rsm" => "rsm";
        "monitor" => "mov rax, rdi", "xor ecx, ecx", "xor edx, edx", "monitor";
        "mwait" => "xor eax, eax", "xor ecx, ecx", "mwait";
        "xsetbv" => "xor ecx, ecx", "xor edx, edx", "mov eax, 1", "xsetbv";
        "stac" => "stac";
        "clac" => "clac";
        "vmcall" => "vmcall";
        "vmmcall" => "vmmcall";
        "vmrun" => "mov rax, rdi", "vmrun";
        "vmxoff" => "vmxoff";
        "clgi" => "clgi";
        "rdpmc" => "xor ecx, ecx", "rdpmc";
        "sgdt" => "sgdt [rdi]";
        "sidt" => "sidt [rdi]";
        "sldt" => "sldt eax";
        "str" => "str eax";
        "smsw" => "smsw eax";
        "rdfsbase" => "rdfsbase rax";
        "wrgsbase" => "mov rax, -4096", "wrgsbase rax";
        "wrfsbase" => "mov rax, -4096", "wrfsbase rax";
        "rdpkru" => "xor ecx, ecx", "rdpkru";
        "iretq to the kernel" => "push 0x10", "push rdi", "push 2", "push 8", "lea rax, [rip]", "push rax", "iretq";
        "iretq with IOPL and VM" => "mov rax, rsp", "push 0x1b", "push rax", "push 0x23202", "push 0x23",
            "lea rax, [rip + 2f]", "push rax", "iretq", "2: pushfq", "pop rax", "test eax, 0x23000", "jz 3f", "ud2", "3:";
        "iretq to nowhere" => "mov rax, rsp", "push 0x1b", "push rax", "push 0x202", "push 0x23",
            "mov rax, 0x800000000000", "push rax", "iretq";
        "iretq without a stack segment" => "mov rax, rsp", "push 0", "push rax", "push 0x202", "push 0x23",
            "lea rax, [rip]", "push rax", "iretq";
        "retf to the kernel" => "push 8", "lea rax, [rip]", "push rax", ".byte 0x48, 0xcb";
        "retf to the task" => "push 0x2b", "lea rax, [rip]", "push rax", ".byte 0x48, 0xcb";
        "retf to data" => "push 0x1b", "lea rax, [rip]", "push rax", ".byte 0x48, 0xcb";
        "retf to nothing" => "push 0", "lea rax, [rip]", "push rax", ".byte 0x48, 0xcb";
        "retf to a local segment" => "push 0x27", "lea rax, [rip]", "push rax", ".byte 0x48, 0xcb";
        "retf behind the table" => "push 0xfffb", "lea rax, [rip]", "push rax", ".byte 0x48, 0xcb";
        "call far to the kernel" => "mov qword ptr [rdi], rdi", "mov word ptr [rdi + 8], 8", ".byte 0x48, 0xff, 0x1f";
        "ds of the kernel" => "mov eax, 0x10", "mov ds, eax";
        "es of code" => "mov eax, 0x0b", "mov es, eax";
        "fs of the task" => "mov eax, 0x28", "mov fs, eax";
        "gs behind the table" => "mov eax, 0xfff8", "mov gs, eax";
        "ds of a local segment" => "mov eax, 0x0f", "mov ds, eax";
        "ss of nothing" => "xor eax, eax", "mov ss, eax";
        "ss of the kernel" => "mov eax, 0x10", "mov ss, eax";
        "ud0" => ".byte 0x0f, 0xff, 0xc0";
        "ud1" => ".byte 0x0f, 0xb9, 0xc0";
        "ud2" => "ud2";
        "into" => ".byte 0xce";
        "bound" => ".byte 0x62, 0x07";
        "a prefix too many" => ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66", ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90";
        "lock without memory" => ".byte 0xf0, 0x90";
        "lock on a load" => ".byte 0xf0, 0x48, 0x8b, 0x07";
        "int3" => "int3";
        "int 3" => ".byte 0xcd, 3";
        "icebp" => ".byte 0xf1";
        "divide by zero" => "xor edx, edx", "xor ecx, ecx", "div ecx";
        "divide with overflow" => "mov eax, 0x80000000", "cdq", "mov ecx, -1", "idiv ecx";
        "x87 exception" => "fninit", "push 0x37b", "fldcw [rsp]", "pop rax", "fld1", "fldz", "fdivp", "fwait";
        "x87 exception after a call" => "fninit", "push 0x37b", "fldcw [rsp]", "pop rax", "fld1", "fldz", "fdivp",
            "xor edi, edi", "xor esi, esi", "syscall", "fwait";
        "sse exception" => "push 0", "ldmxcsr [rsp]", "pop rax", "mov eax, 1", "cvtsi2sd xmm0, eax", "xorps xmm1, xmm1", "divsd xmm0, xmm1";
        "reserved bits of mxcsr" => "push -1", "ldmxcsr [rsp]", "pop rax";
        "reserved bits of xrstor" => "mov rsi, rdi", "and rsi, -64", "mov dword ptr [rsi + 512 + 8], 1", "mov eax, 7",
            "xor edx, edx", "xrstor [rsi]";
        "unaligned movaps" => "movaps xmm0, [rdi + 1]";
        "trap flag" => "pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop";
        "gs" => "mov rax, gs:[0]";
        "fs" => "mov rax, fs:[8]";
        "fxrstor with reserved bits" => "fxsave [rdi]", "mov dword ptr [rdi + 24], -1", "fxrstor [rdi]";
        "x87 exception after a while" => "fninit", "push 0x37b", "fldcw [rsp]", "pop rax", "fld1", "fldz", "fdivp",
            "mov rcx, 30000000", "2:", "lea rcx, [rcx - 1]", "jrcxz 3f", "jmp 2b", "3:", "fwait";
        "fxsave to the kernel" => "mov rax, 0xffff800000000000", "fxsave [rax]";
        "fxrstor from the kernel" => "mov rax, 0xffff800000000000", "fxrstor [rax]";
        "cmpxchg16b in the kernel" => "mov rax, 0xffff800000000000", "lock cmpxchg16b xmmword ptr [rax]";
        "maskmovdqu to the kernel" => "mov rdi, 0xffff800000000000", "pcmpeqb xmm1, xmm1", "maskmovdqu xmm0, xmm1";
        "movnti to the kernel" => "mov rax, 0xffff800000000000", "movnti [rax], rcx";
        "call through the kernel" => "mov rax, 0xffff800000000000", "call [rax]";
        "pop to the kernel" => "mov rax, 0xffff800000000000", "push rcx", "pop [rax]";
        "rep movsb from the kernel" => "mov rsi, 0xffff800000000000", "mov ecx, 8", "rep movsb";
        "rep stosb to the kernel" => "mov rdi, 0xffff800000000000", "mov ecx, 8", "rep stosb";
        "rep stosb downwards into the kernel" => "mov rdi, 0xffff800000000fff", "mov ecx, 8", "std", "rep stosb";
        "prefetch of the kernel" => "mov rax, 0xffff800000000000", "prefetcht0 [rax]", "prefetchnta [rax]";
        "jump to where no address is" => "mov rax, 0x800000000000", "jmp rax";
        "return to where no address is" => "mov rax, 0x8000000000000000", "push rax", "ret";
        "push to where no address is" => "mov rsp, 0x8000000000000000", "push rax";
        "stack in the kernel" => "mov rsp, -4096", "push rax";
        "no stack" => "xor esp, esp", "push rax";
    }
    Ok(0)
}
