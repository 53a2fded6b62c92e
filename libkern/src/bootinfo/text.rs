//! Texts of loaders: up to a NUL, if all is well in UTF-8.

use super::note::{Note, Notes};

/// The text at the start of `bytes`, without its NUL. Without a NUL it is all of `bytes`, and where it stops being
/// UTF-8 it stops.
#[inline(never)]
pub(super) fn text<'a>(bytes: &'a [u8], what: &'static str, notes: &mut Notes) -> &'a str {
    let len = bytes.iter().position(|&byte| byte == 0);
    if len.is_none() {
        notes.add(Note::TextCut { what });
    }
    let bytes = &bytes[..len.unwrap_or(bytes.len())];
    // `from_utf8` would do, with an error that says how far it came; chunks say it without a second call.
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    if valid.len() < bytes.len() {
        notes.add(Note::TextNotUtf8 { what });
    }
    valid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (&str, Vec<Note>) {
        let mut notes = Notes::new();
        let text = text(bytes, "text", &mut notes);
        (text, notes.list.to_vec())
    }

    #[test]
    fn a_text_ends_at_the_first_nul() {
        assert_eq!(read(b"one\0two\0"), ("one", vec![]));
        assert_eq!(read(b"\0"), ("", vec![]));
    }

    #[test]
    fn a_text_without_nul_is_kept_and_noted() {
        let what = "text";
        assert_eq!(read(b"one"), ("one", vec![Note::TextCut { what }]));
        assert_eq!(read(b""), ("", vec![Note::TextCut { what }]));
    }

    #[test]
    fn a_text_stops_where_it_stops_being_utf8() {
        let what = "text";
        let note = Note::TextNotUtf8 { what };
        assert_eq!(read(b"gr\xfc\xdfe\0"), ("gr", vec![note]));
        assert_eq!(read("grüße\0".as_bytes()), ("grüße", vec![]));
        assert_eq!(read(b"\xff\0"), ("", vec![note]));
    }
}
