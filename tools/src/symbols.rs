//! Addresses to places: what turns a guest's backtrace into something a person can read.
//!
//! A guest prints bare addresses, because it has no debug information and, when it panics, no business looking
//! anything up. The tool has the image it was built from.
//!
//! Of an isolated process the guest prints what its program's linker noted to tell its file by, and how far into that
//! file's memory: `5f3a9c0d11223344+0x1a2b`. Where the files are is in a section of the image that is not loaded.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::{env, fs};

use addr2line::Loader;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object as _, ObjectSection as _, ObjectSegment as _};

/// Where an image's text is: at the top 2 GiB.
const TEXT_PREFIX: &str = "0xffffffff8";
/// Digits of an address as the guest prints it, with the `0x`.
const ADDRESS_LEN: usize = 18;
/// The section with the paths of the files of programs, one on a line.
const PROGRAMS: &str = ".roost.programs";
/// What stands between a program's digits and those of an address in it.
const IN_PROGRAM: &str = "+0x";
/// How many digits a program has.
const PROGRAM_LEN: usize = 16;
/// What stands before an inlined frame.
const INDENT: &str = "      ";

/// A near call with a 32-bit distance: this and four bytes more.
const CALL: u8 = 0xe8;
const CALL_LEN: u64 = 5;

/// Knows the places of one image.
pub struct Symbolizer {
    loader: Loader,
    image: PathBuf,
    /// Read when one is first needed.
    programs: OnceCell<Vec<Program>>,
    /// What file names are shown relative to.
    here: Option<PathBuf>,
}

/// A program of isolated processes.
struct Program {
    build_id: [u8; PROGRAM_LEN / 2],
    loader: Loader,
}

impl Program {
    /// None if the file is gone, or has no build id.
    fn open(path: &Path) -> Option<Program> {
        let file = fs::read(path).ok()?;
        let elf = ElfFile64::<LittleEndian>::parse(&*file).ok()?;
        let build_id = *elf.build_id().ok()??.first_chunk()?;
        Some(Program { build_id, loader: Loader::new(path).ok()? })
    }
}

/// What an address is, which decides where to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    /// The instruction there is running.
    Instruction,
    /// A call before it has not returned yet. The address may belong to the next line, or even to the next
    /// function, if the one called never returns.
    Return,
    /// The first frame of a backtrace: the instruction that faulted, or the call of whoever took the backtrace.
    Either,
}

impl Symbolizer {
    /// Reads an image's symbols. Debug information is read when it is first needed.
    ///
    /// # Errors
    /// If the file cannot be read as an executable.
    pub fn open(image: &Path) -> anyhow::Result<Self> {
        let loader = Loader::new(image)
            .map_err(|error| anyhow::anyhow!("cannot read the symbols of {}: {error}", image.display()))?;
        Ok(Self { loader, image: image.to_owned(), programs: OnceCell::new(), here: env::current_dir().ok() })
    }

    /// The line with the place of each address in it: function, file and line.
    ///
    /// Inlined functions come on lines of their own, outermost last. A line without an address of the image
    /// stays as it is.
    pub fn annotate(&self, line: &str) -> String {
        line.to_owned() + &self.annotation(line)
    }

    /// What [`annotate`](Self::annotate) adds to the end of the line: nothing, for most lines.
    pub fn annotation(&self, line: &str) -> String {
        let in_image = addresses(line)
            .flat_map(|(before, address)| self.places(&self.loader, self.probe(address, meaning(before))));
        let in_programs = in_programs(line).flat_map(|(build_id, address)| {
            // A file that has been built again since has other instructions there.
            let program = self.programs().iter().find(|program| program.build_id == build_id);
            program.map(|program| self.places(&program.loader, address)).unwrap_or_default()
        });
        let places: Vec<_> = in_image.chain(in_programs).collect();
        match &places[..] {
            [] => String::new(),
            places => " ".to_owned() + &places.join(&format!("\n{INDENT}")),
        }
    }

    /// Whether [`annotate`](Self::annotate) could have anything to add to this line.
    pub fn has_address(line: &str) -> bool {
        line.contains(TEXT_PREFIX) || line.contains(IN_PROGRAM)
    }

    fn programs(&self) -> &[Program] {
        self.programs.get_or_init(|| {
            let paths = fs::read(&self.image).ok().and_then(|image| {
                let elf = ElfFile64::<LittleEndian>::parse(&*image).ok()?;
                let section = elf.section_by_name(PROGRAMS)?;
                Some(String::from_utf8_lossy(section.data().ok()?).into_owned())
            });
            paths.unwrap_or_default().lines().filter_map(|path| Program::open(Path::new(path))).collect()
        })
    }

