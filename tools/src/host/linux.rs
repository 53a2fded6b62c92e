//! A Linux to compare with, as `cargo roost bench` does: its kernel, which QEMU boots.
//!
//! The package is fetched and unpacked by whoever runs this and the kernel kept in the user's cache. Nothing is installed:
//! the system neither gets another kernel to boot nor needs root's consent. No command needs this kernel to do its work, so
//! none but `setup` fetches it: it is some thirty megabytes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt;
use super::cache;
use super::execute::Executor;
use super::find::on_path;
use super::packages::Manager;
use super::plan::Step;
use super::privilege::Privilege;

/// A kernel's file begins with this, and its version follows.
const PREFIX: &str = "vmlinuz-";

/// A kernel that QEMU can boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linux {
    /// The file.
    pub kernel: PathBuf,
    /// Its version, as in `6.1.0-56-cloud-amd64`.
    pub version: String,
}

impl Linux {
    /// A kernel that somebody has put somewhere.
    #[must_use]
    pub fn at(kernel: PathBuf) -> Self {
        let name = kernel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let version = name.strip_prefix(PREFIX).unwrap_or(&name).to_owned();
        Self { kernel, version }
    }

    /// The kernel that was fetched, if one was.
    #[must_use]
    pub fn find() -> Option<Self> {
        Self::within(&directory())
    }

    /// The kernel in `directory`. Of several, the one whose name comes last.
    fn within(directory: &Path) -> Option<Self> {
        let entries = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
        let is_kernel =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        entries.filter(is_kernel).max().map(Self::at)
    }

    /// Fetches the kernel that this system's distribution has for virtual machines. Blocks while it does.
    ///
    /// # Errors
    /// A sentence with what is in the way, and what failed.
    pub fn fetch() -> Result<Self> {
        let manager = Manager::detect().filter(|manager| !manager.kernels().is_empty());
        let Some(manager) = manager.filter(|_| on_path("dpkg-deb").is_some()) else {
            bail!("this system's package manager has no kernel that Roost knows how to fetch");
        };
        let package = match package(manager)? {
            Some(package) => package,
            // Where the package lists were never read, no package has a version.
            None => {
                apt::update(&Executor::new(Privilege::detect())?)?;
                package(manager)?
                    .with_context(|| format!("{} has no {}", manager.program(), manager.kernels().join(" or ")))?
            }
        };
        let directory = directory();
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let work = tempfile::tempdir_in(&directory)?;
        let executor = Executor::new(Privilege::Root)?;
        let within = work.path().display().to_string();
        executor
            .run(&format!("Fetching {package}"), &Step::run(["env", "-C", &within, "apt-get", "download", &package]))?;
        let archive = only_file(work.path())?.display().to_string();
        let tree = work.path().join("tree").display().to_string();
        executor.run("Unpacking its kernel", &Step::run(["dpkg-deb", "-x", &archive, &tree]))?;
        let unpacked =
            Self::within(&work.path().join("tree/boot")).with_context(|| format!("{package} has no kernel"))?;
        let kernel = directory.join(format!("{PREFIX}{}", unpacked.version));
        std::fs::rename(&unpacked.kernel, &kernel)?;
        Ok(Self { kernel, ..unpacked })
    }
}

fn directory() -> PathBuf {
    cache::directory().join("linux")
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let entry = std::fs::read_dir(directory)?.next().context("the package manager fetched nothing")??;
    Ok(entry.path())
}

/// The package with the kernel itself, on which that of a fixed name depends.
fn package(manager: Manager) -> Result<Option<String>> {
    for name in manager.kernels() {
        let output = Command::new("apt-cache").args(["depends", "--important", name]).output();
        let output = output.context("cannot run apt-cache")?;
        if let Some(package) = parse_depends(&String::from_utf8_lossy(&output.stdout)) {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

/// The first image among what `apt-cache depends` lists.
fn parse_depends(text: &str) -> Option<String> {
    let depends = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    depends.map(str::trim).find(|package| package.starts_with("linux-image-")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_package_is_found_by_the_one_of_a_fixed_name() {
        let debian = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(parse_depends(debian).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        let ubuntu = "linux-image-virtual\n  Depends: linux-firmware\n  Depends: linux-image-6.8.0-31-generic\n";
        assert_eq!(parse_depends(ubuntu).as_deref(), Some("linux-image-6.8.0-31-generic"));
        assert_eq!(parse_depends(""), None);
        assert_eq!(parse_depends("linux-image-virtual\n  Depends: <linux-image>\n"), None);
    }

    #[test]
    fn the_kernel_is_known_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Linux::within(directory.path()), None);
        for name in ["vmlinuz-6.1.0-9", "config-6.1.0-9", "vmlinuz-6.12.1"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(Linux::within(directory.path()).unwrap().version, "6.12.1");
        assert_eq!(Linux::at("/boot/bzImage".into()).version, "bzImage");
    }
}
