//! Where the workspace is, and what is in it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cargo_metadata::MetadataCommand;

/// The workspace around the current directory.
pub struct Workspace {
    /// Its directory.
    pub root: PathBuf,
    /// Where cargo puts what it makes.
    pub target: PathBuf,
}

/// Finds the workspace.
///
/// # Errors
/// If the current directory is in none.
pub fn find() -> anyhow::Result<Workspace> {
    let metadata = MetadataCommand::new().no_deps().exec();
    let metadata = metadata.context("this command works inside a checkout of Roost")?;
    Ok(Workspace { root: metadata.workspace_root.into(), target: metadata.target_directory.into() })
}

/// Reads a file of the workspace.
///
/// # Errors
/// If it cannot be read.
pub fn read(root: &Path, file: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))
}

/// The names of the programs of the package in `directory`, sorted.
///
/// # Errors
/// If there is no package.
pub fn programs(directory: &Path) -> anyhow::Result<Vec<String>> {
    let manifest = directory.join("Cargo.toml");
    let metadata = MetadataCommand::new().no_deps().manifest_path(&manifest).exec()?;
    let manifest = manifest.canonicalize()?;
    let package = metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == manifest);
    let package = package.with_context(|| format!("{} describes no package", manifest.display()))?;
    let programs = package.targets.iter().filter(|target| target.is_bin());
    let mut names: Vec<_> = programs.map(|program| program.name.clone()).collect();
    names.sort();
    Ok(names)
}