    /// The address to look up: that of an instruction which was running.
    fn probe(&self, address: u64, meaning: Meaning) -> u64 {
        let is_return = match meaning {
            Meaning::Instruction => false,
            Meaning::Return => true,
            Meaning::Either => match self.loader.find_symbol_info(address) {
                None => true,
                Some(symbol) => symbol.address() == address && self.is_behind_call(address),
            },
        };
        address - u64::from(is_return)
    }

    fn is_behind_call(&self, address: u64) -> bool {
        let Ok(bytes) = fs::read(&self.image) else { return false };
        let Ok(elf) = ElfFile64::<LittleEndian>::parse(&*bytes) else { return false };
        let code = elf.segments().find_map(|segment| segment.data_range(address - CALL_LEN, 1).ok().flatten());
        code == Some(&[CALL])
    }

    /// `function (file:line)` for an instruction, innermost inlined function first.
    fn places(&self, loader: &Loader, address: u64) -> Vec<String> {
        let mut places = Vec::new();
        if let Ok(mut frames) = loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.and_then(|name| name.demangle().map(|name| without_hash(&name)).ok());
                let location = frame.location.and_then(|location| Some((location.file?, location.line?)));
                places.push((name, location.map(|(file, line)| format!(" ({}:{line})", self.short(file)))));
            }
        }
        if places.is_empty() {
            places.push((None, None));
        }
        // The function that all of it is inlined into has a symbol, and with it a path, which the smaller kinds
        // of debug information lack.
        if let Some((name, _)) = places.last_mut()
            && !name.as_deref().is_some_and(has_path)
        {
            let symbol = loader.find_symbol(address).map(|symbol| format!("{:#}", rustc_demangle::demangle(symbol)));
            *name = symbol.or(name.take());
        }
        places.into_iter().filter_map(|(name, location)| Some(name? + &location.unwrap_or_default())).collect()
    }

    /// A file's name without what is the same for all files of its origin: the current directory, the place
    /// where Rust was built, the place where cargo keeps the sources of crates.
    fn short<'a>(&self, file: &'a str) -> &'a str {
        if let Some(rest) = file.strip_prefix("/rustc/") {
            return rest.split_once('/').map_or(file, |(_hash, rest)| rest);
        }
        if let Some((_, rest)) = file.split_once("/registry/src/") {
            return rest.split_once('/').map_or(file, |(_registry, rest)| rest);
        }
        let relative = self.here.as_ref().and_then(|here| Path::new(file).strip_prefix(here).ok());
        relative.and_then(Path::to_str).unwrap_or(file)
    }
}

/// Whether a function's name says in which module it is; what it was made for may have a path, too.
fn has_path(name: &str) -> bool {
    name.split('<').next().is_some_and(|name| name.contains("::"))
}

/// The addresses of text in a line, each with what stands before it.
fn addresses(line: &str) -> impl Iterator<Item = (&str, u64)> {
    line.match_indices(TEXT_PREFIX).filter_map(|(at, _)| {
        let word = line.get(at..at + ADDRESS_LEN)?;
        // Longer than an address is something else.
        let ends = !line[at + ADDRESS_LEN..].starts_with(|c: char| c.is_ascii_alphanumeric());
        let address = u64::from_str_radix(&word[2..], 16).ok()?;
        ends.then_some((&line[..at], address))
    })
}

/// What of a line is in a program: which, and where.
fn in_programs(line: &str) -> impl Iterator<Item = ([u8; PROGRAM_LEN / 2], u64)> {
    line.match_indices(IN_PROGRAM).filter_map(|(at, _)| {
        let program = line.get(at.checked_sub(PROGRAM_LEN)?..at)?;
        let program = u64::from_str_radix(program, 16).ok()?.to_be_bytes();
        let address = &line[at + IN_PROGRAM.len()..];
        let end = address.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(address.len());
        Some((program, u64::from_str_radix(&address[..end], 16).ok()?))
    })
}

/// What an address means, by what stands before it: one of a backtrace, as in `#3 0xffffffff80201234`, or another.
fn meaning(before: &str) -> Meaning {
    let number = before.split_whitespace().next_back().and_then(|word| word.strip_prefix('#'));
    match number.and_then(|number| number.parse::<u32>().ok()) {
        None => Meaning::Instruction,
        Some(0) => Meaning::Either,
        Some(_) => Meaning::Return,
    }
}

