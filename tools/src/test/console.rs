//! A guest's console as the report shows it.

use std::path::Path;

use crate::symbols::Symbolizer;

/// The text with the place of each address of the image, and with line ends that a terminal understands.
/// An image without symbols leaves it as it is.
pub fn symbolised(image: &Path, console: &str) -> String {
    let mut symbolizer = Symbolizer::open(image).ok();
    let mut text = String::new();
    for line in console.lines() {
        let line = line.trim_end_matches('\r');
        match &mut symbolizer {
            Some(symbolizer) => text += &symbolizer.annotate(line),
            None => text += line,
        }
        text.push('\n');
    }
    text
}
