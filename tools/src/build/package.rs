//! Finds the package that the user means.
//!
//! A path or the current directory is read directly, because cargo takes as long to describe a package as an
//! image takes to boot. Only a name needs cargo, which knows the workspace's members.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;

use super::settings::Settings;

/// A package of cargo's.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its `Cargo.toml`, absolute.
    pub manifest: PathBuf,
    /// The binary that is meant where none is named.
    pub default_run: Option<String>,
    /// How it wants to be run.
    pub settings: Settings,
}

#[derive(Deserialize)]
struct Manifest {
    package: Option<Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    name: String,
    default_run: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    roost: Option<Settings>,
}

impl Package {
    /// The package of this name, manifest or, with neither, around the current directory.
    ///
    /// A name is that of a member of the workspace around the current directory, or of a directory in its
    /// `examples`.
    ///
    /// # Errors
    /// If there is none such; the message lists what there is.
    pub fn find(name: Option<&str>, manifest: Option<&Path>) -> Result<Self> {
        match (name, manifest) {
            (_, Some(path)) => Self::open(path),
            (Some(name), None) => Workspace::load()?.package(name),
            (None, None) => Self::around(&env::current_dir()?),
        }
    }

    /// The package that this `Cargo.toml`, or the one in this directory, describes.
    ///
    /// # Errors
    /// If it cannot be read, or if its settings have a key that does not exist.
    pub fn open(path: &Path) -> Result<Self> {
        match Self::read(path)? {
            Some(package) => Ok(package),
            None => bail!("{} describes a workspace; name one of its packages", path.display()),
        }
    }

    /// `None` if the manifest describes a workspace only.
    fn read(path: &Path) -> Result<Option<Self>> {
        let path = if path.is_dir() { path.join("Cargo.toml") } else { path.to_owned() };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Manifest = toml::from_str(&text).with_context(|| format!("{} is not right", path.display()))?;
        Ok(match manifest.package {
            None => None,
            Some(table) => Some(Self {
                name: table.name,
                manifest: path.canonicalize()?,
                default_run: table.default_run,
                settings: table.metadata.and_then(|metadata| metadata.roost).unwrap_or_default(),
            }),
        })
    }

    fn around(directory: &Path) -> Result<Self> {
        let manifest = directory.ancestors().map(|dir| dir.join("Cargo.toml")).find(|path| path.is_file());
        let Some(manifest) = manifest else {
            bail!(
                "there is no Cargo.toml here or above; change to an application's directory, name it with \
                 --manifest-path, or make one with `cargo roost new`"
            );
        };
        match Self::read(&manifest)? {
            Some(package) => Ok(package),
            None => bail!("this workspace has several applications; name one of {}", Workspace::load()?.list()),
        }
    }

    /// The directory it is in.
    pub fn directory(&self) -> &Path {
        self.manifest.parent().expect("a file is in a directory")
    }
}

/// The workspace around the current directory.
struct Workspace {
    root: PathBuf,
    packages: Vec<cargo_metadata::Package>,
}

impl Workspace {
    fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("an application is found by name only from within its workspace")?;
        Ok(Self { root: metadata.workspace_root.into(), packages: metadata.packages })
    }

    fn package(&self, name: &str) -> Result<Package> {
        let example = self.root.join("examples").join(name).join("Cargo.toml");
        let found = self.packages.iter().find(|package| package.name == name).map_or_else(
            || example.is_file().then_some(example.as_path()),
            |package| Some(package.manifest_path.as_std_path()),
        );
        match found {
            Some(manifest) => Package::open(manifest),
            None => bail!("there is no application `{name}`; there are {}", self.list()),
        }
    }

    /// The names of all packages that build images.
    fn list(&self) -> String {
        let is_application = |package: &&cargo_metadata::Package| {
            package.targets.iter().any(|target| target.is_bin())
                && package.dependencies.iter().any(|dependency| dependency.name == "libkern")
        };
        let names: Vec<_> = self.packages.iter().filter(is_application).map(|package| package.name.as_str()).collect();
        if names.is_empty() { "none in this workspace".to_owned() } else { names.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Package> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("Cargo.toml"), text).unwrap();
        Package::open(directory.path())
    }

    #[test]
    fn settings_are_read_from_the_manifest() {
        let package = open(
            "[package]\nname = \"a\"\ndefault-run = \"b\"\n[package.metadata.other]\nx = 1\n\
             [package.metadata.roost]\nsmp = 8\nmem = \"1G\"\nboot = \"grub-uefi\"\nargs = [\"x y\"]\n\
             profile = \"release\"\ntimeout = 5\n",
        )
        .unwrap();
        assert_eq!(package.default_run.as_deref(), Some("b"));
        let settings = package.settings;
        assert_eq!(settings.smp, Some(8));
        assert_eq!(settings.mem.unwrap().to_string(), "1G");
        assert_eq!(settings.boot.unwrap().to_string(), "grub-uefi");
        assert_eq!(settings.args.unwrap(), ["x y"]);
        assert_eq!(settings.profile, Some(crate::build::Profile::Release));
        assert_eq!(settings.timeout, Some(5));
    }

    #[test]
    fn a_package_without_settings_has_none() {
        assert_eq!(open("[package]\nname = \"a\"\n").unwrap().settings, Settings::default());
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused_by_name() {
        let error = open("[package]\nname = \"a\"\n[package.metadata.roost]\nspm = 8\n").unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("unknown field `spm`") && error.contains("`smp`"), "{error}");
    }

    #[test]
    fn a_setting_of_a_wrong_value_is_refused_with_the_reason() {
        for (line, reason) in [
            ("mem = \"128\"", "write 128M"),
            ("boot = \"floppy\"", "there are kernel"),
            ("profile = \"fast\"", "there are dev and release"),
            ("smp = -1", "-1"),
        ] {
            let text = format!("[package]\nname = \"a\"\n[package.metadata.roost]\n{line}\n");
            let error = format!("{:#}", open(&text).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_workspace_is_no_package() {
        let error = open("[workspace]\nmembers = []\n").unwrap_err().to_string();
        assert!(error.contains("name one of its packages"), "{error}");
    }
}
