//! What binds QEMU's process to this one.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command};

use rustix::process::Signal;

/// Has the kernel kill the command's process when the thread that spawns it ends.
///
/// For whoever spawns it from the main thread, or waits for it, that is when this process ends.
pub fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let hook = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before that call; then nobody will send the signal.
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(io::Error::other("the parent is gone")) }
    };
    // SAFETY: The hook runs between fork and exec, where only async-signal-safe functions may be called: it
    // makes two system calls, and allocates only on the way to an error, after which the child just exits.
    unsafe { command.pre_exec(hook) };
}

/// Leaves `fd` open in the command's process, under the same number. This process's copy is closed once the
/// command is dropped.
pub fn inherit(command: &mut Command, fd: OwnedFd) {
    let hook = move || Ok(rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty())?);
    // SAFETY: The hook runs between fork and exec, where only async-signal-safe functions may be called: it
    // makes one system call and allocates nothing.
    unsafe { command.pre_exec(hook) };
}

/// Copies this process's standard input to the guest's serial port until either ends.
///
/// The thread that does it ends with the process: nothing interrupts a read of a terminal.
pub fn forward_stdin(mut serial: ChildStdin) {
    if !may_read_stdin() {
        return;
    }
    let mut stdin = io::stdin().lock();
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = stdin.read(&mut buffer) {
        if serial.write_all(&buffer[..len]).and_then(|()| serial.flush()).is_err() {
            return;
        }
    }
}

/// Whether this process may read its standard input: reading a terminal in the background would stop it.
fn may_read_stdin() -> bool {
    let stdin = io::stdin();
    !stdin.is_terminal() || rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp())
}
