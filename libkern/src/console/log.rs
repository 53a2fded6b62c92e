//! The `log` crate's records, on the console.
//!
//! ```text
//! [    0.012345 2] WARN libkern::mem: text
//!  seconds      core    target
//! ```

use core::str;

use conquer_once::spin::OnceCell;
use log::{Log, Metadata, Record};

use crate::arch;
use crate::args::LogFilter;

use super::global::compose;

static FILTER: OnceCell<LogFilter<'static>> = OnceCell::uninit();
static CLOCK: OnceCell<fn() -> u64> = OnceCell::uninit();

/// Sends what passes `filter` to the console from now on. Called once, at boot; what comes second is ignored.
pub fn init_log(filter: LogFilter<'static>) {
    let max_level = filter.max_level();
    // The only error of these two is that it was done before.
    let first = FILTER.try_init_once(|| filter).is_ok();
    if first && log::set_logger(&ConsoleLog).is_ok() {
        log::set_max_level(max_level);
    }
}

/// Says where the time in front of a line comes from: nanoseconds since boot. Until then it is 0. `now` is called in
/// any context. What comes second is ignored.
pub fn set_clock(now: fn() -> u64) {
    // The only error is that there is one.
    let _ = CLOCK.try_init_once(|| now);
}

struct ConsoleLog;

impl Log for ConsoleLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        FILTER.try_get().is_ok_and(|filter| filter.enabled(metadata.level(), metadata.target()))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let prefix = Prefix::new(now_ns(), arch::core_id());
        compose(|line| {
            line.write_str(prefix.as_str())?;
            for text in [record.level().as_str(), " ", record.target(), ": "] {
                line.write_str(text)?;
            }
            line.write_fmt(*record.args())?;
            line.write_char('\n')
        });
    }

    fn flush(&self) {
        super::flush();
    }
}

fn now_ns() -> u64 {
    CLOCK.try_get().map_or(0, |now| now())
}

/// `[    0.012345 2] `, made by hand: formatting it as usual costs a thousand instructions.
struct Prefix {
    text: [u8; Self::MAX_LEN],
    start: usize,
}

impl Prefix {
    /// Brackets, blanks and point, and 20 digits each for core and seconds.
    const MAX_LEN: usize = 5 + 20 + 6 + 20;

    fn new(ns: u64, core: usize) -> Self {
        let mut prefix = Self { text: [b' '; Self::MAX_LEN], start: Self::MAX_LEN };
        let (seconds, micros) = (ns / 1_000_000_000, ns / 1000 % 1_000_000);
        // From right to left, as digits come.
        prefix.push(b' ');
        prefix.push(b']');
        prefix.push_number(core as u64, 1);
        prefix.push(b' ');
        prefix.push_number(micros, 6);
        prefix.push(b'.');
        let point = prefix.start;
        prefix.push_number(seconds, 1);
        prefix.start = prefix.start.min(point - 5);
        prefix.push(b'[');
        prefix
    }

    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.text[self.start] = byte;
    }

    fn push_number(&mut self, mut number: u64, digits: usize) {
        let end = self.start;
        while number > 0 || end - self.start < digits {
            self.push(b'0' + (number % 10) as u8);
            number /= 10;
        }
    }

    fn as_str(&self) -> &str {
        // It is ASCII.
        str::from_utf8(&self.text[self.start..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_shows_time_and_core() {
        let prefix = |ns, core| Prefix::new(ns, core).as_str().to_owned();
        assert_eq!(prefix(12_345_678, 2), "[    0.012345 2] ");
        assert_eq!(prefix(0, 0), "[    0.000000 0] ");
        assert_eq!(prefix(98_765_000_001_999, 287), "[98765.000001 287] ");
        assert_eq!(prefix(u64::MAX, usize::MAX), "[18446744073.709551 18446744073709551615] ");
    }
}
