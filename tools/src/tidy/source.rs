//! What the rules look at: the tracked files, and the Rust among them parsed once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::finding::Finding;

/// The text files of the tree: path relative to its root, with `/`, to contents.
#[derive(Default)]
pub struct Tree {
    pub files: BTreeMap<String, String>,
}

/// One Rust file.
pub struct Source {
    pub path: String,
    pub text: String,
    pub ast: syn::File,
}

impl Tree {
    /// Reads every file of the checkout at `root` that git tracks or would track. What is not UTF-8 is
    /// of no interest to any rule and left out.
    pub fn of_checkout(root: &Path) -> anyhow::Result<Self> {
        let listed = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .context("git could not be run; `tidy` reads the list of tracked files from it")?;
        if !listed.status.success() {
            bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&listed.stderr).trim());
        }
        let mut tree = Self::default();
        for path in String::from_utf8(listed.stdout)?.split_terminator('\0') {
            // A file deleted but not yet committed is still listed.
            if let Ok(text) = std::fs::read_to_string(root.join(path)) {
                tree.files.insert(path.to_owned(), text);
            }
        }
        Ok(tree)
    }

    /// Parses the Rust files. The template's may hold placeholders that only its instantiation makes
    /// into Rust; there, what does not parse is passed over.
    pub fn parse(&self) -> (Vec<Source>, Vec<Finding>) {
        let mut sources = Vec::new();
        let mut findings = Vec::new();
        for (path, text) in &self.files {
            if !path.ends_with(".rs") {
                continue;
            }
            match syn::parse_file(text) {
                Ok(ast) => {
                    sources.push(Source { path: path.clone(), text: text.clone(), ast });
                }
                Err(_) if path.starts_with("app-template/") => {}
                Err(error) => findings.push(Finding::at("parse", path, error.span().start().line, error)),
            }
        }
        (sources, findings)
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|&(path, text)| (path.to_owned(), text.to_owned()));
        Self { files: files.collect() }
    }
}
