//! The `log` crate's records, on the console.
//!
//! ```text
//! [    0.012345 2] WARN libkern::mem: text
//!  seconds      core    target
//! ```

use conquer_once::spin::OnceCell;
use log::{Log, Metadata, Record};

use crate::arch;
use crate::args::LogFilter;

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
        let (seconds, micros) = time();
        super::println(format_args!(
            "[{seconds:5}.{micros:06} {}] {} {}: {}",
            arch::core_id(),
            record.level(),
            record.target(),
            record.args(),
        ));
    }

    fn flush(&self) {
        super::flush();
    }
}

/// Seconds since boot, and microseconds of the second that has begun.
fn time() -> (u64, u64) {
    let micros = CLOCK.try_get().map_or(0, |now| now() / 1000);
    (micros / 1_000_000, micros % 1_000_000)
}
