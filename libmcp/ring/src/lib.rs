//! Rings of messages in memory that parties share who do not trust each other.
//!
//! The same code serves a process and the kernel, or the application inside it: what differs is how they reach the memory
//! ([`Memory`]) and how they wake each other ([`Bell`]). Nothing here is unsafe.
//!
//! | module | what it has |
//! |---|---|
//! | [`spsc`] | one sender, one receiver, messages of any length |
//! | [`mpsc`] | many senders who trust each other, one receiver, messages up to a length |
//! | [`duplex`] | two rings of the first kind, one each way |
//! | [`message`] | typed messages |
//! | [`bell`] | sleeping until the other side has done something |
//!
//! # Protocol
//!
//! Memory is an array of words, zero at first. A ring is a part of it: two cache lines of indices, then the places.
//!
//! ```text
//!           sender                         words                       receiver
//!     write the message ------------> places
//!     publish it (Release) ---------> PRODUCED ----------------> look (Acquire), copy out,
//!     look (Acquire) <--------------- CONSUMED <---------------- give the place back (Release)
//! ```
//!
//! Who finds nothing to do goes to sleep, and asks to be woken:
//!
//! ```text
//!     a sleeper                                       the other side
//!   1 bell: what rang before now does not count
//!   2 SLEEPS = 1                                    1 publish, or give back
//!   3 fence                                         2 fence
//!   4 look again, and at whether the other is gone  3 if SLEEPS: SLEEPS = 0, ring the bell
//!   5 wait for the bell
//!   6 SLEEPS = 0, and from the beginning
//! ```
//!
//! A side that sends and then waits for what comes back ([`Duplex::call`]) is both at once: it takes the sleeper's steps 1 and 2,
//! then publishes, and one fence stands for the two; and it rings and waits by one call of the bell.
//!
//! While nobody sleeps nobody rings: who polls costs the other side a look at a line that it owns.
//!
//! # Hazards
//!
//! 1. *A message comes while its receiver goes to sleep.* Of the two fences one is first: either the sleeper's look finds
//!    the message, or the other's look finds the flag. Either without a fence loses a wake-up.
//! 2. *It rings between the look and the wait.* The bell counts from step 1 on, so the wait ends at once.
//! 3. *The other side is gone.* That is looked at before the last look at the ring, so what it sent before it went is
//!    received.
//! 4. *The other side lies.* Each side has its own index in private memory, as well as what was agreed about the ring's
//!    length; the shared words are read once each, and what does not fit is [`Corrupt`](spsc::RecvError::Corrupt), for good.
//!    Contents are copied out before anybody judges them. Whatever the other side writes, and whenever, a ring touches no
//!    word but its own and gives no more bytes than were asked for.
//! 5. *The other side does not ring.* Then this side sleeps, as it would if there were nothing to do. A deadline helps
//!    (`recv_by`).
//!
//! Rejected: bytes that wrap around anywhere, as in a pipe. Words keep every access atomic, so that two parties who write
//! the same place spoil a message and nothing else.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod bell;
pub mod duplex;
pub mod memory;
pub mod message;
pub mod mpsc;
pub mod spsc;
pub mod sync;

#[cfg(all(test, loom))]
mod model;

pub use bell::{Bell, Interrupted};
pub use duplex::{CallError, Duplex, Side};
pub use memory::Memory;
pub use message::Message;
