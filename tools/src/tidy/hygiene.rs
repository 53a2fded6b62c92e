//! What no tracked file holds, and what stands at the top of the tree.

use std::collections::BTreeSet;

use super::finding::Finding;
use super::source::Tree;

/// Directories at the root of somebody's file system; a path into one works on one machine.
const PRIVATE_ROOTS: [&str; 5] = ["home", "root", "Users", "work", "tmp"];

/// Package registries and mirrors, as name and top-level domain (together they would be findings). The
/// client decides where packages come from; a host written down breaks whoever uses a mirror.
const REGISTRIES: [(&str, &str); 9] = [
    ("crates", "io"),
    ("debian", "org"),
    ("ubuntu", "com"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("pypi", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("golang", "org"),
];

const DIRECTORIES: [&str; 10] =
    [".cargo", ".ci", ".github", "app-template", "examples", "libkern", "libmcp", "linker", "tests", "tools"];
const REQUIRED_FILES: [&str; 8] = [
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
];
const OPTIONAL_FILES: [&str; 5] =
    ["CONTRIBUTING.md", "clippy.toml", "rust-toolchain.toml", "rustfmt.toml", ".gitattributes"];

/// Looks at every line of every tracked file.
pub fn check_contents(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.files {
        for (index, line) in text.lines().enumerate() {
            let mut report = |message: String| {
                findings.push(Finding::at("hygiene", path, index + 1, message));
            };
            if let Some(root) = PRIVATE_ROOTS.iter().find(|root| names_root(line, root)) {
                report(format!("an absolute path into /{root}"));
            }
            if let Some((name, domain)) = REGISTRIES.iter().find(|host| names_host(line, host))
                && !(path.ends_with("Cargo.lock") && is_default_source(line))
            {
                report(format!("names the registry {name}.{domain}"));
            }
        }
    }
    findings
}

/// Whether the line holds an absolute path into the directory `root`.
fn names_root(line: &str, root: &str) -> bool {
    let needle = format!("/{root}/");
    line.match_indices(&needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "_-.*})>/~".contains(c)))
    })
}

fn names_host(line: &str, (name, domain): &(&str, &str)) -> bool {
    let host = format!("{name}.{domain}");
    line.match_indices(&host).any(|(at, _)| {
        let after = line[at + host.len()..].chars().next();
        after.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
    })
}

/// How a lock file names the default registry: the same on every machine, mirrored or not.
fn is_default_source(line: &str) -> bool {
    let (name, domain) = REGISTRIES[0];
    line == format!("source = \"registry+https://github.com/rust-lang/{name}.{domain}-index\"")
}

/// The entries at the top of the tree are exactly those agreed upon.
pub fn check_top_level(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let entries: BTreeSet<_> = tree
        .files
        .keys()
        .map(|path| path.split_once('/').map_or((path.as_str(), false), |(top, _)| (top, true)))
        .collect();
    for &(entry, directory) in &entries {
        let allowed = if directory {
            DIRECTORIES.contains(&entry)
        } else {
            REQUIRED_FILES.contains(&entry) || OPTIONAL_FILES.contains(&entry)
        };
        if !allowed {
            findings.push(Finding::at("top level", entry, 1, "does not belong at the top of the tree"));
        }
    }
    for file in REQUIRED_FILES.iter().filter(|&&file| !entries.contains(&(file, false))) {
        findings.push(Finding::at("top level", file, 1, "is missing"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples are put together here, or this file would be a finding itself.
    fn contents(line: &str) -> usize {
        check_contents(&Tree::of(&[("x.md", line)])).len()
    }

    #[test]
    fn paths_into_private_directories_are_found() {
        for root in PRIVATE_ROOTS {
            assert_eq!(contents(&format!("see \"{}{root}/x\"", '/')), 1);
            assert_eq!(contents(&format!("{}{root}/x", '/')), 1);
        }
        assert_eq!(
            contents("libkern/work/x and ~/work/y and /usr/share/z and $DIR/tmp/x".replace("DIR/", "{D}/").as_str()),
            0
        );
    }

    #[test]
    fn registry_hosts_are_found() {
        let (name, domain) = REGISTRIES[0];
        assert_eq!(contents(&format!("https://static.{name}.{domain}/x")), 1);
        assert_eq!(contents("crates are packages"), 0);
        let source = format!("source = \"registry+https://github.com/rust-lang/{name}.{domain}-index\"");
        assert!(check_contents(&Tree::of(&[("Cargo.lock", &source)])).is_empty());
        assert_eq!(contents(&source), 1);
    }

    #[test]
    fn the_top_level_is_exact() {
        let complete: Vec<_> = REQUIRED_FILES.iter().map(|&file| (file, "")).collect();
        assert!(check_top_level(&Tree::of(&complete)).is_empty());
        let mut more = complete.clone();
        more.extend([("docs/x.md", ""), ("notes.txt", ""), ("tests/x.rs", "")]);
        assert_eq!(check_top_level(&Tree::of(&more)).len(), 2);
        assert_eq!(check_top_level(&Tree::of(&complete[1..])).len(), 1);
    }
}
