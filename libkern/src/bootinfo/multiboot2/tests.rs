use super::super::rsdp::tests::pointer;
use super::*;

/// Whether all of `start..end` is one region of `kind`.
fn covers(info: &BootInfo<'_>, start: u64, end: u64, kind: Kind) -> bool {
    info.memory.regions().iter().any(|region| region.kind == kind && region.start <= start && end <= region.end)
}

const IMAGE: Range<u64> = 0x20_0000..0x28_0000;
const ADDRESS: u64 = 0x1_0000;

/// Information in the making, aligned as the protocol wants it.
#[derive(Clone)]
struct Builder {
    words: Vec<u64>,
    len: usize,
}

impl Builder {
    fn new() -> Self {
        Self { words: vec![0], len: 8 }
    }

    fn tag(self, tag: TagType, payload: &[u8]) -> Self {
        self.tag_of_len(tag.val(), payload.len() + 8, payload)
    }

    /// A tag that claims `len` bytes, whatever it has.
    fn tag_of_len(mut self, tag: u32, len: usize, payload: &[u8]) -> Self {
        self.words.push(u64::from(tag) | (len as u64) << 32);
        for chunk in payload.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words.push(u64::from_le_bytes(word));
        }
        self.len = self.words.len() * 8;
        self
    }

    fn memory(self, entries: &[(u64, u64, u32)]) -> Self {
        let mut payload = vec![24, 0, 0, 0, 0, 0, 0, 0];
        for (start, len, kind) in entries {
            payload.extend(start.to_le_bytes());
            payload.extend(len.to_le_bytes());
            payload.extend(u64::from(*kind).to_le_bytes());
        }
        self.tag(TagType::Mmap, &payload)
    }

    fn machine(self) -> Self {
        self.memory(&[
            (0, 0x9_fc00, 1),
            (0x9_fc00, 0x400, 2),
            (0xf_0000, 0x1_0000, 2),
            (0x10_0000, 0x7ee_0000, 1),
            (0x7fe_0000, 0x2_0000, 3),
            (0xfffc_0000, 0x4_0000, 2),
        ])
    }

    fn module(self, start: u32, end: u32, words: &[u8]) -> Self {
        let mut payload = start.to_le_bytes().to_vec();
        payload.extend(end.to_le_bytes());
        payload.extend(words);
        self.tag(TagType::Module, &payload)
    }

    fn framebuffer(self, kind: u8, colours: &[u8]) -> Self {
        let mut payload = 0xfd00_0000u64.to_le_bytes().to_vec();
        for number in [3200u32, 800, 600] {
            payload.extend(number.to_le_bytes());
        }
        payload.extend([32, kind, 0, 0]);
        payload.extend(colours);
        self.tag(TagType::Framebuffer, &payload)
    }

    fn end(self) -> Self {
        let mut ended = self.tag(TagType::End, &[]);
        ended.words[0] = ended.len as u64;
        ended
    }

    fn bytes(&self) -> &[u8] {
        let bytes = self.words.as_ptr().cast();
        // SAFETY: words are initialised bytes, `len` is at most theirs, and they are borrowed with `self`.
        unsafe { std::slice::from_raw_parts(bytes, self.len) }
    }

    fn parse(&self) -> Result<BootInfo<'_>, Error> {
        parse(self.bytes(), ADDRESS, &IMAGE)
    }
}

fn parsed(builder: &Builder) -> BootInfo<'_> {
    builder.parse().expect("this can be booted with")
}

#[test]
fn everything_a_loader_says_is_found() {
    let builder = Builder::new()
        .tag(TagType::Cmdline, b"roost.log=info -- a b\0")
        .tag(TagType::BootLoaderName, b"GRUB 2.06\0")
        .module(0x100_0000, 0x100_2800, b"disk one\0")
        .machine()
        .tag(TagType::AcpiV1, &pointer(0))
        .tag(TagType::AcpiV2, &pointer(2))
        .framebuffer(1, &[16, 8, 8, 8, 0, 8])
        .end();
    let info = parsed(&builder);
    assert_eq!(info.notes(), []);
    assert_eq!(info.protocol, Protocol::Multiboot2);
    assert_eq!(info.command_line, "roost.log=info -- a b");
    assert_eq!(info.loader, Some("GRUB 2.06"));
    let module = Module { start: 0x100_0000, end: 0x100_2800, command_line: "disk one" };
    assert_eq!(info.modules, [module]);
    let region = |start, end, kind| super::super::Region { start, end, kind };
    assert_eq!(
        info.memory.regions(),
        [
            region(0, 0x1_0000, Kind::Usable),
            region(0x1_0000, 0x1_1000, Kind::BootData),
            region(0x1_1000, 0x9_f000, Kind::Usable),
            region(0x9_f000, 0xa_0000, Kind::Reserved),
            region(0xf_0000, 0x10_0000, Kind::Reserved),
            region(0x10_0000, 0x20_0000, Kind::Usable),
            region(0x20_0000, 0x28_0000, Kind::Image),
            region(0x28_0000, 0x100_0000, Kind::Usable),
            region(0x100_0000, 0x100_3000, Kind::Module),
            region(0x100_3000, 0x7fe_0000, Kind::Usable),
            region(0x7fe_0000, 0x800_0000, Kind::AcpiReclaimable),
            region(0xfffc_0000, 0x1_0000_0000, Kind::Reserved),
        ]
    );
    let at = info.rsdp.expect("a pointer") - ADDRESS;
    assert_eq!(builder.bytes()[at as usize..][..36], pointer(2));
    let framebuffer = info.framebuffer.expect("a screen");
    assert_eq!((framebuffer.width, framebuffer.height, framebuffer.bpp), (800, 600, 32));
    let red = Channel { position: 16, size: 8 };
    assert!(matches!(framebuffer.format, PixelFormat::Rgb { red: r, .. } if r == red));
}

