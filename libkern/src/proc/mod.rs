//! Isolated processes: programs in ring 3 that are trusted with nothing.
//!
//! ```ignore
//! static RENDERER: &[u8] = libkern::include_program!("renderer");
//! let program = Program::load(RENDERER)?;
//! let child = Proc::create(&program).name("renderer").arg("page.html").run()?;
//! println!("{}", child.wait());
//! ```
//!
//! A process is created, arranged and then made to run; in between its parent gives it what it may use. (Seed
//! `processes.txt`, 2.2.)
//!
//! | module | what it owns |
//! |---|---|
//! | [`image`] | what a program's file says |
//! | [`state`] | the states of a process, and the edges between them |
//! | [`program`] | programs in memory, shared by their processes |
//! | [`process`] | the process |
//! | [`builder`], [`child`] | arranging one, and what its parent can do with it |
//! | [`table`], [`handles`] | what a process was passed, and what it does with that |
//! | [`object`] | what handles name |
//! | [`region`], [`channel`](mod@channel), [`file`] | memory that is shared; signals and handles between two ends; files and consoles |
//! | [`event`] | what a process is told, and waking it |
//! | [`flush`](mod@flush) | making processors forget what was unmapped |
//! | [`exit`](mod@exit) | how one ended |
//! | [`current`] | what each core has to do with processes, the way back to ring 3, and turns |
//! | [`ready`] | who waits for a core, and cores that wait for somebody |
//! | [`blocked`] | calls that have blocked |
//! | [`work`] | who works for a process |
//! | [`death`] | the end |
//! | [`start`] | turning the machine into one that has processes |
//! | [`trap`] | interrupts and exceptions from ring 3 |
//! | [`fault`](mod@fault) | exceptions that are the process's own doing: its handler, or its end |
//! | [`umem`] | a process's memory, as an allegation |
//!
//! # Three things that a core knows
//!
//! Which process should run on it (*owner*), whose address space is loaded (*loaded*), and which context it goes back to
//! (*current context*, `arch::user`). They are changed on their core only: on the way out of a trap, and where the core takes
//! somebody from the ready queue. Ring 3 is entered in one place: [`current`], on behalf of the idle loop, or of a trap whose
//! process waits.
//!
//! # References
//!
//! A process exists until it has died and nobody works for it. Until then it has one reference to itself; further ones have
//! the queue that it is in, the core that it runs on, each core that has its space loaded, and each kthread that works
//! for it. A parent has none: what it has is about the process, and stays when that is gone.
//!
//! # What a process can reach
//!
//! Nothing but what it was passed before it ran, or receives from somebody who has a channel to it. Each thing has a handle,
//! and each handle has rights, which never become more. A channel's two sides talk by memory that they share, in rings
//! (`mcp_ring`), and each takes the other for hostile; the kernel only wakes them.
//!
//! # Locks
//!
//! A process's own lock is taken with interrupts off; under it the queue of the ready may be locked, messages sent, and
//! kthreads woken. The lock of its address space is never taken under it.

pub mod image;
mod region;
mod state;
pub mod table;

pub use image::BuildId;
pub use mcp_abi::handle::{Handle, Rights};
pub use region::SharedRegion;
pub use state::State;

on_metal! {
    mod blocked;
    mod builder;
    mod channel;
    mod child;
    pub(crate) mod current;
    mod death;
    mod event;
    mod file;
    mod flush;
    pub(crate) mod handles;
    mod object;
    pub mod exit;
    mod fault;
    mod process;
    mod program;
    mod ready;
    mod start;
    mod trap;
    pub(crate) mod umem;
    mod work;

    pub(crate) use blocked::{Rest, abort_call, end as end_blocked, listed, will_block};
    pub(crate) use process::offsets;
    pub(crate) use start::Calls;
    pub(crate) use event::{post, set_alarm};
    pub(crate) use fault::{resume, set_handler};
    pub(crate) use flush::{protect, unmap};
    pub use builder::{Builder, CreateError};
    pub use channel::{ChannelEnd, Closed, ReceiveError, Received, TransferError, channel};
    pub use child::{Child, Created, Stats};
    pub use exit::{Exit, Fault};
    pub use file::{Console, File};
    pub(crate) use file::print;
    pub use object::Object;
    pub use process::{OnDenied, Proc};
    pub use program::{LoadError, Program};
    pub(crate) use death::die;
    pub(crate) use work::{begin_work, end_work, is_dying};
}
