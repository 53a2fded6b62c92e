//! Why an image did not link, in a sentence.
//!
//! A dependency that uses the standard library, or calls a C library, compiles for the image's target as for
//! any Linux program, and fails late: as a duplicate `panic_impl` if rustc sees `std` in the crate graph, as
//! undefined symbols if the linker does. Either message is about things that the user never wrote. The crate
//! that is to blame is in it, though: rustc names who depends on `std`, and the linker names the archive, which
//! cargo names after the crate.

use std::collections::BTreeMap;

use cargo_metadata::MetadataCommand;
use cargo_metadata::diagnostic::Diagnostic;

use super::package::Package;
use linker::undefined_symbols;
use tree::{Culprit, Tree};

mod linker;
#[cfg(test)]
mod tests;
mod tree;

/// How many symbols a sentence names.
const SYMBOLS_SHOWN: usize = 4;
/// What a message of the compiler comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    /// This crate depends on `std`.
    Std {
        /// Its name as rustc knows it, with underscores.
        krate: String,
    },
    /// These crates call functions that an image does not have.
    Symbols {
        /// The functions, by crate.
        missing: BTreeMap<String, Vec<String>>,
    },
}

impl Diagnosis {
    /// The diagnosis of a message, if it is about one of the things above.
    pub fn of(message: &Diagnostic) -> Option<Self> {
        let code = message.code.as_ref().map(|code| code.code.as_str());
        if code == Some("E0152") {
            let notes = message.children.iter().map(|child| child.message.as_str());
            let krate = std::iter::once(message.message.as_str()).chain(notes).find_map(who_needs_std)?;
            return Some(Self::Std { krate });
        }
        if message.message.starts_with("linking with") {
            let missing = message.children.iter().map(|child| undefined_symbols(&child.message));
            let missing: BTreeMap<_, _> = missing.flatten().collect();
            return (!missing.is_empty()).then_some(Self::Symbols { missing });
        }
        None
    }

    /// The sentence, with who brought the crate in and what to do. Asks cargo about the dependencies.
    pub fn explain(&self, package: &Package, verbose: bool) -> String {
        let mut command = MetadataCommand::new();
        let metadata = command.manifest_path(&package.manifest).current_dir(package.directory()).exec().ok();
        let tree = metadata.as_ref().and_then(|metadata| Tree::new(metadata, package));
        let sentence = match self {
            Self::Std { krate } => needs_std(krate, tree.as_ref(), package),
            Self::Symbols { missing } => {
                let sentences = missing.iter().map(|(krate, symbols)| calls(krate, symbols, tree.as_ref(), package));
                sentences.collect::<Vec<_>>().join("\n")
            }
        };
        let hint = if verbose { "" } else { "\nWith --verbose you see all that the compiler said." };
        sentence + hint
    }
}

fn needs_std(krate: &str, tree: Option<&Tree>, package: &Package) -> String {
    if krate == "test" {
        return format!(
            "`{}` was built for Rust's own test harness, which needs the standard library; \
             set `harness = false` for the test, or `test = false` for the binary, in Cargo.toml",
            package.name
        );
    }
    let culprit = Culprit::find(tree, krate);
    format!(
        "the dependency `{}` needs the standard library, which an image does not have{}{}",
        culprit.name,
        culprit.path(package),
        culprit.step("a crate that works without it (`no_std`)")
    )
}

fn calls(krate: &str, symbols: &[String], tree: Option<&Tree>, package: &Package) -> String {
    let symbols = some_of(symbols);
    if tree.is_some_and(|tree| tree.is_root(krate)) {
        return format!(
            "`{}` calls functions that an image does not have ({symbols}): there is no C library in it. \
             libkern may have what you need, or a crate that works without the standard library.",
            package.name,
        );
    }
    let culprit = Culprit::find(tree, krate);
    format!(
        "the dependency `{}` calls a C library ({symbols}), which an image does not have{}{}",
        culprit.name,
        culprit.path(package),
        culprit.step("a crate that does without")
    )
}

fn some_of(symbols: &[String]) -> String {
    let mut text = symbols.iter().take(SYMBOLS_SHOWN).map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
    if symbols.len() > SYMBOLS_SHOWN {
        text += &format!(" and {} more", symbols.len() - SYMBOLS_SHOWN);
    }
    text
}

/// The crate in rustc's "`std` (which `culprit` depends on)".
fn who_needs_std(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("`std` (which `")?;
    let (krate, _) = rest.split_once("` depends on)")?;
    Some(krate.to_owned())
}
