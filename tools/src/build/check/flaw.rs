//! What can be wrong with an image.

use crate::build::note;

/// What is wrong with an image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not what GRUB and QEMU call an executable.
    #[error("it is no ELF file for x86-64 ({0})")]
    NotElf(String),
    /// The type is `ET_DYN`.
    #[error("it is position-independent; it must be linked with `-no-pie`")]
    PositionIndependent,
    /// A program header asks for something that an image cannot have.
    #[error("it has {0}; it must be linked statically, with `-nostdlib`")]
    Dynamic(&'static str),
    /// There is a TLS segment.
    #[error("it has thread-local variables (a PT_TLS segment), which an image cannot have")]
    ThreadLocals,
    /// A segment is both writable and executable.
    #[error("its segment at {0:#x} is writable and executable")]
    WritableCode(u64),
    /// A segment's content is not all in the file.
    #[error("its segment at {0:#x} reaches beyond the end of the file; the file is truncated")]
    Truncated(u64),
    /// No PVH note.
    #[error("it has no PVH note (owner `Xen`, type 18), so QEMU could not boot it")]
    NoPvhNote,
    /// The note's content is no address.
    #[error("its PVH note has {0} bytes instead of an address of 8")]
    PvhNoteSize(usize),
    /// The PVH entry is in no executable segment.
    #[error("its PVH entry {0:#x} is in no executable segment")]
    PvhEntry(u64),
    /// No multiboot2 header within 32 KiB.
    #[error("it has no multiboot2 header within its first 32 KiB, so GRUB could not boot it")]
    NoMultiboot2,
    /// The checksum is wrong.
    #[error("the checksum of its multiboot2 header is wrong: the sum is {0:#x} instead of 0")]
    Multiboot2Checksum(u32),
    /// The header is not for i386.
    #[error("its multiboot2 header is for architecture {0} instead of 0 (i386)")]
    Multiboot2Architecture(u32),
    /// A tag or the header overruns.
    #[error("its multiboot2 header is damaged: {0}")]
    Multiboot2Tags(&'static str),
    /// No entry address tag.
    #[error("its multiboot2 header has no entry address tag")]
    NoMultiboot2Entry,
    /// The multiboot2 entry is in no executable segment.
    #[error("its multiboot2 entry {0:#x} is in no executable segment")]
    Multiboot2Entry(u32),
    /// There is a multiboot1 header.
    #[error("it has a multiboot1 header at {0:#x}; QEMU would take it for one and refuse a 64-bit file")]
    Multiboot1(usize),
    /// No note of ours.
    #[error(
        "it has no Roost note; is there a build.rs that calls `roost_linker::image()`, \
         and a function with `#[libkern::main]`?"
    )]
    NoRoostNote,
    /// The note is not near the beginning.
    #[error("its Roost note is not within its first {} KiB, where runners look for it", note::NOTE_WITHIN >> 10)]
    LateRoostNote,
    /// A note of another version.
    #[error("it is {0}")]
    RoostNote(String),
}
