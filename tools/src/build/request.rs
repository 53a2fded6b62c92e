//! What is to be built.

use std::path::PathBuf;

use super::package::Package;
use super::profile::Profile;

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
