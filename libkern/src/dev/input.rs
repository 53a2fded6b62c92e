//! What somebody types on the console.
//!
//! The device's interrupt handler puts bytes into a queue ([`put`]) and gives a unit of a semaphore for each; whoever reads
//! sleeps on that. The device interrupts from the first read on. Bytes that come while nobody reads wait, up to
//! [`QUEUE_LEN`] of them; further ones are lost, and counted.
//!
//! Nothing is echoed: the terminal at the other end does that, or the application.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use heapless::Deque;

use crate::arch::serial;
use crate::kthread::Expecting;
use crate::kthread::sync::{Semaphore, TimedOut};
use crate::sync::IrqSpinLock;

/// Bytes that wait to be read, at most.
pub const QUEUE_LEN: usize = 256;

static QUEUE: IrqSpinLock<Deque<u8, QUEUE_LEN>> = IrqSpinLock::new("console input", Deque::new());
static READY: Semaphore = Semaphore::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

/// Takes in what a device has received. Any context.
pub(super) fn put(byte: u8) {
    let put = QUEUE.lock().push_back(byte);
    match put {
        Ok(()) => {
            READY.up();
        }
        // Relaxed: a count.
        Err(_) => {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How many bytes came for which there was no room. Any context.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The next byte. Blocks until there is one.
///
/// # Panics
/// If it would block here: a lock is held, interrupts are off, or this is a handler.
pub fn read_byte() -> u8 {
    let _expecting = expect_input();
    READY.down();
    take()
}

/// The next byte, if it comes within `timeout`. Blocks.
///
/// # Errors
/// [`TimedOut`].
///
/// # Panics
/// As [`read_byte`].
pub fn read_byte_timeout(timeout: Duration) -> Result<u8, TimedOut> {
    let _expecting = expect_input();
    READY.down_timeout(timeout)?;
    Ok(take())
}

/// Reads a line, without its end, onto `line`, and says how many bytes that were. A line ends with a line feed or a carriage
/// return, of a pair of them with the first. What is not UTF-8 becomes replacement characters. Blocks.
///
/// # Panics
/// As [`read_byte`].
pub fn read_line(line: &mut String) -> usize {
    let mut bytes = Vec::new();
    let mut byte = read_byte();
    if byte == b'\n' && LAST_WAS_RETURN.swap(false, Ordering::Relaxed) {
        byte = read_byte();
    }
    while byte != b'\n' && byte != b'\r' {
        bytes.push(byte);
        byte = read_byte();
    }
    LAST_WAS_RETURN.store(byte == b'\r', Ordering::Relaxed);
    line.push_str(&String::from_utf8_lossy(&bytes));
    bytes.len()
}

/// Whether the last line ended with a carriage return, whose line feed may follow.
static LAST_WAS_RETURN: AtomicBool = AtomicBool::new(false);

/// Somebody is about to wait for the device.
fn expect_input() -> Expecting {
    let expecting = Expecting::new();
    serial::interrupt_when_readable(true);
    expecting
}

/// A byte for which the semaphore was taken.
fn take() -> u8 {
    QUEUE.lock().pop_front().expect("there is a byte for each unit")
}
