//! Finds system calls of Linux in the code.
//!
//! A dependency written for Linux may link and still carry a `syscall` instruction: one that would enter this
//! image's own system call entry, from the kernel. The entry panics there; this says so before. Code is
//! decoded per function, from its symbol on, because the two bytes of the instruction also occur inside
//! others; functions without those bytes are not decoded at all, so that an image of megabytes takes
//! milliseconds.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use memchr::memmem;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind, SymbolKind};

use super::elf::Elf;

/// `syscall`, encoded.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// One warning that names all functions with such an instruction, or none.
pub fn warnings(elf: &Elf) -> Vec<String> {
    let suspects = suspects(elf);
    if suspects.is_empty() {
        return Vec::new();
    }
    let functions = elf.file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let mut culprits: Vec<String> = functions
        .map(|symbol| (symbol.address()..symbol.address() + symbol.size(), symbol.name()))
        .filter(|(range, _)| suspects.iter().any(|suspect| range.contains(suspect)))
        .filter(|(range, _)| code(elf, range).is_some_and(has_syscall))
        .filter_map(|(_, name)| Some(format!("`{:#}`", rustc_demangle::demangle(name.ok()?))))
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

/// Addresses in the code where the two bytes are, whatever they mean there.
fn suspects(elf: &Elf) -> Vec<u64> {
    let code = elf.file.sections().filter(|section| section.kind() == SectionKind::Text);
    let finder = memmem::Finder::new(&SYSCALL);
    code.filter_map(|section| Some((section.address(), section.data().ok()?)))
        .flat_map(|(address, data)| finder.find_iter(data).map(move |offset| address + offset as u64))
        .collect()
}

/// The code of a function.
fn code<'data>(elf: &Elf<'data>, range: &Range<u64>) -> Option<&'data [u8]> {
    elf.file.sections().find_map(|section| section.data_range(range.start, range.end - range.start).ok().flatten())
}

fn has_syscall(code: &[u8]) -> bool {
    let mut instructions = Decoder::new(64, code, DecoderOptions::NONE).into_iter();
    instructions.any(|instruction| instruction.mnemonic() == Mnemonic::Syscall)
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
