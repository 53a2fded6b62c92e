//! How a process ended.

use core::fmt;

use super::image::BuildId;
use crate::arch::traps::exception_name;
use crate::mem::space::Access;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It said so, with this status.
    Status(u64),
    /// Somebody who controls it wanted that.
    Killed,
    /// It did what it must not.
    Fault(Fault),
    /// It made a call that it was not given, and its parent wanted it to die of that.
    Denied {
        /// The call's number.
        number: u32,
    },
    /// It was on a core for as long as it may be.
    TimeLimit,
    /// A page could not be had when it was touched.
    OutOfMemory {
        /// Where.
        address: usize,
    },
}

impl Exit {
    /// Whether it ended well: by itself, with status 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Exit::Status(0)
    }
}

/// An exception in ring 3.
///
/// `cargo roost` shows which function and line of the program `build_id+0x...` is, as it is displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exception's vector.
    pub vector: u8,
    /// The processor's error code.
    pub error: u64,
    /// The instruction.
    pub rip: usize,
    /// The instruction, as the program's file has it; that is what a debugger wants.
    pub rip_in_file: usize,
    /// Of a page fault, the address.
    pub address: usize,
    /// The stack pointer.
    pub rsp: usize,
    /// By which the program's file is told from others.
    pub build_id: Option<BuildId>,
}

/// What a page fault's error code says was tried.
pub(super) fn access_of(error: u64) -> Access {
    match (error & 1 << 4 != 0, error & 1 << 1 != 0) {
        (true, _) => Access::Execute,
        (false, true) => Access::Write,
        (false, false) => Access::Read,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PAGE_FAULT: u8 = 14;
        let at = self.rip;
        match exception_name(self.vector.into()) {
            Some(_) if self.vector == PAGE_FAULT => {
                let what = match access_of(self.error) {
                    Access::Read => "reading",
                    Access::Write => "writing",
                    Access::Execute => "executing",
                };
                write!(f, "{what} at {:#x}, where it must not, by the instruction at {at:#x}", self.address)?;
            }
            Some(name) => write!(f, "{name} (error code {:#x}) at {at:#x}", self.error)?,
            None => write!(f, "interrupt {} at {at:#x}", self.vector)?,
        }
        match self.build_id {
            Some(build_id) => write!(f, " ({build_id}+{:#x})", self.rip_in_file),
            None => write!(f, " ({:#x} in its file)", self.rip_in_file),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Status(status) => write!(f, "it ended with status {status}"),
            Exit::Killed => f.write_str("it was killed"),
            Exit::Fault(fault) => write!(f, "it died: {fault}"),
            Exit::Denied { number } => write!(f, "it died: it made call {number}, which it was not given"),
            Exit::TimeLimit => f.write_str("it died: its time was up"),
            Exit::OutOfMemory { address } => write!(f, "it died: there was no memory for the page at {address:#x}"),
        }
    }
}
