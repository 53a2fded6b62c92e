//! Why an image did not link, in a sentence.
//!
//! A dependency that uses the standard library, or calls a C library, compiles for the image's target as for
//! any Linux program, and fails late: as a duplicate `panic_impl` if rustc sees `std` in the crate graph, as
//! undefined symbols if the linker does. Either message is about things that the user never wrote. The crate
//! that is to blame is in it, though: rustc names who depends on `std`, and the linker names the archive, which
//! cargo names after the crate.

use std::collections::BTreeMap;

use cargo_metadata::diagnostic::Diagnostic;
use cargo_metadata::{Metadata, MetadataCommand, PackageId};

use super::Package;

/// How many symbols a sentence names.
const SYMBOLS_SHOWN: usize = 4;
/// Archives of the toolchain, which are never to blame for what they lack.
const TOOLCHAIN: [&str; 4] = ["core", "alloc", "compiler_builtins", "std"];

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
        let metadata =
            MetadataCommand::new().manifest_path(&package.manifest).current_dir(package.directory()).exec().ok();
        let tree = metadata.as_ref().and_then(|metadata| Tree::new(metadata, package));
        let hint = if verbose { "" } else { "\nWith --verbose you see all that the compiler said." };
        match self {
            Self::Std { krate } if krate == "test" => format!(
                "`{}` was built for Rust's own test harness, which needs the standard library; \
                 set `harness = false` for the test, or `test = false` for the binary, in Cargo.toml",
                package.name
            ),
            Self::Std { krate } => {
                let culprit = Culprit::find(tree.as_ref(), krate);
                format!(
                    "the dependency `{}` needs the standard library, which an image does not have{}{}{hint}",
                    culprit.name,
                    culprit.path(package),
                    culprit.step("a crate that works without it (`no_std`)")
                )
            }
            Self::Symbols { missing } => {
                let sentences = missing.iter().map(|(krate, symbols)| {
                    if tree.as_ref().is_some_and(|tree| tree.is_root(krate)) {
                        return format!(
                            "`{}` calls functions that an image does not have ({}): there is no C library in it. \
                             libkern may have what you need, or a crate that works without the standard library.",
                            package.name,
                            some_of(symbols),
                        );
                    }
                    let culprit = Culprit::find(tree.as_ref(), krate);
                    format!(
                        "the dependency `{}` calls a C library ({}), which an image does not have{}{}",
                        culprit.name,
                        some_of(symbols),
                        culprit.path(package),
                        culprit.step("a crate that does without")
                    )
                });
                sentences.collect::<Vec<_>>().join("\n") + hint
            }
        }
    }
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

/// The undefined symbols that the linker speaks of, by the crate that refers to them. Those of the toolchain are
/// left out: they follow from others.
fn undefined_symbols(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // lld has a line with the symbol, then lines with places; GNU ld has both in one.
    let mut above = None;
    for line in text.lines() {
        if let Some((_, name)) = line.split_once("undefined symbol: ") {
            above = Some(name.trim());
        }
        let inline = line.split_once("undefined reference to `").map(|(_, name)| name.trim_end_matches('\''));
        let (Some(symbol), Some(krate)) = (inline.or(above), referring_crate(line)) else { continue };
        if !TOOLCHAIN.contains(&krate.as_str()) {
            let symbols = missing.entry(krate).or_default();
            if !symbols.iter().any(|known| known == symbol) {
                symbols.push(symbol.to_owned());
            }
        }
    }
    missing
}

/// The crate in `libNAME-HASH.rlib` or, for the one being linked, in `NAME-HASH.*.rcgu.o`, wherever the line has it.
fn referring_crate(line: &str) -> Option<String> {
    let krate = match line.split_once(".rlib") {
        Some((path, _)) => path.rsplit('/').next()?.strip_prefix("lib")?,
        None => line.split_once(".rcgu.o")?.0.rsplit(['/', ' ']).next()?.split('.').next()?,
    };
    let (krate, _hash) = krate.rsplit_once('-')?;
    Some(krate.to_owned())
}

