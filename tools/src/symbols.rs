//! Addresses to places: what turns a guest's backtrace into something a person can read.
//!
//! A guest prints bare addresses, because it has no debug information and, when it panics, no business looking
//! anything up. The tool has the image it was built from.

use std::path::Path;

use addr2line::Loader;

/// Where an image's text is: at the top 2 GiB.
const TEXT_PREFIX: &str = "0xffffffff8";
/// Digits of an address as the guest prints it, with the `0x`.
const ADDRESS_LEN: usize = 18;
/// What stands before an inlined frame.
const INDENT: &str = "      ";

/// Knows the places of one image.
pub struct Symbolizer {
    loader: Loader,
}

impl Symbolizer {
    /// Reads an image's symbols. Debug information is read when it is first needed.
    ///
    /// # Errors
    /// If the file cannot be read as an executable.
    pub fn open(image: &Path) -> anyhow::Result<Self> {
        let loader = Loader::new(image)
            .map_err(|error| anyhow::anyhow!("cannot read the symbols of {}: {error}", image.display()))?;
        Ok(Self { loader })
    }

    /// The line with the place of each address in it: function, file and line.
    ///
    /// Inlined functions come on lines of their own, outermost last. A line without an address of the image
    /// stays as it is.
    pub fn annotate(&mut self, line: &str) -> String {
        let mut annotated = line.to_owned();
        annotated.push_str(&self.annotation(line));
        annotated
    }

    /// What [`annotate`](Self::annotate) adds to the end of the line: nothing, for most lines.
    pub fn annotation(&mut self, line: &str) -> String {
        let mut places = addresses(line).flat_map(|address| self.places(address, is_return_address(line)));
        let mut text = places.next().map(|place| format!(" {place}")).unwrap_or_default();
        for place in places {
            text.push('\n');
            text.push_str(INDENT);
            text.push_str(&place);
        }
        text
    }

    /// Whether [`annotate`](Self::annotate) could have anything to add to this line.
    pub fn has_address(line: &str) -> bool {
        line.contains(TEXT_PREFIX)
    }

    /// The function at an address as people write it, if there is one.
    pub fn function(&self, address: u64) -> Option<String> {
        let symbol = self.loader.find_symbol(address)?;
        Some(readable(symbol))
    }

    /// `function (file:line)` for an address, innermost inlined function first.
    fn places(&self, address: u64, is_return_address: bool) -> Vec<String> {
        // A call's return address may belong to the next line, or even to the next function.
        let address = address - u64::from(is_return_address);
        let mut places = Vec::new();
        if let Ok(mut frames) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let function =
                    frame.function.and_then(|function| function.demangle().map(|name| without_hash(&name)).ok());
                let location =
                    frame.location.and_then(|location| Some(format!(" ({}:{})", location.file?, location.line?)));
                if let Some(function) = function.or_else(|| self.function(address)) {
                    places.push(function + &location.unwrap_or_default());
                }
            }
        }
        if places.is_empty() {
            places.extend(self.function(address));
        }
        places
    }
}

/// The addresses of text in a line.
fn addresses(line: &str) -> impl Iterator<Item = u64> {
    line.match_indices(TEXT_PREFIX).filter_map(|(at, _)| {
        let word = line.get(at..at + ADDRESS_LEN)?;
        // Longer than an address is something else.
        let ends = !line[at + ADDRESS_LEN..].starts_with(|c: char| c.is_ascii_alphanumeric());
        ends.then(|| u64::from_str_radix(&word[2..], 16).ok())?
    })
}

/// Whether the line is a frame of a backtrace other than its first, as in `  #3 0xffffffff80201234`.
fn is_return_address(line: &str) -> bool {
    let Some((number, _)) = line.trim_start().strip_prefix('#').and_then(|rest| rest.split_once(' ')) else {
        return false;
    };
    number.parse().is_ok_and(|number: u32| number > 0)
}

fn readable(symbol: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(symbol))
}

/// A demangled name without the hash that the legacy mangling ends with.
fn without_hash(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => path.into(),
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_text_are_found_wherever_they_stand() {
        let found = |line| addresses(line).collect::<Vec<_>>();
        assert_eq!(found("  #0 0xffffffff80201234"), [0xffff_ffff_8020_1234]);
        assert_eq!(
            found("core 3: idle at 0xffffffff80203456, from 0xffffffff80200000."),
            [0xffff_ffff_8020_3456, 0xffff_ffff_8020_0000]
        );
        for line in ["", "0xffffffff8020", "0xffff800000001234", "0xffffffff80201234ff", "0xffffffff8020123é"] {
            assert!(found(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn only_frames_above_the_first_are_return_addresses() {
        assert!(!is_return_address("  #0 0xffffffff80201234"));
        assert!(is_return_address("  #1 0xffffffff80201234"));
        assert!(is_return_address("#12 0xffffffff80201234"));
        assert!(!is_return_address("page fault at 0xffffffff80201234"));
        assert!(!is_return_address("#x 1"));
    }

    #[test]
    fn hashes_are_cut_off() {
        assert_eq!(without_hash("hello::main::h3faf3d7d8e8b8fb5"), "hello::main");
        assert_eq!(without_hash("hello::h3"), "hello::h3");
    }
}
