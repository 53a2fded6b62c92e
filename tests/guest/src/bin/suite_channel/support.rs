//! The program, and what it is passed.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use libkern::kthread::sync::{Mutex, OnceLock};
use libkern::mem::{self, FrameUse};
use libkern::proc::{Builder, Exit, File, Proc, Program};
use mcp_abi::call::Error;

static PROGRAM: OnceLock<Arc<Program>> = OnceLock::new();

/// A process that is told to do `what`.
pub fn told<'a>(what: &[&'a str]) -> Builder<'a> {
    let load = || Program::load(libkern::include_program!("channel")).expect("the program is right");
    let named = Proc::create(PROGRAM.get_or_init(load)).name(what[0]);
    what.iter().fold(named, |builder, arg| builder.arg(arg))
}

/// Runs a process, which is to find everything right.
#[track_caller]
pub fn run(builder: Builder) {
    assert_eq!(builder.run().expect("there is memory").wait(), Exit::Status(0), "the status is a line of the program");
}

/// Frames that processes have, or programs, or regions.
pub fn frames() -> usize {
    mem::stats().used(FrameUse::Processes)
}

/// Ten digits, in memory. How many of these were dropped is counted.
pub struct Digits {
    bytes: Mutex<[u8; 10]>,
    dropped: &'static AtomicUsize,
}

impl Digits {
    pub fn file(dropped: &'static AtomicUsize) -> Arc<dyn File> {
        Arc::new(Self { bytes: Mutex::new(*b"0123456789"), dropped })
    }
}

impl Drop for Digits {
    fn drop(&mut self) {
        // It may block: whoever closes a handle is a kthread.
        libkern::kthread::yield_now();
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl File for Digits {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Error> {
        libkern::kthread::yield_now();
        let bytes = self.bytes.lock();
        let from = bytes.get(at as usize..).ok_or(Error::Invalid)?;
        let len = from.len().min(into.len());
        into[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<usize, Error> {
        let mut bytes = self.bytes.lock();
        let into = bytes.get_mut(at as usize..).ok_or(Error::Invalid)?;
        let len = into.len().min(from.len());
        into[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }
}
