//! A multiboot2 image of a few hundred bytes that prints what it was given on the control channel, then ends
//! QEMU: its command line and a newline, the type of its framebuffer as a digit, a full stop.

/// QEMU's exit status when the guest was entered as multiboot2 says.
pub const STATUS: i32 = (16 << 1) | 1;
/// The guest's second line if it has a framebuffer of pixels (2 would be one of characters).
pub const PIXELS: &str = "1.";

const ADDRESS: u64 = 0x20_0000;
const HEADERS_LEN: usize = 64 + 56;
const MAGIC: u32 = 0xe852_50d6;

/// 32-bit code, entered with EBX pointing to multiboot2's information.
const CODE: &[u8] = &[
    0x66, 0xba, 0xe9, 0x00, // mov dx, 0xe9
    0x3d, 0x89, 0x62, 0xd7, 0x36, // cmp eax, 0x36d76289
    0x75, 0x3f, // jne die
    0x8d, 0x73, 0x08, // lea esi, [ebx+8]
    // next:
    0x8b, 0x06, // mov eax, [esi]
    0x85, 0xc0, // test eax, eax
    0x74, 0x2f, // je done
    0x83, 0xf8, 0x01, // cmp eax, 1
    0x74, 0x0d, // je line
    0x83, 0xf8, 0x08, // cmp eax, 8
    0x75, 0x18, // jne skip
    0x8a, 0x46, 0x1d, // mov al, [esi+29]
    0x04, 0x30, // add al, '0'
    0xee, // out dx, al
    0xeb, 0x10, // jmp skip
    // line:
    0x8d, 0x4e, 0x08, // lea ecx, [esi+8]
    // char:
    0x8a, 0x01, // mov al, [ecx]
    0x84, 0xc0, // test al, al
    0x74, 0x04, // je eol
    0xee, // out dx, al
    0x41, // inc ecx
    0xeb, 0xf6, // jmp char
    // eol:
    0xb0, 0x0a, // mov al, '\n'
    0xee, // out dx, al
    // skip:
    0x8b, 0x46, 0x04, // mov eax, [esi+4]
    0x83, 0xc0, 0x07, // add eax, 7
    0x83, 0xe0, 0xf8, // and eax, -8
    0x01, 0xc6, // add esi, eax
    0xeb, 0xcb, // jmp next
    // done:
    0xb0, 0x2e, // mov al, '.'
    0xee, // out dx, al
    0xb0, 0x10, // mov al, 16
    0xeb, 0x02, // jmp quit
    // die:
    0xb0, 0x01, // mov al, 1
    // quit:
    0x66, 0xba, 0xf4, 0x00, // mov dx, 0xf4
    0xee, // out dx, al
    // hang:
    0xf4, // hlt
    0xeb, 0xfd, // jmp hang
];

/// The image: ELF headers, multiboot2 header, code.
pub fn elf() -> Vec<u8> {
    let header = multiboot2_header();
    let len = (HEADERS_LEN + header.len() + CODE.len()) as u64;
    let entry = ADDRESS + (HEADERS_LEN + header.len()) as u64;

    let mut elf = vec![];
    elf.extend(*b"\x7fELF\x02\x01\x01");
    elf.resize(16, 0);
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]); // executable, x86-64, version
    elf.extend([entry, 64, 0].map(u64::to_le_bytes).concat()); // entry, program headers, sections
    elf.extend([0, 0, 0, 0]);
    elf.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    elf.extend([1_u32, 7].map(u32::to_le_bytes).concat()); // to be loaded, all rights
    elf.extend([0, ADDRESS, ADDRESS, len, len, 4096].map(u64::to_le_bytes).concat());
    assert_eq!(elf.len(), HEADERS_LEN);
    elf.extend(header);
    elf.extend(CODE);
    elf
}

fn multiboot2_header() -> Vec<u8> {
    // A framebuffer of any size, not insisted on; the end.
    let tags = [5_u16, 1].map(u16::to_le_bytes).concat();
    let tags = [tags, [20_u32, 0, 0, 0, 0].map(u32::to_le_bytes).concat()].concat();
    let end = [0_u32, 8].map(u32::to_le_bytes).concat();
    let len = (16 + tags.len() + end.len()) as u32;
    let checksum = 0_u32.wrapping_sub(MAGIC).wrapping_sub(len);
    let start = [MAGIC, 0, len, checksum].map(u32::to_le_bytes).concat();
    [start, tags, end].concat()
}
