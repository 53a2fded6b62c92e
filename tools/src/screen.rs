//! Shows a guest's console on this process's standard output.
//!
//! Bytes pass through as they come, so that a prompt without a line feed appears at once. What must wait for
//! the end of a line is only what is added there: the places of the addresses in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::symbols::Symbolizer;

/// Longer lines are not searched for addresses.
const LINE_MAX: usize = 4096;

/// A console that knows what its guest's addresses mean.
pub struct Screen<W> {
    out: W,
    /// The current line, up to [`LINE_MAX`].
    line: Vec<u8>,
    /// A carriage return whose next byte is not there yet.
    has_return: bool,
    image: PathBuf,
    /// Opened by the first line that looks like having an address.
    symbolizer: Option<Option<Symbolizer>>,
}

impl<W: Write> Screen<W> {
    /// A console of a guest that runs `image`, shown on `out`.
    pub fn new(out: W, image: &Path) -> Self {
        Self { out, line: Vec::new(), has_return: false, image: image.to_owned(), symbolizer: None }
    }

    /// Shows the next bytes of the console.
    ///
    /// # Errors
    /// If writing fails.
    pub fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            if byte == b'\n' {
                let annotation = self.annotation();
                self.out.write_all(annotation.as_bytes())?;
                self.line.clear();
            }
            if std::mem::take(&mut self.has_return) {
                self.out.write_all(b"\r")?;
                if byte != b'\n' {
                    self.line.clear();
                }
            }
            match byte {
                b'\r' => self.has_return = true,
                b'\n' => self.out.write_all(b"\n")?,
                _ => {
                    self.out.write_all(&[byte])?;
                    if self.line.len() < LINE_MAX {
                        self.line.push(byte);
                    }
                }
            }
        }
        self.out.flush()
    }

    /// Ends an unfinished line, so that what the tool says next has one of its own.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.line.is_empty() { Ok(()) } else { self.show(b"\n") }
    }

    fn annotation(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.line);
        if !Symbolizer::has_address(&line) {
            return String::new();
        }
        // An image without symbols is no reason to show no console.
        let symbolizer = self.symbolizer.get_or_insert_with(|| Symbolizer::open(&self.image).ok());
        symbolizer.as_mut().map(|symbolizer| symbolizer.annotation(&line)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&str]) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, Path::new("/no/such/image"));
        for piece in pieces {
            screen.show(piece.as_bytes()).unwrap();
        }
        screen.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_passes_through_as_it_comes() {
        assert_eq!(shown(&["> ", "hi\r", "\nthere", "\r\n", "50%\r100%\n"]), "> hi\r\nthere\r\n50%\r100%\n");
        assert_eq!(shown(&["at 0xffffffff80201234\n"]), "at 0xffffffff80201234\n");
    }

    #[test]
    fn an_unfinished_line_is_ended() {
        assert_eq!(shown(&["panic"]), "panic\n");
        assert_eq!(shown(&[""]), "");
    }
}
