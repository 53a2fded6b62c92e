use super::super::rsdp::tests::pointer;
use super::*;

/// Whether all of `start..end` is one region of `kind`.
fn covers(info: &BootInfo<'_>, start: u64, end: u64, kind: Kind) -> bool {
    info.memory.regions().iter().any(|region| region.kind == kind && region.start <= start && end <= region.end)
}

const IMAGE: Range<u64> = 0x20_0000..0x28_0000;
const START_INFO: u64 = 0x6000;
const MAP: u64 = 0x6100;
const MODULES: u64 = 0x6800;
const TEXTS: u64 = 0x7000;
const ACPI: u64 = 0xf_5a60;

/// Physical memory in which a loader has been: 1 MiB from 0, and nothing can be read above.
#[derive(Clone)]
struct Memory(Vec<u8>);

impl Memory {
    fn new() -> Self {
        let mut memory = Self(vec![0; 1 << 20]);
        memory.put32(START_INFO, MAGIC);
        memory.put32(START_INFO + 4, 1);
        memory.put64(START_INFO + 24, TEXTS);
        memory.put64(START_INFO + 32, ACPI);
        memory.put64(START_INFO + 40, MAP);
        memory.put(TEXTS, b"roost.log=debug\0");
        memory.put(ACPI, &pointer(2));
        memory.map(&[(0, 0x9_fc00, 1), (0x9_fc00, 0x400, 2), (0xf_0000, 0x1_0000, 2), (0x10_0000, 0x3f0_0000, 1)]);
        memory
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.0[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn put32(&mut self, at: u64, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn put64(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    fn map(&mut self, entries: &[(u64, u64, u32)]) {
        for (index, &(start, len, kind)) in (0..).zip(entries) {
            let at = MAP + index * 24;
            self.put64(at, start);
            self.put64(at + 8, len);
            self.put32(at + 16, kind);
        }
        self.put32(START_INFO + 48, entries.len() as u32);
    }

    fn modules(&mut self, modules: &[(u64, u64, u64)]) {
        for (index, &(start, len, text)) in (0..).zip(modules) {
            let at = MODULES + index * 32;
            self.put64(at, start);
            self.put64(at + 8, len);
            self.put64(at + 16, text);
        }
        self.put64(START_INFO + 16, MODULES);
        self.put32(START_INFO + 12, modules.len() as u32);
    }

    fn read(&self, address: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(address).ok()?;
        self.0.get(start..start.checked_add(len)?)
    }

    fn parse(&self) -> Result<BootInfo<'_>, Error> {
        parse(|address, len| self.read(address, len), START_INFO, &IMAGE)
    }

    fn parsed(&self) -> BootInfo<'_> {
        self.parse().expect("this can be booted with")
    }
}

#[test]
fn everything_a_loader_says_is_found() {
    let mut memory = Memory::new();
    memory.put(TEXTS + 100, b"disk one\0");
    memory.modules(&[(0x100_0000, 0x2800, TEXTS + 100), (0x110_0000, 8, 0)]);
    let info = memory.parsed();
    assert_eq!(info.notes(), []);
    assert_eq!(info.protocol, Protocol::Pvh);
    assert_eq!(info.command_line, "roost.log=debug");
    assert_eq!(info.rsdp, Some(ACPI));
    let module = |start, end, command_line| Module { start, end, command_line };
    assert_eq!(info.modules, [module(0x100_0000, 0x100_2800, "disk one"), module(0x110_0000, 0x110_0008, "")]);
    assert!(covers(&info, TEXTS, TEXTS + PAGE, Kind::BootData));
    assert!(covers(&info, IMAGE.start, IMAGE.end, Kind::Image));
    assert!(covers(&info, 0x100_0000, 0x100_3000, Kind::Module));
    assert!(covers(&info, 0x111_0000, 0x400_0000, Kind::Usable));
}

#[test]
fn what_is_not_start_info_is_an_error() {
    let mut memory = Memory::new();
    memory.put32(START_INFO, 0x2bad_b002);
    assert_eq!(memory.parse().err(), Some(Error::Magic(0x2bad_b002)));
    for address in [0, 0xf_ffe0, 0x10_0000, IMAGE.start, IMAGE.end - 8, u64::MAX - 8] {
        let read = |address, len| memory.read(address, len);
        let error = parse(read, address, &IMAGE).err();
        let what = "PVH start info";
        assert_eq!(error, Some(Error::Unreadable { what, address }));
    }
}

#[test]
fn version_0_has_no_memory_map() {
    let mut memory = Memory::new();
    memory.put32(START_INFO + 4, 0);
    assert_eq!(memory.parse().err(), Some(Error::NoMemoryMap));
}

#[test]
fn memory_that_the_modules_fill_is_not_usable() {
    let mut memory = Memory::new();
    memory.map(&[(0x100_0000, 0x10_0000, 1)]);
    memory.modules(&[(0x100_0000, 0xf_ff00, 0)]);
    assert_eq!(memory.parse().err(), Some(Error::NoUsableMemory));
}

#[test]
fn a_memory_map_that_cannot_be_read_is_an_error() {
    for at in [0, 0xffff_f000, u64::MAX, IMAGE.start] {
        let mut memory = Memory::new();
        memory.put64(START_INFO + 40, at);
        assert_eq!(memory.parse().err(), Some(Error::NoMemoryMap), "at {at:#x}");
    }
}

#[test]
fn a_memory_map_that_leaves_memory_is_read_as_far_as_it_goes() {
    let mut memory = Memory::new();
    let list = 0x10_0000 - 3 * 24 - 8;
    memory.put64(START_INFO + 40, list);
    memory.put32(START_INFO + 48, u32::MAX);
    for index in 0..3 {
        memory.put64(list + index * 24, 0x10_0000 + index * 0x10_0000);
        memory.put64(list + index * 24 + 8, 0x8_0000);
        memory.put32(list + index * 24 + 16, 1);
    }
    let info = memory.parsed();
    let claimed = u32::MAX.into();
    assert_eq!(info.notes(), [Note::MemoryMapShort { claimed, read: 3 }]);
    assert_eq!(info.memory.usable_bytes(), 0x10_0000, "less the image's part");
}

#[test]
fn ten_thousand_entries_are_survived() {
    let mut memory = Memory::new();
    let entries: Vec<_> = (0..10_000u64).map(|index| (index * 0x3000, 0x2000, 1 + (index % 2) as u32)).collect();
    let list = 0x2_0000;
    for (index, &(start, len, kind)) in (0..).zip(&entries) {
        let at = list + index * 24;
        memory.put64(at, start);
        memory.put64(at + 8, len);
        memory.put32(at + 16, kind);
    }
    memory.put64(START_INFO + 40, list);
    memory.put32(START_INFO + 48, 10_000);
    let info = memory.parsed();
    assert_eq!(info.notes()[..1], [Note::MemoryMapFull]);
    assert!(info.memory.usable_bytes() > 0);
}

#[test]
fn a_text_may_cross_a_page() {
    let mut memory = Memory::new();
    let at = TEXTS + PAGE - 4;
    memory.put(at, b"across\0");
    memory.put64(START_INFO + 24, at);
    let info = memory.parsed();
    assert_eq!((info.command_line, info.notes()), ("across", &[][..]));
    assert!(covers(&info, TEXTS, TEXTS + 2 * PAGE, Kind::BootData));
}

#[test]
fn a_text_without_end_is_cut_where_reading_ends() {
    let what = "command line";
    let mut memory = Memory::new();
    memory.0[TEXTS as usize..][..0x4000].fill(b'x');
    let info = memory.parsed();
    assert_eq!(info.command_line.len(), MAX_TEXT);
    assert_eq!(info.notes(), [Note::TextCut { what }]);

    let mut memory = Memory::new();
    let end = 0x10_0000 - 5;
    memory.put(end, b"hello");
    memory.put64(START_INFO + 24, end);
    let info = memory.parsed();
    assert_eq!(info.command_line, "hello");
    assert_eq!(info.notes(), [Note::TextCut { what }]);
}

#[test]
fn a_command_line_that_cannot_be_read_is_left_out() {
    for at in [0xffff_f000, u64::MAX, IMAGE.start + 16] {
        let mut memory = Memory::new();
        memory.put64(START_INFO + 24, at);
        let info = memory.parsed();
        assert_eq!(info.command_line, "");
        let what = "command line";
        assert_eq!(info.notes(), [Note::TextUnreadable { what }]);
    }
}

#[test]
fn modules_that_cannot_be_are_left_out() {
    let mut memory = Memory::new();
    memory.modules(&[
        (0x100_0000, 0x1000, 0),
        (0x100_0fff, 0x1000, 0),
        (IMAGE.end - 1, 0x1000, 0),
        (0x300_0000, u64::MAX, 0),
        (0xf000_0000, 0x1000, 0),
        (0x200_0000, 0, 0),
    ]);
    memory.put32(START_INFO + 12, u32::MAX);
    let info = memory.parsed();
    assert_eq!(info.modules.len(), 1);
    let misplaced = |start, end| Note::ModuleMisplaced { start, end };
    assert_eq!(
        info.notes()[..5],
        [
            misplaced(0x100_0fff, 0x100_1fff),
            misplaced(IMAGE.end - 1, IMAGE.end + 0xfff),
            misplaced(0x300_0000, u64::MAX),
            misplaced(0xf000_0000, 0xf000_1000),
            Note::ModuleEmpty { start: 0x200_0000, end: 0x200_0000 },
        ]
    );
}

#[test]
fn a_module_may_lie_in_memory_that_its_loader_reserved_for_it() {
    let mut memory = Memory::new();
    memory.map(&[(0, 0x9_fc00, 1), (0x10_0000, 0x3ef_f000, 1), (0x3ff_f000, 0x1000, 2)]);
    memory.modules(&[(0x3ff_f000, 0xb1, 0)]);
    let info = memory.parsed();
    assert_eq!((info.modules.len(), info.notes()), (1, &[][..]));
    assert!(covers(&info, 0x3ff_f000, 0x400_0000, Kind::Module));
}

#[test]
fn a_wrong_acpi_pointer_is_not_used() {
    for at in [TEXTS, 0xffff_0000, u64::MAX, IMAGE.start] {
        let mut memory = Memory::new();
        memory.put64(START_INFO + 32, at);
        let info = memory.parsed();
        assert_eq!((info.rsdp, info.notes()), (None, &[Note::RsdpBad][..]));
    }
    let mut memory = Memory::new();
    memory.put64(START_INFO + 32, 0);
    assert_eq!((memory.parsed().rsdp, memory.parsed().notes()), (None, &[][..]));
}

#[test]
fn an_old_acpi_pointer_may_end_where_memory_does() {
    let mut memory = Memory::new();
    memory.put(0x10_0000 - 32, &pointer(0));
    memory.put64(START_INFO + 32, 0x10_0000 - 32);
    assert_eq!(memory.parsed().rsdp, Some(0x10_0000 - 32));
}
