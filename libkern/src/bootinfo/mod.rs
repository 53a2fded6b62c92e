//! What the loader left behind, in one shape for both boot protocols.
//!
//! [`multiboot2::parse`] and [`pvh::parse`] turn the bytes a loader left in memory into a [`BootInfo`]. They are
//! functions of those bytes and of nothing else, so they are tested and fuzzed on the host. They run on the boot stack
//! before there is a heap, a console or an interrupt table; therefore:
//!
//! - **Nothing is believed.** A length is compared with what is there, an address with the memory map, a sum with its
//!   overflow. The parsers never panic.
//! - **What can be survived is survived.** A module outside memory is left out, a command line with stray bytes is cut,
//!   and a [`Note`] says so; the kernel logs the notes once it has a console. Only what makes booting pointless is an
//!   [`Error`]: no readable information, no usable memory.
//! - **Doubt costs memory, never safety.** Where two entries of the memory map disagree, the one that forbids wins; a
//!   page that is usable in part is not usable; when the table is full, usable memory is forgotten rather than a
//!   reservation.
//! - **Nothing is copied that can stay.** Strings are borrowed from the loader's memory. The map lists that memory as
//!   [`Kind::BootData`], so no allocator gives it away while a `BootInfo` refers to it.
//!
//! The parsers take the range of the running image and claim it in the map, with the modules; what the map then calls
//! [`Kind::Usable`] is free.
//!
//! [`rsdp::find`] and [`s5::sleep_type`] are the two searches through foreign bytes that ACPI asks for.
//!
//! Rejected: filling in a `static`, which would make the parsers impure for the sake of 4 KiB of stack; and keeping the
//! two protocols apart behind a trait, which spreads the distrust over everything that asks.

mod bytes;
mod error;
mod framebuffer;
mod memory;
pub mod multiboot2;
mod note;
pub mod pvh;
pub mod rsdp;
pub mod s5;
mod text;

use core::ops::Range;

use heapless::Vec;
use note::Notes;

pub use error::Error;
pub use framebuffer::{Channel, Framebuffer, PixelFormat};
pub use memory::{Kind, MAX_REGIONS, MemoryMap, PAGE, Region};
pub use note::{MAX_NOTES, Note};

/// How many modules are kept.
pub const MAX_MODULES: usize = 16;

/// Which protocol handed the machine over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The Xen/PVH entry: `qemu -kernel`, Firecracker, Cloud Hypervisor.
    Pvh,
    /// Multiboot2: GRUB and others, on BIOS and on UEFI.
    Multiboot2,
}

impl Protocol {
    /// The protocol's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pvh => "pvh",
            Self::Multiboot2 => "multiboot2",
        }
    }
}

/// A file that the loader put into memory beside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// Physical address of its first byte.
    pub start: u64,
    /// Physical address after its last byte.
    pub end: u64,
    /// The words that followed the file's name in the loader's configuration.
    pub command_line: &'a str,
}

/// What the loader said, checked.
///
/// `'a` is the life of the loader's memory, from which the strings are borrowed.
#[derive(Debug)]
pub struct BootInfo<'a> {
    /// Who is speaking.
    pub protocol: Protocol,
    /// The memory map, with the image, the modules and the loader's own data claimed in it.
    pub memory: MemoryMap,
    /// The kernel command line; empty if there was none.
    pub command_line: &'a str,
    /// Modules. Each was in a region that the loader lists and overlaps neither the image nor another module.
    pub modules: Vec<Module<'a>, MAX_MODULES>,
    /// Physical address of a root system description pointer whose signature and checksums are right. It may be the
    /// loader's copy, which lies in [`Kind::BootData`].
    pub rsdp: Option<u64>,
    /// The screen, where the loader handed one over.
    pub framebuffer: Option<Framebuffer>,
    /// What the loader calls itself.
    pub loader: Option<&'a str>,
    notes: Notes,
}

impl<'a> BootInfo<'a> {
    const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            memory: MemoryMap::new(),
            command_line: "",
            modules: Vec::new(),
            rsdp: None,
            framebuffer: None,
            loader: None,
            notes: Notes::new(),
        }
    }

    /// What was odd and was survived, in the order it was found.
    pub fn notes(&self) -> &[Note] {
        &self.notes.list
    }

    /// How many further notes there was no room for.
    pub const fn notes_lost(&self) -> usize {
        self.notes.lost
    }

    /// Ends the reading of the loader's map: claims the running image in it.
    fn claim_image(&mut self, image: &Range<u64>) -> Result<(), Error> {
        if self.memory.is_empty() {
            return Err(Error::NoMemoryMap);
        }
        self.memory.claim(image.start, image.end, Kind::Image);
        Ok(())
    }

    /// Ends the parsing, once everything is claimed.
    fn finish(self) -> Result<Self, Error> {
        if self.memory.usable_bytes() == 0 {
            return Err(Error::NoUsableMemory);
        }
        Ok(self)
    }

    /// Takes a module in, if it is one.
    fn add_module(&mut self, module: Module<'a>) {
        let Module { start, end, .. } = module;
        if start >= end {
            self.notes.add(Note::ModuleEmpty { start, end });
        } else if !self.memory.is_room_for_module(start, end) {
            self.notes.add(Note::ModuleMisplaced { start, end });
        } else if self.modules.push(module).is_err() {
            self.notes.add(Note::ModuleTooMany { start, end });
            // Not offered, but somebody put it there: leave it in peace.
            self.memory.claim(start, end, Kind::Module);
        } else {
            self.memory.claim(start, end, Kind::Module);
        }
    }
}
