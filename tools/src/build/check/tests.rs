//! Each flaw, made by corrupting the smallest image there is.

use super::*;
use crate::qemu::tiny;

/// Type of the second program header, which is that of the notes.
const SECOND_TYPE: usize = tiny::PROGRAM_HEADERS + 56;
/// Flags, file offset, virtual and physical address, size in the file: of the first program header.
const FLAGS: usize = tiny::PROGRAM_HEADERS + 4;
const FILE_SIZE: usize = tiny::PROGRAM_HEADERS + 32;
/// Fields of the multiboot2 header.
const ARCHITECTURE: usize = tiny::MULTIBOOT2 + 4;
const LEN: usize = tiny::MULTIBOOT2 + 8;
const CHECKSUM: usize = tiny::MULTIBOOT2 + 12;
const ENTRY_TAG: usize = tiny::MULTIBOOT2 + 16;
const ENTRY_TAG_SIZE: usize = ENTRY_TAG + 4;
const ENTRY: usize = ENTRY_TAG + 8;
const END_TAG_SIZE: usize = ENTRY_TAG + 20;
/// Content of the notes.
const XEN_DESC_SIZE: usize = tiny::NOTES + 4;
const XEN_TYPE: usize = tiny::NOTES + 8;
const XEN_ENTRY: usize = tiny::NOTES + 16;
const ROOST_NAME: usize = tiny::NOTES + 36;
const ROOST_ABI: usize = tiny::NOTES + 44;
const ROOST_KIND: usize = tiny::NOTES + 48;

fn image() -> Vec<u8> {
    tiny::Guest::default().halt().image(1)
}

/// The image with one word replaced.
fn with(at: usize, word: u32) -> Vec<u8> {
    let mut bytes = image();
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    bytes
}

/// The flaw of the image with one word replaced.
fn flaw(at: usize, word: u32) -> Flaw {
    bytes_of(&with(at, word)).unwrap_err()
}

/// The image with a multiboot2 header that has this word in it and a checksum to match.
fn with_header_word(at: usize, word: u32) -> Flaw {
    let mut bytes = with(at, word);
    let read = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let sum = [tiny::MULTIBOOT2, ARCHITECTURE, LEN].map(read).iter().fold(0u32, |a, b| a.wrapping_add(*b));
    bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&0u32.wrapping_sub(sum).to_le_bytes());
    bytes_of(&bytes).unwrap_err()
}

#[test]
fn an_image_without_flaw_is_accepted_as_what_it_is() {
    for (bytes, expected) in [(image(), Kind::Application), (with(ROOST_KIND, 2), Kind::Suite)] {
        let Checked { kind, warnings, end } = bytes_of(&bytes).unwrap();
        assert_eq!((kind, warnings), (expected, vec![]));
        assert!(end > 0x10_0000, "images are loaded above 1 MiB, not below {end:#x}");
    }
}

#[test]
fn what_is_no_elf_for_x86_64_is_refused() {
    for bytes in [&b""[..], b"MZ", b"\x7fELF", &image()[..63]] {
        assert!(matches!(bytes_of(bytes), Err(Flaw::NotElf(_))), "{bytes:?}");
    }
    // 32 bits, and another machine.
    assert!(matches!(flaw(4, 0x0001_0101), Flaw::NotElf(_)));
    assert!(matches!(flaw(16, 183 << 16 | 2), Flaw::NotElf(_)));
    // An object file.
    assert!(matches!(flaw(16, 62 << 16 | 1), Flaw::NotElf(_)));
}

#[test]
fn an_elf_that_needs_a_loader_is_refused() {
    assert_eq!(flaw(16, 62 << 16 | 3), Flaw::PositionIndependent);
    // The notes must stay readable, or it would be no image at all: a third program header is needed.
    for (kind, flaw) in [
        (2, Flaw::Dynamic("a dynamic section (PT_DYNAMIC)")),
        (3, Flaw::Dynamic("an interpreter (PT_INTERP)")),
        (7, Flaw::ThreadLocals),
    ] {
        let mut bytes = image();
        let end = bytes.len();
        let headers = bytes[tiny::PROGRAM_HEADERS..SECOND_TYPE + 56].to_vec();
        bytes.extend(headers);
        bytes.extend(u32::to_le_bytes(kind));
        bytes.extend([0; 52]);
        bytes[32..40].copy_from_slice(&(end as u64).to_le_bytes());
        bytes[56] = 3;
        assert_eq!(bytes_of(&bytes).unwrap_err(), flaw);
    }
}

#[test]
fn a_segment_must_not_be_writable_and_executable() {
    assert_eq!(flaw(FLAGS, 7), Flaw::WritableCode(0x10_0000));
    assert_eq!(flaw(FILE_SIZE, 0x10_0000), Flaw::Truncated(0x10_0000));
}

