//! Things that an application lets processes read and write by calls.

use alloc::string::String;
use alloc::sync::Arc;

use mcp_abi::call::Error;

/// Something like a file: what it is, the application knows.
///
/// The functions run as a kthread that works for the process, and may block; they are given a copy of what the process
/// wrote, or a buffer that is copied to it. They may be called by several kthreads at once.
pub trait File: Send + Sync {
    /// Reads into `into`, from byte `at` on, and says how many bytes. Fewer than asked for are all right.
    ///
    /// # Errors
    /// What the process is told.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Error> {
        let _ = (at, into);
        Err(Error::NoRight)
    }

    /// Writes `from`, from byte `at` on, and says how many bytes. Fewer than asked for are all right.
    ///
    /// # Errors
    /// What the process is told.
    fn write(&self, at: u64, from: &[u8]) -> Result<usize, Error> {
        let _ = (at, from);
        Err(Error::NoRight)
    }
}

/// The kernel's console, for one process or for several who share a name there. Each line begins with that name; what could
/// tell a terminal to do something is spelled out.
#[derive(Clone, Debug)]
pub struct Console {
    tag: Arc<String>,
}

impl Console {
    /// The console, for lines that begin with `tag`.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        Self { tag: Arc::new(String::from(tag)) }
    }

    pub(crate) fn write(&self, lines: &[u8]) {
        print(&self.tag, lines);
    }
}

/// Prints lines, or parts of some, under a name.
pub(crate) fn print(tag: &str, lines: &[u8]) {
    for line in lines.strip_suffix(b"\n").unwrap_or(lines).split(|&byte| byte == b'\n') {
        crate::println!("[{tag}] {}", line.escape_ascii());
    }
}
