//! The targets.

mod boot;
mod process;
mod words;

pub use boot::{acpi, multiboot2, pvh};
pub use process::{calls, program};
pub use words::{command_line, log_filter};
