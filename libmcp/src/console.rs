//! Printing.

use core::fmt::{self, Write};

use mcp_abi::call::number;

use crate::call;

/// Bytes of a line that are collected before they are written.
const LEN: usize = 256;

/// Collects a line.
struct Line {
    bytes: [u8; LEN],
    len: usize,
}

impl Line {
    fn flush(&mut self) {
        if self.len > 0 {
            let at = self.bytes.as_ptr().expose_provenance() as u64;
            // Without the call nothing is printed, and nobody could be told.
            let _ = call::one(number::WRITE_CONSOLE, [at, self.len as u64, 0, 0, 0]);
            self.len = 0;
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.len == LEN || byte == b'\n' {
                self.flush();
            }
            if byte != b'\n' {
                self.bytes[self.len] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// Prints a line. What [`println!`](crate::println) calls.
#[doc(hidden)]
pub fn print_line(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; LEN], len: 0 };
    // It cannot fail.
    let _ = line.write_fmt(text);
    line.flush();
}

/// Prints a line on the kernel's console, under the process's name.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => {
        $crate::console::print_line(::core::format_args!($($arg)*))
    };
}
