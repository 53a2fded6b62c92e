//! Turns a crate into an image: cargo builds it, and what comes out is checked before anything boots it.
//!
//! Images and the tools that boot them share a target triple, so one cargo invocation must never build both.
//! Therefore each image is a cargo invocation of its own, in the package's own directory: cargo finds its
//! configuration (`.cargo/config.toml`) by the directory it is started in, and a package outside this
//! workspace has its own.

mod cargo;
pub mod check;
mod diagnose;
mod note;
mod package;
mod progress;
mod settings;

use std::path::PathBuf;

pub use note::{Kind, NOTE_WITHIN, kind};
pub use package::Package;
pub use settings::Settings;

/// How much the compiler optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Profile {
    /// Cargo's `dev`.
    #[default]
    Dev,
    /// Cargo's `release`.
    Release,
}

/// What to build of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Its only binary, or the one that `default-run` names.
    #[default]
    Default,
    /// The binary of this name.
    Bin(String),
    /// The test suite of this name in `tests/`.
    Test(String),
}

/// An image that is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// The package.
    pub package: Package,
    /// Which of its targets.
    pub target: Target,
    /// How.
    pub profile: Profile,
    /// Where cargo puts what it makes, if not in its usual place.
    pub target_dir: Option<PathBuf>,
    /// Features of the package to switch on.
    pub features: Vec<String>,
    /// Whether all that cargo, compiler and linker say is passed on.
    pub verbose: bool,
}

impl Request {
    /// The package's default binary, unoptimised.
    pub fn new(package: Package) -> Self {
        Self {
            package,
            target: Target::Default,
            profile: Profile::Dev,
            target_dir: None,
            features: Vec::new(),
            verbose: false,
        }
    }
}

/// A bootable ELF whose headers were checked.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// Name of the cargo target that it was built from.
    pub name: String,
    /// What it is, by its own word.
    pub kind: Kind,
}

impl Image {
    /// An image that already exists.
    ///
    /// # Errors
    /// If it cannot be read, or if it could not boot; the message says why.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (kind, warnings) = check::file(&path)?;
        for warning in warnings {
            eprintln!("warning: {name}: {warning}");
        }
        Ok(Self { path, name, kind })
    }
}

/// Builds and checks an image.
///
/// Progress goes to standard error: a spinner where that is a terminal, lines elsewhere, nothing if all is
/// up to date. Blocks for as long as the compiler takes.
///
/// # Errors
/// If it does not compile, does not link, or could not boot. The compiler's own messages have been printed
/// by then; the error is a sentence.
pub fn build(request: &Request) -> anyhow::Result<Image> {
    let built = cargo::build(request)?;
    let mut image = Image::open(built.executable)?;
    image.name = built.target;
    Ok(image)
}
