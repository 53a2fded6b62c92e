//! Exit codes of an image, as the host tool gives them on.

/// The image panicked; the same that a Rust program on a host has.
pub const PANICKED: u8 = 101;

/// The image ended without a word: a triple fault, or somebody reset the machine.
pub const DIED: u8 = 102;

/// The image did not end in the time it was given; the same that `timeout` has.
pub const TIMED_OUT: u8 = 124;

/// What an image writes to QEMU's debug exit for `code`. The device makes twice that plus one of it, in eight bits.
#[must_use]
pub const fn to_debug_exit(code: u8) -> u32 {
    if code > 127 { 127 } else { code as u32 }
}
