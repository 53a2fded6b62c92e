//! Words.

use core::str;

use super::options::{Options, Problem};

/// The prefix of the kernel's own words.
const OPTION: &str = "roost.";

/// The word that ends the options.
const END_OF_OPTIONS: &str = "--";

/// A command line, split into words, which are in a buffer that lives for `'a`.
///
/// # Invariants
///
/// `text` is a sequence of words, each ended by a NUL, which no word contains.
#[derive(Clone, Copy, Debug)]
pub struct CommandLine<'a> {
    text: &'a str,
    is_cut: bool,
}

/// Whom a word is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word<'a> {
    /// An option of the kernel's, without the prefix.
    Option(&'a str),
    /// An argument of the application's.
    Argument(&'a str),
}

impl<'a> CommandLine<'a> {
    pub(super) const EMPTY: Self = Self { text: "", is_cut: false };

    /// Splits `line` into words, for which `buffer` has room if it is a byte longer. What goes beyond is cut off, with
    /// a [`Problem`].
    ///
    /// A quote that is not closed reaches to the end, and a backslash at the end stands for itself.
    pub fn split(line: &str, buffer: &'a mut [u8]) -> Self {
        // Splitting adds one byte, that behind the last word, and replaces or removes others.
        let kept = &line[..line.floor_char_boundary(buffer.len().saturating_sub(1))];
        let len = unquote(kept.bytes().filter(|&byte| byte != 0), buffer);
        // What was removed or replaced is ASCII, so what is left is UTF-8.
        let text = str::from_utf8(&buffer[..len]).unwrap_or_default();
        Self { text, is_cut: kept.len() < line.len() }
    }

    fn words(self) -> impl Iterator<Item = Word<'a>> + Clone {
        let mut options_ended = false;
        self.text.split_terminator('\0').filter_map(move |word| {
            if options_ended {
                return Some(Word::Argument(word));
            }
            if word == END_OF_OPTIONS {
                options_ended = true;
                return None;
            }
            Some(match word.strip_prefix(OPTION) {
                Some(option) => Word::Option(option),
                None => Word::Argument(word),
            })
        })
    }

    /// The application's arguments, in order.
    pub fn args(self) -> impl Iterator<Item = &'a str> + Clone {
        self.words().filter_map(|word| match word {
            Word::Argument(argument) => Some(argument),
            Word::Option(_) => None,
        })
    }

    fn option_words(self) -> impl Iterator<Item = &'a str> + Clone {
        self.words().filter_map(|word| match word {
            Word::Option(option) => Some(option),
            Word::Argument(_) => None,
        })
    }

    /// The kernel's options; of an option given twice, the last one. What is misspelt is as if it were not there.
    pub fn options(self) -> Options<'a> {
        let mut options = Options::default();
        for word in self.option_words() {
            // `problems` is for those who want to know.
            let _ = options.set(word);
        }
        options
    }

    /// What is wrong with the command line, in its order.
    pub fn problems(self) -> impl Iterator<Item = Problem<'a>> {
        let mut options = Options::default();
        let cut = self.is_cut.then_some(Problem::TooLong);
        cut.into_iter().chain(self.option_words().filter_map(move |word| options.set(word).err()))
    }
}

/// Writes the words of `line` to `buffer`, each ended by a NUL; how many bytes that were. It works on bytes because
/// whatever it looks for is ASCII, of which no part of a longer character is.
fn unquote(mut line: impl Iterator<Item = u8>, buffer: &mut [u8]) -> usize {
    let mut len = 0;
    let mut push = |byte| {
        buffer[len] = byte;
        len += 1;
    };
    let mut in_word = false;
    let mut in_quotes = false;
    while let Some(byte) = line.next() {
        let is_blank = byte.is_ascii_whitespace() && !in_quotes;
        match byte {
            _ if is_blank && in_word => push(0),
            _ if is_blank => {}
            b'"' => in_quotes = !in_quotes,
            b'\\' => push(line.next().unwrap_or(b'\\')),
            _ => push(byte),
        }
        in_word = !is_blank;
    }
    if in_word {
        push(0);
    }
    len
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(line: &str) -> (Vec<String>, Vec<String>) {
        let mut buffer = vec![0; line.len() + 1];
        let line = CommandLine::split(line, &mut buffer);
        let owned = |word: &str| word.to_owned();
        (line.option_words().map(owned).collect(), line.args().map(owned).collect())
    }

    fn args(line: &str) -> Vec<String> {
        let (options, args) = split(line);
        assert!(options.is_empty(), "{options:?}");
        args
    }

    #[test]
    fn blanks_separate() {
        assert_eq!(args("a b"), ["a", "b"]);
        assert_eq!(args(" \t a\n  b "), ["a", "b"]);
        assert!(args("").is_empty());
        assert!(args("   ").is_empty());
    }

    #[test]
    fn quotes_protect_blanks_and_may_enclose_nothing_or_part_of_a_word() {
        assert_eq!(args(r#""a b" c"#), ["a b", "c"]);
        assert_eq!(args(r#"a" b "c ""#), ["a b c", ""]);
        assert_eq!(args(r#""" x"#), ["", "x"]);
        assert_eq!(args(r#""not closed "#), ["not closed "]);
    }

    #[test]
    fn a_backslash_protects_what_follows() {
        assert_eq!(args(r"a\ b \\ \x"), ["a b", "\\", "x"]);
        assert_eq!(args(r#"\"a "b\"c""#), ["\"a", "b\"c"]);
        assert_eq!(args(r"end\"), [r"end\"]);
    }

    #[test]
    fn options_are_told_from_arguments_up_to_two_dashes() {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let options: Vec<String> = owned(&["log=info", "test=x y"]);
        let arguments: Vec<String> = owned(&["roast.x", "a", "roost.log=off", "--", "-- "]);
        assert_eq!(
            split(r#"roost.log=info roast.x a "roost.test=x y" -- roost.log=off -- "-- ""#),
            (options, arguments)
        );
    }

    #[test]
    fn a_line_too_long_is_cut_and_reported() {
        let mut buffer = [0; 8];
        let line = CommandLine::split("a ääää", &mut buffer);
        assert_eq!(line.args().collect::<Vec<_>>(), ["a", "ää"]);
        assert_eq!(line.problems().collect::<Vec<_>>(), [Problem::TooLong]);
        let line = CommandLine::split("abcdefg", &mut buffer);
        assert_eq!(line.args().collect::<Vec<_>>(), ["abcdefg"]);
        assert_eq!(line.problems().count(), 0);
        assert_eq!(CommandLine::split("a", &mut []).problems().count(), 1);
    }

    proptest! {
        #[test]
        fn words_come_back_as_they_were_quoted(
            words in prop::collection::vec("[^\0]{0,12}", 0..20),
            in_quotes: bool,
        ) {
            let quote = |word: &String| match in_quotes {
                true => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
                false if word.is_empty() => "\"\"".to_owned(),
                false => word.chars().flat_map(|c| ['\\', c]).collect(),
            };
            let line = words.iter().map(quote).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(args(&format!("-- {line}")), words);
        }

        #[test]
        fn any_line_is_survived(line in "\\PC{0,200}") {
            let mut buffer = vec![0; line.len() + 1];
            let line = CommandLine::split(&line, &mut buffer);
            prop_assert!(line.args().all(|word| !word.contains('\0')));
            let _ = (line.options(), line.problems().count());
        }
    }
}
