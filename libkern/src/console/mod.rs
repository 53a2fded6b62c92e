//! The console: lines from any core, in any context, whole and in order.
//!
//! ```text
//!   println!, log::info!, ...           any core, any context
//!        |  line     formatted on the writer's stack
//!        v
//!      ring          one compare-and-swap, a copy, a store
//!        |  spool    whoever has the turn
//!        v
//!      sinks         serial port, screen: what they take without waiting
//! ```
//!
//! What a writer may rely on: it never waits for another core or for the code it interrupted, its line is not mixed
//! with others up to 512 bytes, and lines come out in the order in which they were handed in. What it may not rely on:
//! that the line is out when the call returns; [`flush`] waits for that, and a panic prints around the ring
//! ([`seize`]). `ring` and `spool` hold the protocols.
//!
//! When the ring is full, a writer that runs with interrupts on helps to drain it, for as long as that gets on. One
//! that runs with interrupts off may have interrupted the drainer, so it drops the line, and a line that says how many
//! were lost appears in its place.
//!
//! # Who drains
//!
//! Until [`set_kick`] is called, every writer drains what it has written: at boot nothing else does. From then on it
//! calls the kick, a function of the machine layer that makes an interrupt come where a sink has room; the interrupt's
//! handler, and any idle core, calls [`drain`]. A handler that finds the ring empty and turns the interrupt off drains
//! once more after that, or the line that was handed in between stays.

pub mod framebuffer;
#[cfg(not(all(loom, test)))]
mod global;
mod line;
#[cfg(not(all(loom, test)))]
mod log;
mod ring;
mod sink;
mod spool;

#[cfg(not(all(loom, test)))]
pub use global::{add_sink, drain, flush, print, println, seize, set_kick};
#[cfg(not(all(loom, test)))]
pub use log::{init_log, set_clock};
pub use sink::{Sink, Turn, TurnCell};
#[cfg(not(all(loom, test)))]
pub use spool::Seized;
pub use spool::{Drained, MAX_SINKS};

/// Prints to the console. May be called in any context; see [`console`](crate::console).
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => {
        $crate::console::print(::core::format_args!($($arg)*))
    };
}

/// Prints a line to the console. May be called in any context; see [`console`](crate::console).
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {
        $crate::console::println(::core::format_args!($($arg)*))
    };
}