/// The dependencies of an application.
struct Tree<'m> {
    metadata: &'m Metadata,
    root: PackageId,
}

impl<'m> Tree<'m> {
    fn new(metadata: &'m Metadata, package: &Package) -> Option<Self> {
        let is_root = |p: &&cargo_metadata::Package| p.manifest_path.as_std_path() == package.manifest;
        let root = metadata.packages.iter().find(is_root)?.id.clone();
        Some(Self { metadata, root })
    }

    /// Whether a crate is one of the application's own.
    fn is_root(&self, krate: &str) -> bool {
        self.metadata[&self.root].targets.iter().any(|target| target.name.replace('-', "_") == krate)
    }

    /// The shortest way from the application to a crate: the packages on it, both ends included.
    fn path_to(&self, krate: &str) -> Option<Vec<&PackageId>> {
        let nodes = &self.metadata.resolve.as_ref()?.nodes;
        let mut paths = std::collections::VecDeque::from([vec![&self.root]]);
        let mut seen = vec![&self.root];
        while let Some(path) = paths.pop_front() {
            let node = nodes.iter().find(|node| Some(&&node.id) == path.last())?;
            for dependency in &node.deps {
                let is_linked =
                    dependency.dep_kinds.iter().any(|kind| kind.kind != cargo_metadata::DependencyKind::Build);
                if !is_linked || seen.contains(&&dependency.pkg) {
                    continue;
                }
                seen.push(&dependency.pkg);
                let longer: Vec<_> = path.iter().copied().chain([&dependency.pkg]).collect();
                if self.lib_name(&dependency.pkg).as_deref() == Some(krate) {
                    return Some(longer);
                }
                paths.push_back(longer);
            }
        }
        None
    }

    /// The name of a package's library as rustc knows it.
    fn lib_name(&self, id: &PackageId) -> Option<String> {
        let targets = &self.metadata[id].targets;
        targets.iter().find(|target| target.is_lib() || target.is_rlib()).map(|t| t.name.replace('-', "_"))
    }

    fn features(&self, id: &PackageId) -> Vec<String> {
        let nodes = self.metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        nodes.filter(|node| node.id == *id).flat_map(|node| node.features.iter().map(ToString::to_string)).collect()
    }
}

/// The crate to blame, and how it got in.
struct Culprit {
    /// Its name as its users write it.
    name: String,
    /// The packages from the application's dependency to it.
    via: Vec<String>,
    /// Whether a feature of it named `std` is on.
    feature_std: bool,
}

impl Culprit {
    fn find(tree: Option<&Tree>, krate: &str) -> Self {
        let path = tree.and_then(|tree| tree.path_to(krate).map(|path| (tree, path)));
        let Some((tree, path)) = path else {
            return Self { name: krate.to_owned(), via: Vec::new(), feature_std: false };
        };
        let mut via: Vec<_> = path[1..].iter().map(|id| tree.metadata[*id].name.to_string()).collect();
        let name = via.pop().unwrap_or_else(|| krate.to_owned());
        let feature_std = path.last().is_some_and(|id| tree.features(id).iter().any(|feature| feature == "std"));
        Self { name, via, feature_std }
    }

    /// How it got in, as the end of a sentence.
    fn path(&self, package: &Package) -> String {
        let links: Vec<_> = self.via.iter().rev().map(|name| format!("`{name}`")).collect();
        match links[..] {
            [] => format!(".\n`{}` asks for it.", package.name),
            _ => format!(".\n`{}` asks for it through {}.", package.name, links.join(", through ")),
        }
    }

