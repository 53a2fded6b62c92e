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
//! The loader's text is split once, at boot, into a buffer of its own ([`CommandLine`]), because a protected word is
//! not a piece of the text it came from. What is asked of it later is a walk over that buffer: nothing here allocates,
//! so the options can be read before there is a heap, and an argument is a `&'static str`.
//!
//! An option that is misspelt is not an error. [`CommandLine::problems`] lists them, for the kernel to log once it can.

mod filter;
mod options;
mod split;

use conquer_once::spin::OnceCell;

pub use filter::{LogFilter, MAX_TARGETS};
pub use options::{ConsoleChoice, Options, Problem, TestOptions};
pub use split::{CommandLine, MAX_LEN};

static LINE: OnceCell<CommandLine> = OnceCell::uninit();
static EMPTY: CommandLine = CommandLine::empty();

/// Splits the loader's command line. Called once, at boot, by one core; what comes second is ignored.
pub fn init(line: &str) {
    // The only error is that it was initialised before.
    let _ = LINE.try_init_once(|| CommandLine::new(line));
}

/// The command line; an empty one before [`init`]. Never blocks.
pub fn command_line() -> &'static CommandLine {
    LINE.try_get().unwrap_or(&EMPTY)
}

/// The application's arguments, in order. There is no name of the program among them. Never blocks.
pub fn args() -> impl Iterator<Item = &'static str> + Clone {
    command_line().args()
}
