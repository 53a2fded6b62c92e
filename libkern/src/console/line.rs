//! A line in the making.

use core::fmt;
use core::mem::MaybeUninit;

use super::spool::MAX_RECORD;

/// Collects text and hands it on in records: as much as there is, once [`Line::finish`] is called or a record is full.
///
/// A text longer than a record is split behind its last line feed, or else between two characters, so that records of
/// several writers mix between lines if at all possible.
///
/// # Invariants
///
/// The first `len` bytes of `buffer` are initialised.
pub(super) struct Line<F: FnMut(&[u8])> {
    buffer: [MaybeUninit<u8>; MAX_RECORD],
    len: usize,
    hand_on: F,
}

impl<F: FnMut(&[u8])> Line<F> {
    /// An empty line whose records go to `hand_on`.
    // Not `const`: a constant of this type is made by zeroing all of it.
    #[inline(always)]
    pub(super) fn new(hand_on: F) -> Self {
        Self { buffer: [const { MaybeUninit::uninit() }; MAX_RECORD], len: 0, hand_on }
    }

    /// Hands on what is left.
    pub(super) fn finish(&mut self) {
        self.hand_on_first(self.len);
    }

    /// Hands on the first `len` bytes as a record and keeps the rest.
    fn hand_on_first(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        // SAFETY: `len` is at most `self.len`, and so many bytes are initialised, by the invariant.
        (self.hand_on)(unsafe { self.buffer[..len].assume_init_ref() });
        self.buffer.copy_within(len..self.len, 0);
        self.len -= len;
    }
}

impl<F: FnMut(&[u8])> Line<F> {
    /// Appends a text for which there is room.
    #[inline(always)]
    fn append(&mut self, text: &str) {
        // INVARIANT: initialises what `len` is about to count.
        self.buffer[self.len..][..text.len()].write_copy_of_slice(text.as_bytes());
        self.len += text.len();
    }
}

impl<F: FnMut(&[u8])> fmt::Write for Line<F> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        while text.len() > MAX_RECORD - self.len {
            let (fits, later) = text.split_at(text.floor_char_boundary(MAX_RECORD - self.len));
            self.append(fits);
            // SAFETY: so many bytes are initialised, by the invariant.
            let full = unsafe { self.buffer[..self.len].assume_init_ref() };
            let last_feed = full.iter().rposition(|&byte| byte == b'\n');
            self.hand_on_first(last_feed.map_or(self.len, |at| at + 1));
            text = later;
        }
        self.append(text);
        Ok(())
    }

    /// Padding comes character by character.
    fn write_char(&mut self, c: char) -> fmt::Result {
        match self.buffer.get_mut(self.len) {
            Some(next) if c.is_ascii() => {
                // INVARIANT: initialises what `len` is about to count.
                next.write(c as u8);
                self.len += 1;
                Ok(())
            }
            _ => self.write_str(c.encode_utf8(&mut [0; 4])),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    fn records(pieces: &[impl AsRef<str>]) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let mut line = Line::new(|record: &[u8]| records.push(record.to_vec()));
        for piece in pieces {
            line.write_str(piece.as_ref()).expect("a line takes everything");
        }
        line.finish();
        records
    }

    #[test]
    fn what_fits_is_one_record() {
        assert_eq!(records(&["a", "", "bc\nd", "\n"]), [b"abc\nd\n"]);
        let long = "x".repeat(MAX_RECORD);
        assert_eq!(records(&[&long]), [long.as_bytes()]);
        assert!(records(&[""]).is_empty());
    }

    #[test]
    fn a_long_text_is_split_behind_a_line_feed() {
        let text = format!("{}\n{}\n", "a".repeat(300), "b".repeat(300));
        assert_eq!(records(&[&text]).concat(), text.as_bytes());
        assert_eq!(records(&[&text])[0].len(), 301);
    }

    #[test]
    fn a_long_line_is_split_between_characters() {
        let line = format!("x{}", "ä".repeat(400));
        let records = records(&[&line]);
        assert_eq!(records.concat(), line.as_bytes());
        let lens: Vec<_> = records.iter().map(Vec::len).collect();
        assert_eq!(lens, [MAX_RECORD - 1, 801 - (MAX_RECORD - 1)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_records_are_text_of_bounded_length(
            pieces in prop::collection::vec("[a-zä€\u{1f980}\n]{0,300}", 0..12)
        ) {
            let records = records(&pieces);
            for record in &records {
                prop_assert!((1..=MAX_RECORD).contains(&record.len()));
                prop_assert!(std::str::from_utf8(record).is_ok());
            }
            prop_assert_eq!(records.concat(), pieces.concat().into_bytes());
        }
    }
}
