//! The many-core process runtime.
//!
//! What a many-core process links: the same crate for a process that is resident in the image and for one that is
//! isolated in ring 3. What it shares with the kernel and the tools is [`abi`].
//!
//! A program of an isolated process:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! libmcp::program!(main);
//!
//! fn main() {
//!     libmcp::println!("{} arguments", libmcp::process::args().count());
//! }
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | [`process`] | what this process is, and its end |
//! | [`call`] | system calls |
//! | [`memory`] | mapping memory |
//! | [`heap`] | what `alloc` allocates from |
//! | [`handle`] | what this process was passed |
//! | [`channel`] | messages to and from whoever has the other end |
//! | [`fault`] | handling what the process does that it must not |
//! | [`console`] | printing |
//! | [`time`] | the clock, and sleeping |
//! | [`start`] | the first instructions |

#![no_std]

pub mod call;
pub mod channel;
pub mod console;
pub mod fault;
pub mod handle;
pub mod heap;
mod memops;
pub mod memory;
pub mod process;
pub mod start;
pub mod time;

pub use mcp_abi as abi;
