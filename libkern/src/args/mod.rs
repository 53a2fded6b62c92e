//! The kernel command line: options for the kernel, arguments for the application.
//!
//! ```text
//! roost.log=warn,libkern::mem=debug input.txt "two words" -- roost.log=mine
//! ^ option                          ^ argument ^ argument    ^ argument
//! ```
//!
//! Blanks separate words. Double quotes and backslashes protect blanks, quotes and backslashes. Up to a lone `--`,
//! words that start with `roost.` are options; all other words, and everything behind the `--`, belong to the
//! application.
//!
//! The loader's text is split once, at boot, into a buffer of its own, because a protected word is not a piece of the
//! text it came from. What is asked of it later is a walk over that buffer: nothing here allocates, so the options can
//! be read before there is a heap, and an argument is a `&'static str`.
//!
//! An option that is misspelt is not an error. [`CommandLine::problems`] lists them, for the kernel to log once it can.

mod filter;
mod options;
mod split;

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use conquer_once::spin::OnceCell;

pub use filter::{LogFilter, MAX_TARGETS};
pub use options::{ConsoleChoice, Options, Problem, TestOptions};
pub use split::CommandLine;

/// Room for the words, in bytes; a command line may have one less.
pub const MAX_LEN: usize = 2048;

static LINE: OnceCell<CommandLine<'static>> = OnceCell::uninit();

/// The words. Zeroed, so that it takes no room in the image.
static BUFFER: Buffer = Buffer { bytes: UnsafeCell::new([0; MAX_LEN]), is_taken: AtomicBool::new(false) };

/// A buffer that is given away once.
struct Buffer {
    bytes: UnsafeCell<[u8; MAX_LEN]>,
    is_taken: AtomicBool,
}

// SAFETY: `take` gives the bytes to one caller only.
unsafe impl Sync for Buffer {}

impl Buffer {
    #[expect(clippy::mut_from_ref, reason = "it gives the bytes to one caller only")]
    fn take(&'static self) -> Option<&'static mut [u8]> {
        // Relaxed: who takes them finds them as they were linked.
        if self.is_taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: it was not taken before, and from now on it is, so this is the only reference there will be.
        Some(unsafe { &mut *self.bytes.get() })
    }
}

/// Splits the loader's command line. Called once, at boot, by one core; what comes second is ignored.
pub fn init(line: &str) {
    if let Some(buffer) = BUFFER.take() {
        // The only error is that it was done before, and then there is no buffer.
        let _ = LINE.try_init_once(|| CommandLine::split(line, buffer));
    }
}

/// The command line; an empty one before [`init`]. Never blocks.
pub fn command_line() -> CommandLine<'static> {
    LINE.try_get().copied().unwrap_or(CommandLine::EMPTY)
}

/// The application's arguments, in order. There is no name of the program among them. Never blocks.
pub fn args() -> impl Iterator<Item = &'static str> + Clone {
    command_line().args()
}
