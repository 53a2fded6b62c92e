//! Processes.

pub mod image;
mod state;

pub use state::State;
