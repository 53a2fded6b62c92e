//! The wall clock: the battery-backed clock of the PC.

use acpi::fadt::Fadt;
use spin::Mutex;
use x86_64::instructions::port::Port;

use super::firmware as tables;

/// Date and time as the clock keeps it, taken to be UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the unit of its name")]
pub struct DateTime {
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

static LOCK: Mutex<()> = Mutex::new(());

/// Reads the clock, or none if it does not answer with a date.
///
/// Reads until two readings agree, so that one taken while the clock ticks over is not believed. Ports are slow: keep
/// what it says and count on by the time-stamp counter.
pub fn read() -> Option<DateTime> {
    const TRIES: usize = 100_000;
    let flags = super::irq::save_and_disable();
    let result = {
        let _guard = LOCK.lock();
        let mut last = None;
        (0..TRIES).find_map(|_| {
            if register(0x0a) & 0x80 != 0 {
                return None;
            }
            let now = raw();
            (last.replace(now) == Some(now)).then_some(now)
        })
    };
    // SAFETY: the innermost.
    unsafe { super::irq::restore(flags) };
    decode(result?)
}

/// Second, minute, hour, day, month, year, century, and the register that says how they are coded.
type Raw = [u8; 8];

fn raw() -> Raw {
    let century = match tables::find::<Fadt>() {
        Some(fadt) if fadt.century != 0 => register(fadt.century),
        _ => 0,
    };
    [register(0), register(2), register(4), register(7), register(8), register(9), century, register(0x0b)]
}

fn decode([second, minute, hour, day, month, year, century, format]: Raw) -> Option<DateTime> {
    const BINARY: u8 = 1 << 2;
    const HOURS_24: u8 = 1 << 1;
    const AFTERNOON: u8 = 1 << 7;
    let number = |byte: u8| if format & BINARY != 0 { byte } else { (byte >> 4) * 10 + (byte & 0xf) };
    let hour = match (format & HOURS_24 != 0, hour & AFTERNOON != 0, number(hour & !AFTERNOON)) {
        (true, _, _) => number(hour),
        (false, false, 12) => 0,
        (false, true, 12) => 12,
        (false, afternoon, hour) => hour + if afternoon { 12 } else { 0 },
    };
    let century = match number(century) {
        century @ 19..=21 => u16::from(century),
        _ => 20,
    };
    let time = DateTime {
        year: century * 100 + u16::from(number(year)),
        month: number(month),
        day: number(day),
        hour,
        minute: number(minute),
        second: number(second),
    };
    let valid = (1..=12).contains(&time.month)
        && (1..=31).contains(&time.day)
        && time.hour < 24
        && time.minute < 60
        && time.second < 61;
    valid.then_some(time)
}

fn register(index: u8) -> u8 {
    const NMI_STAYS_ENABLED: u8 = 0x7f;
    // SAFETY: selects and reads a register of the clock, under the lock.
    unsafe {
        Port::<u8>::new(0x70).write(index & NMI_STAYS_ENABLED);
        Port::<u8>::new(0x71).read()
    }
}
