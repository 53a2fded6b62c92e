//! A machine as data.

use std::time::Duration;

use super::accel::Accel;
use super::machine::{Boot, Machine};
use super::screen::Screen;
use super::size::Size;

/// Cores of a machine that nobody specified.
pub const DEFAULT_SMP: u32 = 4;
/// The most cores that QEMU gives a machine.
pub const MAX_SMP: u32 = 288;
/// The most cores that xAPIC ids can name; beyond that interrupts must be remapped.
pub const MAX_SMP_XAPIC: u32 = 255;
/// Memory of a machine that nobody specified.
pub const DEFAULT_MEM: Size = Size::mib(128);

/// A machine to boot, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of cores, 1 to [`MAX_SMP`].
    pub smp: u32,
    /// Amount of memory.
    pub mem: Size,
    /// Board.
    pub machine: Machine,
    /// What loads the image.
    pub boot: Boot,
    /// What executes the guest's instructions.
    pub accel: Accel,
    /// Further properties of the accelerator, as in `one-insn-per-tb=on`.
    pub accel_options: Vec<String>,
    /// QEMU's name of the CPU model; without one, the best that the accelerator has.
    pub cpu: Option<String>,
    /// The guest's command line. [`join_words`](super::join_words) makes one of words.
    pub append: String,
    /// Whether the machine has a serial port. Without one there is no console text.
    pub serial: bool,
    /// Whether the machine has a VGA adapter, and so a framebuffer when GRUB boots it.
    pub vga: bool,
    /// Whether the machine has a screen in the guest's own memory (`ramfb`), for one that QEMU itself boots.
    pub ramfb: bool,
    /// What becomes of what is on its screen.
    pub screen: Screen,
    /// Whether QEMU has a monitor, by which the guest may have keys pressed. It has one for a picture, too.
    pub monitor: bool,
    /// Whether this process's standard input goes to the guest's serial port.
    pub stdin: bool,
    /// TCP port on which QEMU waits for a debugger before the first instruction.
    pub gdb: Option<u16>,
    /// How long the run may take in all. [`run`](super::run()) heeds it; who drives a [`Session`](super::Session) sets deadlines instead.
    pub timeout: Option<Duration>,
    /// Further arguments to QEMU.
    pub extra: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            smp: DEFAULT_SMP,
            mem: DEFAULT_MEM,
            machine: Machine::Microvm,
            boot: Boot::Kernel,
            accel: Accel::Auto,
            accel_options: Vec::new(),
            cpu: None,
            append: String::new(),
            serial: true,
            vga: false,
            ramfb: false,
            screen: Screen::Hidden,
            monitor: false,
            stdin: false,
            gdb: None,
            timeout: None,
            extra: Vec::new(),
        }
    }
}

impl Config {
    /// Says what is wrong with a machine that QEMU or the guest could not be.
    ///
    /// # Errors
    /// A sentence about the first contradiction.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { smp, machine, boot, .. } = *self;
        if smp == 0 || smp > MAX_SMP {
            anyhow::bail!("a machine has 1 to {MAX_SMP} cores, not {smp}");
        }
        if smp > MAX_SMP_XAPIC && machine != Machine::Q35 {
            anyhow::bail!("{machine} has at most {MAX_SMP_XAPIC} cores; use --machine q35 for {smp} of them");
        }
        if machine == Machine::Microvm && boot != Boot::Kernel {
            anyhow::bail!("microvm has no firmware that starts GRUB; use --machine q35 with --boot {boot}");
        }
        Ok(())
    }
}
