//! The checkout that the developer's commands (`test`, `bench`, `tidy`, `lint`, `fmt`) work on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use cargo_metadata::{Metadata, MetadataCommand, Target};

/// The workspace around the current directory.
pub struct Workspace {
    /// Its directory.
    pub root: PathBuf,
    /// Where cargo puts what it makes.
    pub target: PathBuf,
    metadata: Metadata,
}

impl Workspace {
    /// Finds the workspace.
    ///
    /// # Errors
    /// If the current directory is in none.
    pub fn find() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec();
        let metadata = metadata.context("this command works inside a checkout of Roost")?;
        let root = metadata.workspace_root.clone().into();
        Ok(Self { root, target: metadata.target_directory.clone().into(), metadata })
    }

    /// Reads a file of it, given relative to its root.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, file: &str) -> anyhow::Result<String> {
        std::fs::read_to_string(self.root.join(file)).with_context(|| format!("cannot read {file}"))
    }

    /// Cargo, in its root.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// The names of the packages that are images, or only ever part of one: all but the default members.
    pub fn guests(&self) -> Vec<String> {
        let hosts: Vec<_> = self.metadata.workspace_default_packages().iter().map(|package| &package.name).collect();
        let packages = self.metadata.workspace_packages();
        let guests = packages.iter().filter(|package| !hosts.contains(&&package.name));
        guests.map(|package| package.name.to_string()).collect()
    }

    /// The package with the target of this name, as it is called in code.
    pub fn package_of_target(&self, name: &str) -> Option<String> {
        let packages = self.metadata.workspace_packages();
        let has_it = |package: &&&cargo_metadata::Package| {
            package.targets.iter().any(|target| !target.is_custom_build() && target.name.replace('-', "_") == name)
        };
        packages.iter().find(has_it).map(|package| package.name.to_string())
    }

    /// The names of the packages that have a library.
    pub fn libraries(&self) -> Vec<String> {
        let is_library = |target: &Target| target.is_lib() || target.is_proc_macro();
        let packages = self.metadata.workspace_packages();
        let with_library = packages.iter().filter(|package| package.targets.iter().any(is_library));
        with_library.map(|package| package.name.to_string()).collect()
    }

    /// The names of the programs of the package in `directory`, relative to the root, sorted.
    ///
    /// # Errors
    /// If there is no such package.
    pub fn programs(&self, directory: &str) -> anyhow::Result<Vec<String>> {
        let manifest = self.root.join(directory).join("Cargo.toml");
        let is_it = |path: &Path| path == manifest;
        let packages = self.metadata.workspace_packages();
        let package = packages.iter().find(|package| is_it(package.manifest_path.as_std_path()));
        let package = package.with_context(|| format!("{directory} is no package of the workspace"))?;
        let programs = package.targets.iter().filter(|target| target.is_bin());
        let mut names: Vec<_> = programs.map(|program| program.name.clone()).collect();
        names.sort();
        Ok(names)
    }
}