/// A demangled name without the hash that the legacy mangling ends with.
fn without_hash(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => path.into(),
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_text_are_found_wherever_they_stand() {
        let found = |line| addresses(line).map(|(_, address)| address).collect::<Vec<_>>();
        assert_eq!(found("  #0 0xffffffff80201234"), [0xffff_ffff_8020_1234]);
        assert_eq!(
            found("core 3: idle at 0xffffffff80203456, from 0xffffffff80200000."),
            [0xffff_ffff_8020_3456, 0xffff_ffff_8020_0000]
        );
        for line in ["", "0xffffffff8020", "0xffff800000001234", "0xffffffff80201234ff", "0xffffffff8020123é"] {
            assert!(found(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn addresses_in_programs_are_found_wherever_they_stand() {
        let found = |line| in_programs(line).collect::<Vec<_>>();
        let program = 0x5f3a_9c0d_1122_3344_u64.to_be_bytes();
        assert_eq!(found("at 0x7f12 (5f3a9c0d11223344+0x1a2b)"), [(program, 0x1a2b)]);
        assert_eq!(found("5f3a9c0d11223344+0x10, 5f3a9c0d11223344+0x20"), [(program, 0x10), (program, 0x20)]);
        for line in ["1+0x10", "5f3a9c0d1122334g+0x10", "+0x1", "5f3a9c0d11223344+0x", "é3a9c0d11223344+0x1"] {
            assert!(found(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn frames_of_a_backtrace_are_told_from_other_addresses() {
        for (line, expected) in [
            ("  #0 0xffffffff80201234", Meaning::Either),
            ("  #1 0xffffffff80201234", Meaning::Return),
            ("#12 0xffffffff80201234", Meaning::Return),
            ("[ 0.1 0] WARN a: #2 0xffffffff80201234", Meaning::Return),
            ("page fault at 0xffffffff80201234", Meaning::Instruction),
            ("#x 1", Meaning::Instruction),
        ] {
            let before = addresses(line).next().map_or(line, |(before, _)| before);
            assert_eq!(meaning(before), expected, "{line}");
        }
    }

    #[test]
    fn a_path_is_one_of_the_function_and_not_of_what_it_was_made_for() {
        assert!(has_path("hello::main") && has_path("hello::main<a::b>"));
        assert!(!has_path("main") && !has_path("run<hello::main::{closure_env#0}>"));
    }

    #[test]
    fn hashes_are_cut_off() {
        assert_eq!(without_hash("hello::main::h3faf3d7d8e8b8fb5"), "hello::main");
        assert_eq!(without_hash("hello::h3"), "hello::h3");
    }

    #[inline(never)]
    fn a_function_of_this_program() -> u64 {
        std::hint::black_box(a_function_of_this_program as fn() -> u64) as usize as u64
    }

    #[test]
    fn functions_and_lines_of_this_program_are_found_and_shortened() {
        let symbolizer = Symbolizer::open(&env::current_exe().unwrap()).unwrap();
        let base = symbolizer.loader.relative_address_base();
        assert_eq!(base, 0, "the base of a position-independent program");
        let here = env::current_exe().unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let first = maps.lines().find(|line| line.ends_with(here.to_str().unwrap())).unwrap();
        let loaded = u64::from_str_radix(first.split('-').next().unwrap(), 16).unwrap();
        let places = symbolizer.places(&symbolizer.loader, a_function_of_this_program() - loaded);
        let [place] = &places[..] else { panic!("{places:?}") };
        assert!(place.contains("symbols::tests::a_function_of_this_program (src/symbols.rs:"), "{place}");
    }

    #[test]
    fn file_names_lose_what_says_nothing() {
        let mut symbolizer = Symbolizer::open(&env::current_exe().unwrap()).unwrap();
        symbolizer.here = Some("/me/app".into());
        for (file, short) in [
            ("/rustc/59807616/library/core/src/panicking.rs", "library/core/src/panicking.rs"),
            ("/me/.cargo/registry/src/index-1/x86_64-0.15.5/src/lib.rs", "x86_64-0.15.5/src/lib.rs"),
            ("/me/app/src/main.rs", "src/main.rs"),
            ("/me/application/src/main.rs", "/me/application/src/main.rs"),
            ("src/main.rs", "src/main.rs"),
        ] {
            assert_eq!(symbolizer.short(file), short);
        }
    }
}
