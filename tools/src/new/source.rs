//! Where a new project's libkern comes from.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A place that has libkern, the linker crate and the tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A checkout of Roost: an absolute path.
    Path(String),
    /// Roost's git repository: its URL.
    Git(String),
    /// A version in the registry.
    Version(String),
}

impl Source {
    /// A checkout; `path` may also be its directory `libkern`.
    ///
    /// # Errors
    /// If there is none.
    pub fn path(path: &Path) -> Result<Self> {
        let full = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
        let Some(root) = checkout(&full).or_else(|| checkout(full.parent()?)) else {
            bail!("{} is not a checkout of Roost: it has no libkern with a Cargo.toml in it", path.display());
        };
        let text = root.to_str().context("the checkout's path is not UTF-8, which Cargo.toml must be")?;
        check(text, &['"', '\\', '\''])?;
        Ok(Self::Path(text.to_owned()))
    }

    /// A repository.
    ///
    /// # Errors
    /// If this cannot be a URL.
    pub fn git(url: String) -> Result<Self> {
        check(&url, &['"', '\\', '\'', ' '])?;
        Ok(Self::Git(url))
    }

    /// A version of the registry's.
    ///
    /// # Errors
    /// If this cannot be one.
    pub fn version(version: String) -> Result<Self> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".+-".contains(c);
        if !version.starts_with(|c: char| c.is_ascii_digit()) || !version.chars().all(is_allowed) {
            bail!("`{version}` is not a version such as {}", env!("CARGO_PKG_VERSION"));
        }
        Ok(Self::Version(version))
    }

    /// What is meant if nothing is said: see [`super::Args`].
    ///
    /// # Errors
    /// If the current directory cannot be found.
    pub fn default() -> Result<Self> {
        let here = env::current_dir()?;
        // The tools' directory, as it was when they were compiled.
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let candidates = here.ancestors().chain(built_from);
        match candidates.into_iter().find_map(checkout) {
            Some(root) => Self::path(&root),
            None => Self::version(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }

    /// The template's variables, as its `sources.rhai` sets them.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let (libkern, linker, install) = match self {
            Self::Path(path) => (
                format!("path = \"{path}/libkern\""),
                format!("path = \"{path}/linker\""),
                format!("--path '{path}/tools'"),
            ),
            Self::Git(url) => {
                let source = format!("git = \"{url}\"");
                (source.clone(), source, format!("--git '{url}' roost-tools"))
            }
            Self::Version(version) => {
                let source = format!("version = \"{version}\"");
                (source.clone(), source, format!("roost-tools@{version}"))
            }
        };
        vec![("libkern_source", libkern), ("linker_source", linker), ("install", install)]
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "the checkout {path}"),
            Self::Git(url) => write!(f, "the repository {url}"),
            Self::Version(version) => write!(f, "the registry, version {version}"),
        }
    }
}

/// `directory`, if it is a checkout of Roost.
fn checkout(directory: &Path) -> Option<PathBuf> {
    let has = |crate_directory: &str| directory.join(crate_directory).join("Cargo.toml").is_file();
    (has("libkern") && has("linker") && has("tools")).then(|| directory.to_owned())
}

/// Refuses text that could not stand between quotes in Cargo.toml or in a shell.
fn check(text: &str, forbidden: &[char]) -> Result<()> {
    if text.is_empty() {
        bail!("the place that libkern comes from is empty");
    }
    match text.chars().find(|c| forbidden.contains(c) || c.is_control()) {
        Some(c) => bail!("{text} has {c:?} in it, which would have to be quoted in Cargo.toml"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap()
    }

    #[test]
    fn a_checkout_is_found_by_its_root_and_by_libkern() {
        let source = Source::path(&root()).unwrap();
        assert_eq!(source, Source::Path(root().to_str().unwrap().to_owned()));
        assert_eq!(Source::path(&root().join("libkern")).unwrap(), source);
        assert_eq!(Source::default().unwrap(), source);
    }

    #[test]
    fn what_is_none_is_refused() {
        let error = Source::path(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("not a checkout"), "{error}");
        assert!(Source::path(Path::new("/no/such/place")).is_err());
        assert!(Source::git(String::new()).is_err());
        assert!(Source::git("a\"b".into()).is_err());
        assert!(Source::version("latest".into()).is_err());
        assert!(Source::version("1.0\"".into()).is_err());
        Source::version("0.1.0-rc.1".into()).unwrap();
    }
}
