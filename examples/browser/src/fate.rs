//! What became of a renderer, in plain words.

use core::fmt;

use libkern::proc::{CreateError, Exit};
use mcp_abi::exit::PANICKED;
use mcp_abi::process::USER_END;

/// What became of a renderer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It found a mistake of its own.
    Crashed,
    /// It ended, which it should not.
    Ended,
    /// It reached for the kernel's memory.
    ReachedForKernel,
    /// It did what a process must not, or cannot.
    Fault,
    /// It made a call that it was not given.
    Denied,
    /// It was busy for longer than it may be.
    TookTooLong,
    /// It wanted more memory than it may have.
    TooMuchMemory,
    /// It did not answer.
    Silent,
    /// It said what nobody understands.
    Nonsense,
    /// The browser ended it.
    Stopped,
    /// There was none.
    NotStarted(CreateError),
}

impl Fate {
    /// Of a renderer that ended so.
    pub fn of(exit: Exit) -> Self {
        match exit {
            Exit::Status(status) if status == PANICKED.into() => Fate::Crashed,
            Exit::Status(_) => Fate::Ended,
            Exit::Fault(fault) if fault.address >= USER_END => Fate::ReachedForKernel,
            Exit::Fault(_) => Fate::Fault,
            Exit::Denied { .. } => Fate::Denied,
            Exit::TimeLimit => Fate::TookTooLong,
            Exit::OutOfMemory { .. } => Fate::TooMuchMemory,
            Exit::Killed => Fate::Stopped,
        }
    }

    /// In a few words.
    pub fn headline(&self) -> &'static str {
        match self {
            Fate::Crashed | Fate::Ended => "This page crashed",
            Fate::ReachedForKernel | Fate::Fault | Fate::Denied => "This page tried to break out",
            Fate::TookTooLong | Fate::Silent => "This page hangs",
            Fate::TooMuchMemory => "This page is too large",
            Fate::Nonsense => "This page makes no sense",
            Fate::Stopped => "This page was stopped",
            Fate::NotStarted(_) => "This page cannot be shown",
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::Crashed => "Its renderer found something that cannot be, and gave up.",
            Fate::Ended => "Its renderer ended before it was asked to.",
            Fate::ReachedForKernel => {
                "Its renderer reached for the kernel's memory, and was ended. Nothing was changed."
            }
            Fate::Fault => "Its renderer did what no process may, and was ended.",
            Fate::Denied => "Its renderer asked for what it was not given, and was ended.",
            Fate::TookTooLong => "Its renderer was busy for longer than it may be, and was ended.",
            Fate::TooMuchMemory => "Its renderer wanted more than the 2 MiB that it may have, and was ended.",
            Fate::Silent => "Its renderer did not answer, and was ended.",
            Fate::Nonsense => "Its renderer said what nobody understands, and was ended.",
            Fate::Stopped => "The browser ended its renderer.",
            Fate::NotStarted(error) => return write!(f, "There is no renderer for it: {error}."),
        })
    }
}
