//! What the machine and its loader said at boot, for whoever wants to know later.

use alloc::string::String;
use alloc::vec::Vec;

use conquer_once::spin::OnceCell;

use crate::arch::{boot::Handover, paging};
use crate::bootinfo::{BootInfo, Framebuffer, Protocol};

/// A file that the loader put into memory beside the image.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// Its contents.
    pub bytes: &'static [u8],
    /// The words that followed its name in the loader's configuration.
    pub command_line: &'static str,
}

/// The facts.
#[derive(Debug)]
pub struct Machine {
    /// By which protocol the image was entered.
    pub protocol: Protocol,
    /// What the loader calls itself; empty if it does not.
    pub loader: &'static str,
    /// Modules.
    pub modules: Vec<Module>,
    /// The screen that the loader handed over.
    pub framebuffer: Option<Framebuffer>,
    /// The time-stamp counter at the image's first instruction.
    pub entry_tsc: u64,
    /// Physical address of the image.
    pub image: u64,
}

static MACHINE: OnceCell<Machine> = OnceCell::uninit();

/// Keeps what is worth keeping of the loader's information. Once, at boot, with a heap.
pub(crate) fn init(info: &BootInfo<'_>, handover: &Handover) {
    let keep = |text: &str| -> &'static str { String::from(text).leak() };
    let modules = info.modules.iter().map(|module| Module {
        // SAFETY: modules are memory that no allocator owns, in the direct map, and nobody writes to them.
        bytes: unsafe {
            let start = core::ptr::with_exposed_provenance(paging::direct_map_base() + module.start as usize);
            core::slice::from_raw_parts(start, (module.end - module.start) as usize)
        },
        command_line: keep(module.command_line),
    });
    MACHINE.init_once(|| Machine {
        protocol: info.protocol,
        loader: info.loader.map_or("", keep),
        modules: modules.collect(),
        framebuffer: info.framebuffer,
        entry_tsc: handover.entry_tsc,
        image: handover.image,
    });
}

/// The facts. From `main` on; never blocks.
///
/// # Panics
/// During boot.
#[must_use]
pub fn get() -> &'static Machine {
    MACHINE.try_get().expect("the facts about the machine are there before main is")
}
