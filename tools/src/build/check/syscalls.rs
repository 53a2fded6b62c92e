//! Finds system calls of Linux in the code.
//!
//! A dependency written for Linux may link and still carry a `syscall` instruction: one that would enter this
//! image's own system call entry, from the kernel. The entry panics there; this says so before. Code is
//! decoded per function, from its symbol on, because the two bytes of the instruction also occur inside
//! others; functions without those bytes are not decoded at all, so that an image of megabytes takes
//! milliseconds.

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use memchr::memmem;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

use super::elf::Elf;

/// `syscall`, encoded.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// One warning that names all functions with such an instruction, or none.
pub fn warnings(elf: &Elf) -> Vec<String> {
    let mut culprits: Vec<String> = elf
        .file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter(|symbol| code(elf, symbol.address(), symbol.size()).is_some_and(has_syscall))
        .filter_map(|symbol| symbol.name().ok())
        .map(|name| format!("`{:#}`", rustc_demangle::demangle(name)))
        .collect();
    culprits.sort();
    culprits.dedup();
    if culprits.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "there is a Linux system call in {}; an image has no Linux to call, and running it is a panic",
        culprits.join(", ")
    )]
}

/// The code of a function.
fn code<'data>(elf: &Elf<'data>, address: u64, size: u64) -> Option<&'data [u8]> {
    let sections = elf.file.sections().filter(|section| section.kind() == SectionKind::Text);
    let mut code = sections.filter_map(|section| section.data_range(address, size).ok().flatten());
    code.next()
}

fn has_syscall(code: &[u8]) -> bool {
    memmem::find(code, &SYSCALL).is_some()
        && Decoder::new(64, code, DecoderOptions::NONE)
            .iter()
            .any(|instruction| instruction.mnemonic() == Mnemonic::Syscall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_call_is_an_instruction_and_not_two_bytes() {
        // mov eax, 39; syscall; ret
        assert!(has_syscall(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]));
        // mov eax, 0x050f; ret
        assert!(!has_syscall(&[0xb8, 0x0f, 0x05, 0, 0, 0xc3]));
        assert!(!has_syscall(&[0xc3]));
    }
}
