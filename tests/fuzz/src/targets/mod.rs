//! The targets.

mod boot;
mod words;

pub use boot::{acpi, multiboot2, pvh};
pub use words::{command_line, log_filter};
