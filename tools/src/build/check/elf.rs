//! The executable itself: static, at a fixed place, nothing both writable and executable.

use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, elf};

use super::flaw::Flaw;

const LE: LittleEndian = LittleEndian;

/// An ELF file whose headers can be read.
pub struct Elf<'data> {
    /// The whole file.
    pub bytes: &'data [u8],
    /// The same, understood.
    pub file: ElfFile64<'data, LittleEndian>,
}

impl<'data> Elf<'data> {
    /// Reads the headers.
    pub fn parse(bytes: &'data [u8]) -> Result<Self, Flaw> {
        let file = ElfFile64::<LittleEndian>::parse(bytes).map_err(|error| Flaw::NotElf(error.to_string()))?;
        let machine = file.elf_header().e_machine(LE);
        if machine != elf::EM_X86_64 {
            return Err(Flaw::NotElf(format!("its machine is {machine:?}")));
        }
        Ok(Self { bytes, file })
    }

    /// Checks type and segments.
    pub fn check(&self) -> Result<(), Flaw> {
        match self.file.elf_header().e_type(LE) {
            elf::ET_EXEC => {}
            elf::ET_DYN => return Err(Flaw::PositionIndependent),
            other => return Err(Flaw::NotElf(format!("its type is {other:?}"))),
        }
        for segment in self.file.elf_program_headers() {
            match segment.p_type(LE) {
                elf::PT_INTERP => return Err(Flaw::Dynamic("an interpreter (PT_INTERP)")),
                elf::PT_DYNAMIC => return Err(Flaw::Dynamic("a dynamic section (PT_DYNAMIC)")),
                elf::PT_TLS => return Err(Flaw::ThreadLocals),
                elf::PT_LOAD => self.check_load(segment)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_load(&self, segment: &elf::ProgramHeader64<LittleEndian>) -> Result<(), Flaw> {
        let flags = segment.p_flags(LE);
        let address = segment.p_vaddr(LE);
        if flags.contains(elf::PF_W) && flags.contains(elf::PF_X) {
            return Err(Flaw::WritableCode(address));
        }
        match segment.data(LE, self.bytes) {
            Ok(_) => Ok(()),
            Err(()) => Err(Flaw::Truncated(address)),
        }
    }

    /// The physical address behind the last byte of any segment.
    pub fn physical_end(&self) -> u64 {
        let loads = self.file.elf_program_headers().iter().filter(|segment| segment.p_type(LE) == elf::PT_LOAD);
        loads.map(|segment| segment.p_paddr(LE).saturating_add(segment.p_memsz(LE))).max().unwrap_or(0)
    }

    /// Whether there is code from the file at this physical address.
    pub fn has_code_at(&self, physical: u64) -> bool {
        self.file.elf_program_headers().iter().any(|segment| {
            segment.p_type(LE) == elf::PT_LOAD
                && segment.p_flags(LE).contains(elf::PF_X)
                && physical.checked_sub(segment.p_paddr(LE)).is_some_and(|offset| offset < segment.p_filesz(LE))
        })
    }
}