#[test]
fn the_pvh_note_must_lead_to_code() {
    assert_eq!(flaw(XEN_TYPE, 17), Flaw::NoPvhNote);
    assert_eq!(flaw(XEN_ENTRY, 0x20_0000), Flaw::PvhEntry(0x20_0000));
    assert_eq!(flaw(XEN_ENTRY + 4, 0xffff_ffff), Flaw::PvhEntry(0xffff_ffff_0010_0110));
    // Not executable, so there is no code for either entry to lead to.
    assert_eq!(flaw(FLAGS, 4), Flaw::PvhEntry(0x10_0110));
    // With four bytes less of content, the rest of it is taken for the next note; that is ours no more.
    assert_eq!(flaw(XEN_DESC_SIZE, 4), Flaw::NoRoostNote);
}

#[test]
fn the_multiboot2_header_must_be_found_and_summed_up() {
    assert_eq!(flaw(tiny::MULTIBOOT2, 0), Flaw::NoMultiboot2);
    assert_eq!(flaw(CHECKSUM, 0), Flaw::Multiboot2Checksum(0xe852_50d6 + 40));
    assert_eq!(with_header_word(ARCHITECTURE, 4), Flaw::Multiboot2Architecture(4));
    assert!(matches!(with_header_word(LEN, 0x10_0000), Flaw::Multiboot2Tags(_)));
    assert!(matches!(with_header_word(LEN, 8), Flaw::Multiboot2Tags(_)));
}

#[test]
fn a_multiboot2_header_beyond_32_kib_is_not_found() {
    let mut bytes = image();
    let header = bytes[tiny::MULTIBOOT2..tiny::NOTES].to_vec();
    bytes[tiny::MULTIBOOT2] = 0;
    for (at, found) in [((32 << 10) - 40, true), (32 << 10, false)] {
        let mut bytes = bytes.clone();
        bytes.resize(at, 0);
        bytes.extend(&header);
        assert_eq!(bytes_of(&bytes).is_ok(), found);
    }
}

#[test]
fn a_damaged_header_before_the_right_one_is_passed_over() {
    let mut bytes = image();
    let header = bytes[tiny::MULTIBOOT2..tiny::NOTES].to_vec();
    bytes.resize(0x1000, 0);
    bytes.extend(header);
    bytes[CHECKSUM] ^= 1;
    assert!(bytes_of(&bytes).is_ok());
}

#[test]
fn the_multiboot2_tags_must_hold_an_entry_that_is_code() {
    assert_eq!(flaw(ENTRY, 0x20_0000), Flaw::Multiboot2Entry(0x20_0000));
    assert_eq!(flaw(ENTRY_TAG, 0x0001_0004), Flaw::NoMultiboot2Entry);
    assert_eq!(flaw(ENTRY_TAG, 0), Flaw::NoMultiboot2Entry);
    for size in [0, 8, 13, 4000] {
        assert!(matches!(flaw(ENTRY_TAG_SIZE, size), Flaw::Multiboot2Tags(_)), "{size}");
    }
    assert!(matches!(flaw(END_TAG_SIZE, 4), Flaw::Multiboot2Tags(_)));
    assert!(matches!(flaw(END_TAG_SIZE - 4, 9), Flaw::Multiboot2Tags("it has no end tag")));
}

#[test]
fn a_multiboot1_header_is_refused_where_qemu_would_find_it() {
    let v1 = |flags: u32| {
        let checksum = 0u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags);
        [0x1bad_b002, flags, checksum].map(u32::to_le_bytes).concat()
    };
    for (at, found) in [(0x1000, true), (0x1ffc - 8, true), (0x2000, false), (0x1002, false)] {
        let mut bytes = image();
        bytes.resize(at, 0);
        bytes.extend(v1(3));
        let flaw = bytes_of(&bytes).err();
        assert_eq!(flaw, found.then_some(Flaw::Multiboot1(at)), "{at:#x}");
    }
    // The number alone, as in code that compares with it, is no header.
    let mut bytes = image();
    bytes.resize(0x1000, 0);
    bytes.extend(&v1(3)[..8]);
    assert!(bytes_of(&bytes).is_ok());
}

#[test]
fn an_image_must_say_that_it_is_one() {
    assert_eq!(flaw(ROOST_NAME, 0), Flaw::NoRoostNote);
    assert_eq!(flaw(SECOND_TYPE, 0), Flaw::NoRoostNote);
    for (at, word, what) in [(ROOST_ABI, 2, "version 2"), (ROOST_KIND, 9, "kind 9")] {
        let Flaw::RoostNote(text) = flaw(at, word) else { panic!("no flaw of the note") };
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn the_note_must_be_near_the_beginning() {
    for (at, expected) in [(0x1000, None), (0x8000, Some(Flaw::LateRoostNote))] {
        let mut bytes = image();
        let notes = bytes[tiny::NOTES..tiny::CODE].to_vec();
        bytes.resize(at, 0);
        bytes.extend(notes);
        // Where the second program header says that the notes are.
        bytes[SECOND_TYPE + 8..SECOND_TYPE + 16].copy_from_slice(&(at as u64).to_le_bytes());
        assert_eq!(bytes_of(&bytes).err(), expected, "{at:#x}");
    }
}

#[test]
fn no_corruption_of_a_byte_makes_the_check_panic() {
    for at in 0..image().len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = image();
            bytes[at] = value;
            let _ = bytes_of(&bytes);
            let _ = bytes_of(&bytes[..at]);
        }
    }
}
