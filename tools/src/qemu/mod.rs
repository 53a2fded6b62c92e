//! Boots an image in QEMU, shows its console, and understands what it says about itself.
//!
//! [`Config`] says which machine, [`Session`] is one run of it: QEMU as a child process, with the guest's
//! serial port on one stream and its control channel (see [`event`]) on another. A session is pulled, not
//! pushed: [`Session::next`] returns the next piece of console text, the next event, or the end. Whoever
//! drives it can therefore set a deadline per step, which is what a test suite with a limit per case needs,
//! and needs no callback that reaches back into the session. [`run()`] is the loop for whoever has one limit
//! for the whole.
//!
//! QEMU never outlives its session: see [`session`].

mod accel;
mod cmdline;
mod command;
mod config;
mod event;
mod firmware;
mod interrupt;
mod machine;
mod monitor;
mod options;
mod outcome;
mod process;
mod run;
mod screen;
mod session;
mod size;
mod streams;
#[cfg(test)]
mod tests;
pub mod tiny;

pub use accel::{Accel, resolve};
pub use cmdline::join as join_words;
pub use config::{Config, DEFAULT_MEM};
pub use event::{Case, Event};
pub use interrupt::interrupted;
pub use machine::{Boot, Machine};
pub use options::Options;
pub use outcome::Outcome;
pub use run::run;
pub use screen::Screen;
pub use session::{Message, Session, Step};
pub use size::Size;