#[test]
fn the_length_of_the_head_is_capped() {
    assert_eq!(len_bytes(&[0x20, 1, 0, 0, 9, 9, 9, 9]), 0x120);
    assert_eq!(len_bytes(&[0xff; 8]), MAX_LEN);
}

#[test]
fn every_truncation_is_an_error() {
    let builder = Builder::new().machine().end();
    for len in 0..builder.len {
        let mut cut = builder.clone();
        cut.len = len;
        let error = cut.parse().expect_err("it is cut");
        assert!(matches!(error, Error::Truncated { .. }), "{error}");
        // And with a total size that admits to it:
        cut.words[0] = len as u64;
        cut.parse().expect_err("it has no end");
    }
}

#[test]
fn a_total_size_past_the_end_is_an_error() {
    let mut builder = Builder::new().machine().end();
    builder.words[0] = 0xffff_ffff;
    let error = builder.parse().expect_err("it lies");
    assert_eq!(
        error.to_string(),
        format!("the boot information claims 4294967295 bytes and there are {}", builder.len)
    );
}

#[test]
fn misaligned_information_is_an_error() {
    let builder = Builder::new().machine().end();
    let error = parse(&builder.bytes()[4..], ADDRESS, &IMAGE).expect_err("it is misaligned");
    assert_eq!(error, Error::Misaligned);
}

#[test]
fn a_tag_past_the_end_or_without_length_is_an_error() {
    for len in [0, 7, 0x1000, 0xffff_fff9, 0xffff_ffff] {
        let builder = Builder::new().machine().tag_of_len(99, len, &[]).end();
        let error = builder.parse().expect_err("the chain is broken");
        assert!(matches!(error, Error::Tags(_)), "{error}");
    }
}

#[test]
fn no_memory_is_an_error() {
    assert_eq!(Builder::new().end().parse().err(), Some(Error::NoMemoryMap));
    let empty = Builder::new().memory(&[]).end();
    assert_eq!(empty.parse().err(), Some(Error::NoMemoryMap));
    let reserved = Builder::new().memory(&[(0, 1 << 30, 2)]).end();
    assert_eq!(reserved.parse().err(), Some(Error::NoUsableMemory));
    let only_image = Builder::new().memory(&[(IMAGE.start, IMAGE.end - IMAGE.start, 1)]).end();
    assert_eq!(only_image.parse().err(), Some(Error::NoUsableMemory));
}

#[test]
fn longer_entries_of_the_memory_map_are_read_and_shorter_ones_refused() {
    let mut payload = vec![32, 0, 0, 0, 1, 0, 0, 0];
    for start in [0x10_0000u64, 0x800_0000] {
        payload.extend(start.to_le_bytes());
        payload.extend(0x1_0000u64.to_le_bytes());
        payload.extend(1u64.to_le_bytes());
        payload.extend([0xee; 8]);
    }
    let builder = Builder::new().tag(TagType::Mmap, &payload).end();
    assert_eq!(parsed(&builder).memory.usable_bytes(), 0x2_0000);
    for entry_len in [0, 8, 16, 23] {
        payload[0] = entry_len;
        let builder = Builder::new().tag(TagType::Mmap, &payload).machine().end();
        assert_eq!(parsed(&builder).notes(), [Note::TagShort { tag: 6 }]);
    }
}

#[test]
fn a_ragged_memory_map_loses_only_its_last_entry() {
    let mut payload = vec![24, 0, 0, 0, 0, 0, 0, 0];
    for number in [0x10_0000u64, 0x1_0000, 1, 0x800_0000, 0x1_0000] {
        payload.extend(number.to_le_bytes());
    }
    let builder = Builder::new().tag(TagType::Mmap, &payload).end();
    let info = parsed(&builder);
    assert_eq!(info.memory.usable_bytes(), 0x1_0000);
    assert_eq!(info.notes(), [Note::MemoryMapShort { claimed: 2, read: 1 }]);
}

