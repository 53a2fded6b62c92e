//! Clocks of known frequency, by which the time-stamp counter is measured and which stand in for it where it is unusable.
//!
//! The best one that the machine has: HPET, ACPI's power-management timer, else the 8254.

use acpi::address::AddressSpace;
use acpi::fadt::Fadt;
use conquer_once::spin::OnceCell;
use x86_64::instructions::port::Port;

use super::firmware as tables;
use super::paging::{self, Caching};

/// A free-running counter.
#[derive(Clone, Copy, Debug)]
pub enum ReferenceClock {
    /// The high-precision event timer's main counter.
    Hpet {
        /// Where its registers are.
        registers: usize,
        /// Ticks per second.
        hz: u64,
        /// How many bits count.
        bits: u32,
    },
    /// ACPI's power-management timer.
    PmTimer {
        /// Its I/O port.
        port: u16,
        /// How many bits count.
        bits: u32,
    },
    /// Counter 0 of the 8254, counting down from 65,536 again and again.
    Pit,
}

static CLOCK: OnceCell<ReferenceClock> = OnceCell::uninit();

impl ReferenceClock {
    /// This machine's, started.
    pub fn get() -> ReferenceClock {
        *CLOCK.get_or_init(|| Self::hpet().or_else(Self::pm_timer).unwrap_or_else(Self::pit))
    }

    fn hpet() -> Option<Self> {
        const CAPABILITIES: usize = 0x00;
        const CONFIGURATION: usize = 0x10;
        const COUNTER_IS_64_BITS: u64 = 1 << 13;
        const FEMTOSECONDS: u64 = 1_000_000_000_000_000;
        let info = acpi::HpetInfo::new(tables::tables()?).ok()?;
        // SAFETY: the HPET's page of registers.
        unsafe {
            let at = paging::reach(info.base_address as u64, 1024, Caching::Uncached).ok()?;
            let capabilities = at.add(CAPABILITIES).cast::<u64>().read_volatile();
            let period = capabilities >> 32;
            // The specification allows at most 100 ns; anything else is no HPET.
            if period == 0 || period > 100_000_000 {
                return None;
            }
            let configuration = at.add(CONFIGURATION).cast::<u64>();
            configuration.write_volatile(configuration.read_volatile() | 1);
            let bits = if capabilities & COUNTER_IS_64_BITS != 0 { 64 } else { 32 };
            Some(Self::Hpet { registers: at.addr(), hz: FEMTOSECONDS / period, bits })
        }
    }

    fn pm_timer() -> Option<Self> {
        let fadt = tables::find::<Fadt>()?;
        let block = fadt.pm_timer_block().ok()??;
        let port = u16::try_from(block.address).ok()?;
        let flags = fadt.flags;
        let bits = if flags.pm_timer_is_32_bit() { 32 } else { 24 };
        (block.address_space == AddressSpace::SystemIo && port != 0).then_some(Self::PmTimer { port, bits })
    }

    fn pit() -> Self {
        // SAFETY: counter 0, both bytes, mode 2 with the longest period. Its interrupt is masked.
        unsafe {
            Port::<u8>::new(0x43).write(0x34);
            Port::<u8>::new(0x40).write(0);
            Port::<u8>::new(0x40).write(0);
        }
        Self::Pit
    }

    /// Ticks per second.
    pub fn hz(self) -> u64 {
        match self {
            Self::Hpet { hz, .. } => hz,
            Self::PmTimer { .. } => 3_579_545,
            Self::Pit => 1_193_182,
        }
    }

    /// The counter now. Any context.
    pub fn now(self) -> u64 {
        const COUNTER: usize = 0xf0;
        match self {
            // SAFETY: the register was mapped when the clock was found.
            Self::Hpet { registers, bits, .. } => unsafe {
                let counter = core::ptr::with_exposed_provenance::<u64>(registers + COUNTER);
                counter.read_volatile() & mask(bits)
            },
            // SAFETY: the timer's port; reading has no effect.
            Self::PmTimer { port, bits } => u64::from(unsafe { Port::<u32>::new(port).read() }) & mask(bits),
            // SAFETY: latches counter 0 and reads it. Called by one core at a time: during calibration.
            Self::Pit => unsafe {
                Port::<u8>::new(0x43).write(0);
                let low = Port::<u8>::new(0x40).read();
                let high = Port::<u8>::new(0x40).read();
                u64::from(u16::MAX - u16::from_le_bytes([low, high]))
            },
        }
    }

    /// Ticks from `earlier` to `later`, less than one turn of the counter apart.
    pub fn elapsed(self, earlier: u64, later: u64) -> u64 {
        later.wrapping_sub(earlier) & mask(self.bits())
    }

    fn bits(self) -> u32 {
        match self {
            Self::Hpet { bits, .. } | Self::PmTimer { bits, .. } => bits,
            Self::Pit => 16,
        }
    }

    /// What it is, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hpet { .. } => "HPET",
            Self::PmTimer { .. } => "ACPI PM timer",
            Self::Pit => "8254",
        }
    }
}

const fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}
