//! Ctrl-C and SIGTERM.
//!
//! While a session runs, a request to stop must end QEMU first; without one, it may end this process on the
//! spot, as it would have had nobody caught it. So the handler counts sessions. A session's poll includes the
//! read end of a pipe that the handler writes to; the byte stays in it, so that no later session starts work
//! that the user has already called off.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The shell's code for a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

static WAKE: OnceLock<OwnedFd> = OnceLock::new();
static REQUESTED: AtomicBool = AtomicBool::new(false);
static SESSIONS: AtomicUsize = AtomicUsize::new(0);

/// Whether the user asked to stop. What would start another session ends instead.
pub fn interrupted() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Proof that a session exists which hears of interrupts.
pub struct Watch(());

impl Watch {
    /// Installs the handler at the first call.
    pub fn start() -> io::Result<Self> {
        if WAKE.get().is_none() {
            install()?;
        }
        // The count publishes nothing but itself.
        SESSIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Self(()))
    }

    /// Readable once the user asked to stop.
    pub fn fd(&self) -> BorrowedFd<'static> {
        WAKE.get().expect("set before any Watch exists").as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        SESSIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn install() -> io::Result<()> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let handler = move || {
        let again = REQUESTED.swap(true, Ordering::Relaxed);
        if again || SESSIONS.load(Ordering::Relaxed) == 0 {
            std::process::exit(INTERRUPTED);
        }
        // It can fail only if every session ended meanwhile, and then nobody waits.
        let _ = rustix::io::write(&writer, b"!");
    };
    match WAKE.set(reader) {
        Ok(()) => ctrlc::set_handler(handler).map_err(io::Error::other),
        // Another thread was faster and installs its handler.
        Err(_) => Ok(()),
    }
}
