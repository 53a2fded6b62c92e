//! What the rules report.

use std::fmt;

/// Something that is not as it should be. Findings sort by their place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    message: String,
}

impl Finding {
    /// A finding of `rule` at a line (from 1) of a file.
    pub fn at(rule: &'static str, path: &str, line: usize, message: impl ToString) -> Self {
        Self { rule, path: path.to_owned(), line, message: message.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.message)
    }
}