    /// What to do about it.
    fn step(&self, otherwise: &str) -> String {
        let asker = self.via.last().map_or("your Cargo.toml".to_owned(), |name| format!("`{name}`"));
        if self.feature_std {
            format!(
                "\nIts feature `std` is on: have {asker} ask for it with `default-features = false`, \
                 or use {otherwise}."
            )
        } else {
            format!("\nLook for a feature of it to leave out (`default-features = false`), or use {otherwise}.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(code: Option<&str>, message: &str, note: &str) -> Diagnostic {
        let code = code.map(|code| serde_json::json!({ "code": code, "explanation": null }));
        serde_json::from_value(serde_json::json!({
            "message": message, "code": code, "level": "error", "spans": [], "rendered": null,
            "children": [{
                "message": note, "code": null, "level": "note", "spans": [], "rendered": null, "children": [],
            }],
        }))
        .unwrap()
    }

    #[test]
    fn the_crate_that_needs_std_is_found_on_either_side_of_the_duplicate() {
        for (message, note) in [
            (
                "found duplicate lang item `panic_impl`",
                "the lang item is first defined in crate `std` (which `uses_std` depends on)",
            ),
            (
                "duplicate lang item in crate `std` (which `uses_std` depends on): `panic_impl`",
                "the lang item is first defined in crate `libkern` (which `hello` depends on)",
            ),
        ] {
            let diagnosis = Diagnosis::of(&diagnostic(Some("E0152"), message, note));
            assert_eq!(diagnosis, Some(Diagnosis::Std { krate: "uses_std".into() }));
        }
    }

    #[test]
    fn undefined_symbols_are_laid_at_the_door_of_the_crate_that_calls_them() {
        let lld = "rust-lld: error: undefined symbol: getpid\n\
            >>> referenced by lib.rs:2 (src/lib.rs:2)\n\
            >>>               calls_libc-c6.rcgu.o:(calls_libc::h) in archive /t/deps/libcalls_libc-c6134f.rlib\n\
            \n\
            rust-lld: error: undefined symbol: rust_eh_personality\n\
            >>>               core-12.rcgu.o:(DW.ref) in archive /t/lib/libcore-120cba.rlib\n\
            rust-lld: error: undefined symbol: malloc\n\
            >>> referenced by main.rs:3 (src/main.rs:3)\n\
            >>>               /t/deps/my_app-77.4k8.rcgu.o:(my_app::main)\n";
        let gnu = "/usr/bin/ld: /t/deps/libcalls_libc-c6134f.rlib(calls_libc-c6.rcgu.o): in function `h':\n\
            /t/deps/libcalls_libc-c6134f.rlib(x.o): undefined reference to `getpid'\n\
            /usr/bin/ld: /t/deps/my_app-77.4k8.rcgu.o: in function `main':\n\
            /t/deps/my_app-77.4k8.rcgu.o:(.text+0x2): undefined reference to `malloc'\n";
        for text in [lld, gnu] {
            let found = Diagnosis::of(&diagnostic(None, "linking with `cc` failed: exit status: 1", text));
            let missing = [("calls_libc", "getpid"), ("my_app", "malloc")];
            let missing = missing.map(|(krate, symbol)| (krate.to_owned(), vec![symbol.to_owned()])).into();
            assert_eq!(found, Some(Diagnosis::Symbols { missing }), "{text}");
        }
    }

    #[test]
    fn other_errors_are_left_alone() {
        for diagnostic in [
            diagnostic(Some("E0308"), "mismatched types", ""),
            diagnostic(Some("E0152"), "found duplicate lang item `panic_impl`", "in crate `other`"),
            diagnostic(None, "linking with `cc` failed: exit status: 1", "cc: no such file"),
        ] {
            assert_eq!(Diagnosis::of(&diagnostic), None);
        }
    }

    #[test]
    fn only_a_few_symbols_are_named() {
        let symbols: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(String::from).into();
        assert_eq!(some_of(&symbols), "`a`, `b`, `c`, `d` and 2 more");
        assert_eq!(some_of(&symbols[..1]), "`a`");
    }
}
