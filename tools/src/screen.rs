//! Shows a guest's console on this process's standard output.
//!
//! Bytes pass through as they come, so that a prompt without a line feed appears at once. What must wait for
//! the end of a line is only what is added there: the places of the addresses in it.
//!
//! Firmware and boot loaders clear the screen, move the cursor and paint in colours, on a terminal that is the
//! user's. Until the guest itself is up, such escape sequences are left out; afterwards they are its own affair.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::symbols::Symbolizer;

/// Longer lines are not searched for addresses.
const LINE_MAX: usize = 4096;

/// What happens to escape sequences: where in one the console is, or that nobody looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// They pass, as anything else does.
    Pass,
    /// They are dropped; this is text.
    Text,
    /// They are dropped; the escape character was one.
    Begun,
    /// They are dropped; what follows, up to a letter, belongs to one.
    Sequence,
}

/// A console that knows what its guest's addresses mean.
pub struct Screen<W> {
    out: W,
    /// The current line, up to [`LINE_MAX`].
    line: Vec<u8>,
    /// A carriage return whose next byte is not there yet.
    has_return: bool,
    /// What to do with escape sequences.
    escapes: Escapes,
    image: PathBuf,
    /// Opened by the first line that looks like having an address.
    symbolizer: Option<Option<Symbolizer>>,
}

impl<W: Write> Screen<W> {
    /// A console of a guest that runs `image`, shown on `out`. Before the guest, there is firmware on it.
    pub fn new(out: W, image: &Path) -> Self {
        Self {
            out,
            line: Vec::new(),
            has_return: false,
            escapes: Escapes::Text,
            image: image.to_owned(),
            symbolizer: None,
        }
    }

    /// From here on it is the guest that speaks.
    pub fn guest_is_up(&mut self) {
        self.escapes = Escapes::Pass;
    }

    /// Shows the next bytes of the console.
    ///
    /// # Errors
    /// If writing fails.
    pub fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            if self.is_dropped(byte) {
                continue;
            }
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

    fn is_dropped(&mut self, byte: u8) -> bool {
        let (dropped, next) = match (self.escapes, byte) {
            (Escapes::Pass, _) => (false, Escapes::Pass),
            (_, 0x1b) => (true, Escapes::Begun),
            (Escapes::Text, _) => (false, Escapes::Text),
            (Escapes::Begun, b'[') => (true, Escapes::Sequence),
            (Escapes::Sequence, b' '..=b'?') => (true, Escapes::Sequence),
            (Escapes::Begun | Escapes::Sequence, _) => (true, Escapes::Text),
        };
        self.escapes = next;
        dropped
    }

    fn annotation(&mut self) -> String {
        let line = String::from_utf8_lossy(&self.line);
        if !Symbolizer::has_address(&line) {
            return String::new();
        }
        // An image without symbols is no reason to show no console.
        let symbolizer = self.symbolizer.get_or_insert_with(|| Symbolizer::open(&self.image).ok());
        symbolizer.as_ref().map(|symbolizer| symbolizer.annotation(&line)).unwrap_or_default()
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
    fn escape_sequences_are_dropped_until_the_guest_is_up() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, Path::new("/no/such/image"));
        screen.show(b"\x1b[2J\x1b[01;0").unwrap();
        screen.show(b"1HBdsDxe\x1b[=3h \x1bcGRUB\n").unwrap();
        screen.guest_is_up();
        screen.show(b"\x1b[1mbold\x1b[0m\n").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "BdsDxe GRUB\n\x1b[1mbold\x1b[0m\n");
    }

    #[test]
    fn an_unfinished_line_is_ended() {
        assert_eq!(shown(&["panic"]), "panic\n");
        assert_eq!(shown(&[""]), "");
    }
}
