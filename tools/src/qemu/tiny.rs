//! A guest of a few hundred bytes, made from nothing: an image with all the headers that one must have, whose
//! code writes given bytes to given ports.
//!
//! It is what the accelerator is probed with, and what the tests of this tool boot, check and corrupt, so that
//! they depend on no compiler, no linker script and no kernel. (The command's tests include this file, which
//! therefore names nothing outside itself.)

/// Port of the first serial port's data register.
#[cfg(test)]
pub const SERIAL: u16 = 0x3f8;
/// Port of the control channel.
#[cfg(test)]
pub const CONTROL: u16 = 0xe9;
/// Port that ends QEMU.
pub const EXIT: u16 = 0xf4;

const LOAD_ADDRESS: u64 = 0x10_0000;
const PROGRAM_HEADER_LEN: usize = 56;

/// Where the program headers are, behind the file header.
pub const PROGRAM_HEADERS: usize = 64;
/// Where the multiboot2 header is.
pub const MULTIBOOT2: usize = 176;
/// Where the notes are.
pub const NOTES: usize = 216;
/// Where the code is.
pub const CODE: usize = 272;

/// Code of a guest, 32-bit as PVH enters it, with paging off and no interrupt table.
#[derive(Default)]
pub struct Guest {
    code: Vec<u8>,
}

impl Guest {
    /// Writes `bytes` to `port`, one after the other.
    pub fn write(mut self, port: u16, bytes: &[u8]) -> Self {
        let [low, high] = port.to_le_bytes();
        for &byte in bytes {
            // mov dx, port; mov al, byte; out dx, al
            self.code.extend([0x66, 0xba, low, high, 0xb0, byte, 0xee]);
        }
        self
    }

    /// Executes machine code.
    pub fn raw(mut self, code: &[u8]) -> Self {
        self.code.extend(code);
        self
    }

    /// Runs `then`, which must not return, if the command line ends with `last`.
    ///
    /// Only before anything else: it takes the command line from where PVH leaves its address.
    #[cfg(test)]
    pub fn if_told(mut self, last: u8, then: Self) -> Self {
        let len = u32::try_from(then.code.len()).expect("a tiny guest").to_le_bytes();
        // mov esi, [ebx + 24]; xor ecx, ecx
        self.code.extend([0x8b, 0x73, 0x18, 0x31, 0xc9]);
        // next: lodsb; test al, al; jz done; mov cl, al; jmp next
        self.code.extend([0xac, 0x84, 0xc0, 0x74, 4, 0x88, 0xc1, 0xeb, 0xf7]);
        // done: cmp cl, last; jne behind
        self.code.extend([0x80, 0xf9, last, 0x0f, 0x85]);
        self.code.extend(len);
        self.code.extend(then.code);
        self
    }

    /// Stops for good. A guest that ends otherwise needs none.
    pub fn halt(self) -> Self {
        // cli; hlt; jmp to the hlt
        self.raw(&[0xfa, 0xf4, 0xeb, 0xfd])
    }

    /// Dies of a triple fault: an interrupt table of no entries, then an exception.
    #[cfg(test)]
    pub fn triple_fault(self) -> Self {
        // push 0; push 0; lidt [esp]; ud2
        self.raw(&[0x6a, 0, 0x6a, 0, 0x0f, 0x01, 0x1c, 0x24, 0x0f, 0x0b])
    }

    /// The image of this guest; `kind` as in its Roost note (1: an application, 2: a test suite).
    ///
    /// In this order: file header, two program headers, multiboot2 header, notes, code. One segment has it all.
    pub fn image(self, kind: u32) -> Vec<u8> {
        let entry = LOAD_ADDRESS + CODE as u64;
        let mut notes = Vec::new();
        push_note(&mut notes, "Xen", 18, &entry.to_le_bytes());
        push_note(&mut notes, "Roost", 1, &[1u32.to_le_bytes(), kind.to_le_bytes()].concat());
        let len = CODE + self.code.len();

        let mut elf = Vec::with_capacity(len);
        elf.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        // An executable for x86-64, version 1.
        elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        elf.extend(entry.to_le_bytes());
        elf.extend((PROGRAM_HEADERS as u64).to_le_bytes());
        // No sections, no flags; then the sizes of the headers and how many there are.
        elf.extend([0; 12]);
        for half in [PROGRAM_HEADERS, PROGRAM_HEADER_LEN, 2, 64, 0, 0] {
            elf.extend((half as u16).to_le_bytes());
        }
        push_program_header(&mut elf, 1, 5, 0, len as u64, 0x1000);
        push_program_header(&mut elf, 4, 4, NOTES as u64, notes.len() as u64, 4);
        elf.resize(MULTIBOOT2, 0);
        push_multiboot2_header(&mut elf, entry as u32);
        elf.resize(NOTES, 0);
        elf.extend(&notes);
        elf.resize(CODE, 0);
        elf.extend(self.code);
        elf
    }
}

fn push_program_header(elf: &mut Vec<u8>, kind: u32, flags: u32, offset: u64, len: u64, align: u64) {
    elf.extend(kind.to_le_bytes());
    elf.extend(flags.to_le_bytes());
    for word in [offset, LOAD_ADDRESS + offset, LOAD_ADDRESS + offset, len, len, align] {
        elf.extend(word.to_le_bytes());
    }
}

fn push_multiboot2_header(elf: &mut Vec<u8>, entry: u32) {
    const MAGIC: u32 = 0xe852_50d6;
    // The header's 16 bytes, an entry address tag padded to 16, an end tag.
    const LEN: u32 = 40;
    let checksum = 0u32.wrapping_sub(MAGIC).wrapping_sub(LEN);
    for word in [MAGIC, 0, LEN, checksum, 3, 12, entry, 0, 0, 8] {
        elf.extend(word.to_le_bytes());
    }
}

fn push_note(notes: &mut Vec<u8>, name: &str, kind: u32, desc: &[u8]) {
    for word in [name.len() as u32 + 1, desc.len() as u32, kind] {
        notes.extend(word.to_le_bytes());
    }
    notes.extend(name.as_bytes());
    notes.push(0);
    // Name and content are each padded to a multiple of four.
    notes.resize(notes.len().next_multiple_of(4), 0);
    notes.extend(desc);
    notes.resize(notes.len().next_multiple_of(4), 0);
}
