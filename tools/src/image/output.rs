//! Where an image is written to.
//!
//! A file appears complete or not at all: it is written beside its place and then moved there. Devices are
//! refused, because moving a file to their name would replace the name and leave the device as it was.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A place that an image can be written to.
#[derive(Debug)]
pub enum Destination {
    /// Standard output, which is no terminal.
    Stdout,
    /// A file, which need not exist, nor its directory.
    File(PathBuf),
}

impl Destination {
    /// What the user's `-o` means.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn new(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            if io::stdout().is_terminal() {
                bail!("an image is not for a terminal: redirect standard output, or name a file with -o");
            }
            return Ok(Self::Stdout);
        }
        match path.metadata() {
            Ok(data) if data.is_dir() => bail!("{0} is a directory; name a file, such as {0}/app.iso", path.display()),
            Ok(data) if !data.is_file() => bail!(
                "{} is not a regular file; write one, or use `-o -` and pass it on (to a disk with `dd`)",
                path.display()
            ),
            _ => Ok(Self::File(path.to_owned())),
        }
    }

    /// Whether the image goes to standard output.
    pub const fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// Has `write` write to a file, and brings that to where it belongs. Returns its length.
    pub fn write(&self, write: impl FnOnce(&Path) -> Result<()>) -> Result<u64> {
        use std::os::unix::fs::PermissionsExt as _;

        let path = match self {
            Self::Stdout => {
                let file = tempfile::NamedTempFile::new()?;
                write(file.path())?;
                let copied = io::copy(&mut File::open(file.path())?, &mut io::stdout().lock());
                return copied.context("cannot write to standard output");
            }
            Self::File(path) => path,
        };
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        let file = tempfile::Builder::new()
            .prefix(".roost-")
            // As any file is made; the user's umask applies.
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(parent)
            .with_context(|| format!("cannot write in {}", parent.display()))?;
        write(file.path())?;
        let len = file.path().metadata()?.len();
        file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_its_directory_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/c.iso");
        for content in ["first", "second, longer"] {
            let len = Destination::new(&path).unwrap().write(|file| Ok(fs::write(file, content)?)).unwrap();
            assert_eq!(len, content.len() as u64);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.iso");
        fs::write(&path, "old").unwrap();
        let result = Destination::new(&path).unwrap().write(|file| {
            fs::write(file, "half")?;
            bail!("no more")
        });
        assert!(result.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn directories_and_devices_are_refused() {
        for path in ["/", "/dev/null"] {
            assert!(Destination::new(Path::new(path)).is_err(), "{path}");
        }
    }
}