#[test]
fn modules_that_cannot_be_are_left_out() {
    let builder = Builder::new()
        .machine()
        .module(0x100_0000, 0x100_1000, b"good\0")
        .module(0x100_0800, 0x100_1800, b"overlaps it\0")
        .module(0x27_f000, 0x29_0000, b"overlaps the image\0")
        .module(0x7fd_f000, 0x7fe_1000, b"leaves memory\0")
        .module(0xf000_0000, 0xf000_1000, b"outside memory\0")
        .module(0x1_0000, 0x1_0008, b"the information itself\0")
        .module(0x200_0000, 0x200_0000, b"empty\0")
        .module(0x200_1000, 0x200_0000, b"backwards\0")
        .tag(TagType::Module, &[1, 2, 3])
        .end();
    let info = parsed(&builder);
    assert_eq!(info.modules.len(), 1);
    assert_eq!(info.modules[0].command_line, "good");
    let misplaced = |start, end| Note::ModuleMisplaced { start, end };
    let empty = |start, end| Note::ModuleEmpty { start, end };
    assert_eq!(
        info.notes(),
        [
            misplaced(0x100_0800, 0x100_1800),
            misplaced(0x27_f000, 0x29_0000),
            misplaced(0x7fd_f000, 0x7fe_1000),
            misplaced(0xf000_0000, 0xf000_1000),
            misplaced(0x1_0000, 0x1_0008),
            empty(0x200_0000, 0x200_0000),
            empty(0x200_1000, 0x200_0000),
            Note::TagShort { tag: 3 },
        ]
    );
}

#[test]
fn modules_beyond_the_limit_are_reserved_but_not_offered() {
    let mut builder = Builder::new().machine();
    for index in 0..40 {
        let start = 0x100_0000 + index * 0x1000;
        builder = builder.module(start, start + 0x1000, b"\0");
    }
    let builder = builder.end();
    let info = parsed(&builder);
    assert_eq!(info.modules.len(), super::super::MAX_MODULES);
    assert!(covers(&info, 0x100_0000, 0x102_8000, Kind::Module));
    assert_eq!(info.notes().len() + info.notes_lost(), 24);
}

#[test]
fn texts_without_end_or_not_in_utf8_are_cut() {
    let builder = Builder::new()
        .machine()
        .tag(TagType::Cmdline, b"no end here")
        .tag(TagType::BootLoaderName, b"GR\xdcB\0")
        .module(0x100_0000, 0x100_1000, b"")
        .end();
    let info = parsed(&builder);
    assert_eq!(info.command_line, "no end here");
    assert_eq!(info.loader, Some("GR"));
    assert_eq!(info.modules[0].command_line, "");
    assert_eq!(
        info.notes(),
        [
            Note::TextCut { what: "command line" },
            Note::TextNotUtf8 { what: "loader's name" },
            Note::TextCut { what: "command line of a module" },
        ]
    );
}

#[test]
fn a_wrong_acpi_pointer_is_not_used() {
    let mut wrong = pointer(2);
    wrong[20] = 255;
    let builder = Builder::new()
        .machine()
        .tag(TagType::AcpiV2, &wrong)
        .tag(TagType::AcpiV2, &pointer(2)[..20])
        .tag(TagType::AcpiV1, &[])
        .end();
    let info = parsed(&builder);
    assert_eq!(info.rsdp, None);
    assert_eq!(info.notes(), [Note::RsdpBad; 3]);
}

#[test]
fn framebuffers_cut_short_do_not_reach_the_crate() {
    let short = Note::TagShort { tag: 8 };
    let bad = Note::FramebufferBad;
    let cases: [(u8, &[u8], Note); 7] = [
        (1, &[16, 8, 8, 8, 0], short),
        (1, &[], short),
        (0, &[], short),
        (0, &[2], short),
        (0, &[2, 0, 1, 2, 3, 4, 5], short),
        (0, &[1, 0, 1, 2, 3], bad),
        (7, &[1, 2, 3, 4, 5, 6], bad),
    ];
    for (kind, colours, note) in cases {
        let builder = Builder::new().machine().framebuffer(kind, colours).end();
        let info = parsed(&builder);
        assert_eq!(info.notes(), [note], "{kind} {colours:?}");
        assert_eq!(info.framebuffer, None);
    }
    let builder = Builder::new().machine().tag(TagType::Framebuffer, &[0; 23]).end();
    assert_eq!(parsed(&builder).notes(), [short]);
}

#[test]
fn ten_thousand_entries_are_survived() {
    let entries: Vec<_> = (0..10_000u64).map(|index| (index * 0x3000, 0x2000, 1 + (index % 2) as u32)).collect();
    let builder = Builder::new().memory(&entries).end();
    let info = parsed(&builder);
    assert_eq!(info.notes(), [Note::MemoryMapFull]);
    assert!(info.memory.usable_bytes() > 0);
}
