use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A program header: kind, flags, offset, address, length in the file, length in memory.
type Header = (u32, u32, u64, u64, u64, u64);

const RX: u32 = abi::PF_R | abi::PF_X;
const RW: u32 = abi::PF_R | abi::PF_W;

const TEXT: Header = (abi::PT_LOAD, RX, 0, 0x1000, 0x800, 0x800);
const DATA: Header = (abi::PT_LOAD, RW, 0x804, 0x2804, 0x100, 0x2000);

/// A file with these headers, 4 KiB long, whose bytes behind the headers are 0xaa.
fn file(kind: u16, entry: u64, headers: &[Header]) -> Vec<u8> {
    let mut file = Vec::from([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(kind.to_le_bytes());
    file.extend(abi::EM_X86_64.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    for word in [entry, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64, 56, headers.len() as u16, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for &(kind, flags, offset, address, file_len, len) in headers {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        let align = if kind == abi::PT_NOTE { 4 } else { 0x1000 };
        for word in [offset, address, address, file_len, len, align] {
            file.extend(word.to_le_bytes());
        }
    }
    file.resize(0x1000, 0xaa);
    file
}

fn plan_of(headers: &[Header]) -> Result<Plan, ImageError> {
    Plan::new(&file(abi::ET_DYN, 0x1040, headers))
}

#[test]
fn segments_become_pages_with_their_contents() {
    let plan = plan_of(&[TEXT, DATA]).unwrap();
    assert_eq!((plan.entry(), plan.is_movable(), plan.span()), (0x1040, true, 0x1000..0x5000));
    let [text, data] = plan.segments() else { panic!("two segments") };
    assert_eq!((text.pages(), text.rights()), (0x1000..0x2000, SegmentRights::ReadExecute));
    assert_eq!(text.contents(0x1000), (0, 0..0x800));
    assert_eq!((data.pages(), data.rights()), (0x2000..0x5000, SegmentRights::ReadWrite));
    assert_eq!(data.contents(0x2000), (0x804, 0x804..0x904));
    assert_eq!(data.contents(0x3000), (0, 0..0));
}

#[test]
fn contents_may_cross_pages() {
    let crossing = (abi::PT_LOAD, RX, 0x10, 0x1ff0, 0xf00, 0x3000);
    let plan = Plan::new(&file(abi::ET_DYN, 0x2000, &[crossing])).unwrap();
    let segment = &plan.segments()[0];
    assert_eq!(segment.contents(0x1000), (0xff0, 0x10..0x20));
    assert_eq!(segment.contents(0x2000), (0, 0x20..0xf10));
    assert_eq!(segment.contents(0x3000), (0, 0..0));
}

#[test]
fn a_build_id_is_read_where_it_is_right_and_none_is_where_it_is_not() {
    const AT: usize = 0x900;
    const NOTE: Header = (abi::PT_NOTE, abi::PF_R, AT as u64, 0x900, 28, 28);
    // Lengths of the name and of what follows, kind, name, what follows.
    let note: [u8; 28] = *b"\x04\0\0\0\x0c\0\0\0\x03\0\0\0GNU\0\x5f\x3a\x9c\x0d\x11\x22\x33\x44four";
    let build_id = |note: &[u8]| {
        let mut file = file(abi::ET_DYN, 0x1040, &[TEXT, DATA, NOTE]);
        file[AT..AT + note.len()].copy_from_slice(note);
        Plan::new(&file).expect("whatever its notes are").build_id().map(|id| alloc::format!("{id}"))
    };
    assert_eq!(build_id(&note).as_deref(), Some("5f3a9c0d11223344"));
    for (at, byte) in [(0, 5), (3, 0xff), (4, 4), (4, 0xff), (7, 0xff), (8, 4), (12, b'X')] {
        let mut wrong = note;
        wrong[at] = byte;
        assert_eq!(build_id(&wrong), None, "{byte:#x} at {at}");
    }
    assert_eq!(plan_of(&[TEXT, DATA]).unwrap().build_id(), None);
}

#[test]
fn what_is_not_a_program_is_refused_with_the_reason() {
    use ImageError as E;
    let load = |flags, offset, address, file_len, len| (abi::PT_LOAD, flags, offset, address, file_len, len);
    let cases: &[(&str, &[Header], E)] = &[
        ("no segments", &[], E::Segments),
        ("a dynamic linker", &[TEXT, (abi::PT_INTERP, abi::PF_R, 0, 0, 8, 8)], E::Dynamic),
        ("thread-local variables", &[TEXT, (abi::PT_TLS, abi::PF_R, 0, 0, 8, 8)], E::ThreadLocal),
        ("writable and executable", &[load(RX | abi::PF_W, 0, 0x1000, 0x800, 0x800)], E::Rights),
        ("not readable", &[load(abi::PF_X, 0, 0x1000, 0x800, 0x800)], E::Rights),
        ("a file that is too short", &[load(RX, 0xff0, 0x1000, 0x800, 0x800)], E::Contents),
        ("an offset that overflows", &[load(RX, u64::MAX, 0x1000, 0x800, 0x800)], E::Contents),
        ("more in the file than in memory", &[load(RX, 0, 0x1000, 0x800, 0x7ff)], E::Contents),
        ("an address that overflows", &[TEXT, load(RW, 0, u64::MAX, 0x10, 0x10)], E::Addresses),
        ("a length that overflows", &[TEXT, load(RW, 0, 0x3000, 0, u64::MAX)], E::Addresses),
        ("too far away", &[TEXT, load(RW, 0, LONGEST as u64, 0, 1)], E::Addresses),
        ("overlap", &[TEXT, load(RW, 0, 0x1800, 0, 1)], E::Addresses),
        ("the wrong order", &[DATA, TEXT], E::Addresses),
        ("an entry in data", &[load(RW, 0, 0x1000, 0x800, 0x800)], E::Entry),
        ("an entry behind what the file has", &[load(RX, 0, 0x1000, 0x40, 0x800)], E::Entry),
    ];
    for (what, headers, error) in cases {
        assert_eq!(plan_of(headers), Err(*error), "{what}");
    }
    let many: Vec<_> = (0..17).map(|n| load(RX, 0, 0x1000 * (n + 1), 0x800, 0x800)).collect();
    assert_eq!(plan_of(&many), Err(E::Segments));
    assert!(plan_of(&many[..16]).is_ok());
}

#[test]
fn a_program_with_addresses_of_its_own_stays_in_its_half_and_off_null() {
    let at = |address: u64| Plan::new(&file(abi::ET_EXEC, address, &[(abi::PT_LOAD, RX, 0, address, 0x800, 0x1000)]));
    assert_eq!(at(0), Err(ImageError::Addresses));
    assert_eq!(at(LOWEST as u64 - 0x1000), Err(ImageError::Addresses));
    assert!(at(LOWEST as u64).is_ok());
    assert!(at(USER_END as u64 - 0x1000).is_ok());
    for address in [USER_END as u64, 0x7fff_ffff_f800, 0x8000_0000_0000, 0xffff_8000_0000_0000] {
        assert_eq!(at(address), Err(ImageError::Addresses), "{address:#x}");
    }
}

#[test]
fn other_machines_and_kinds_are_refused() {
    let whole = file(abi::ET_DYN, 0x1040, &[TEXT]);
    let with = |at: usize, byte: u8| {
        let mut file = whole.clone();
        file[at] = byte;
        Plan::new(&file)
    };
    assert!(with(7, 3).is_ok(), "the operating system does not matter");
    assert_eq!(with(16, 1), Err(ImageError::NotForThisMachine), "an object file");
    assert_eq!(with(18, 183), Err(ImageError::NotForThisMachine), "another processor");
    assert!(with(4, 1).is_err(), "32 bits");
    assert!(with(5, 2).is_err(), "the other byte order");
    assert_eq!(with(0, 0), Err(ImageError::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_it_accepts_is_right(
        kind in 0u16..5,
        entry in any::<u64>(),
        headers in proptest::collection::vec(
            (prop_oneof![Just(1u32), 0u32..8], 0u32..8, word(), word(), word(), word()),
            0..6,
        ),
        changes in proptest::collection::vec((0usize..600, any::<u8>()), 0..8),
        len in prop_oneof![Just(4096usize), 0usize..4096],
    ) {
        let mut bytes = file(kind, entry, &headers);
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(len);
        if let Ok(plan) = Plan::new(&bytes) {
            judge(&plan, &bytes);
        }
    }
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..0x3000, 0u64..USER_END as u64 + 0x1000, any::<u64>()]
}

/// What the type promises.
fn judge(plan: &Plan, file: &[u8]) {
    let mut end = 0;
    for segment in plan.segments() {
        let pages = segment.pages();
        assert!(pages.start >= end && pages.start < pages.end && pages.end <= USER_END);
        assert!(pages.start.is_multiple_of(PAGE_LEN) && pages.end.is_multiple_of(PAGE_LEN));
        end = pages.end;
        // The file's bytes, at most 4 KiB, lie in the first two pages.
        let mut bytes = 0;
        for page in pages.step_by(PAGE_LEN).take(3) {
            let (offset, part) = segment.contents(page);
            assert!(offset + part.len() <= PAGE_LEN && part.end <= file.len());
            bytes += part.len();
        }
        assert_eq!(bytes, segment.file.len());
    }
    assert!(!plan.segments().is_empty() && plan.segments().len() <= MOST_SEGMENTS);
    let executable = |segment: &&Segment| segment.pages().contains(&plan.entry());
    assert_eq!(plan.segments().iter().find(executable).map(Segment::rights), Some(SegmentRights::ReadExecute));
}
