//! What every tier needs to know about the run it is part of.

use std::time::Duration;

use super::configuration::Configuration;
use super::matrix::{self, Matrix};
use super::requirements::{self, Requirements};
use super::tier::Tier;
use crate::build::{self, Image, Package, Profile, Request, Target};
use crate::workspace::Workspace;

/// The package of the suites, relative to the workspace.
pub const SUITES: &str = "tests/guest";
/// The group of the images that must die.
pub const FATAL: &str = "fatal";
/// The group of the fuzz targets.
pub const FUZZ: &str = "fuzz";
/// The group of the programs that must not compile, and their package.
pub const REFUSED: &str = "refused";
/// The group of the mutants.
pub const MUTANTS: &str = "mutant";

/// What is particular about this run's boots.
#[derive(Debug, Default)]
pub struct Boots {
    /// Only on the machine of this name.
    pub on: Option<String>,
    /// Shorter than what a case may take usually.
    pub limit: Option<Duration>,
}

/// One run of `cargo roost test`.
pub struct Context {
    /// The checkout.
    pub workspace: Workspace,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// What boots, where, and for how long.
    boots: Boots,
    /// What to run.
    pub tiers: Vec<Tier>,
    /// Which suites boot where.
    pub matrix: Matrix,
    /// What there is to prove.
    pub requirements: Requirements,
    /// The names of all groups.
    groups: Vec<String>,
}

impl Context {
    /// Reads the matrix and the requirements of the workspace around the current directory.
    ///
    /// # Errors
    /// If there is no workspace, or one of the two is not valid.
    pub fn load(filter: Option<String>, boots: Boots, tiers: Vec<Tier>) -> anyhow::Result<Self> {
        let workspace = Workspace::find()?;
        let matrix = Matrix::parse(&workspace.read(matrix::FILE)?)?;
        let requirements = Requirements::parse(&workspace.read(requirements::LIST)?).map_err(anyhow::Error::msg)?;
        let mut groups = workspace.programs(SUITES)?;
        groups.extend([FATAL, FUZZ, REFUSED, MUTANTS].map(str::to_owned));
        Ok(Self { workspace, filter, boots, tiers, matrix, requirements, groups })
    }

    /// Whether a case is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }

    /// Whether what boots is wanted on this machine.
    pub fn wants_on(&self, configuration: &Configuration) -> bool {
        self.boots.on.as_deref().is_none_or(|on| configuration.to_string() == on)
    }

    /// How long a case may take there, the boot included.
    pub fn limit(&self, configuration: &Configuration) -> Duration {
        let usual = configuration.limit();
        self.boots.limit.map_or(usual, |limit| limit.min(usual))
    }

    /// Whether any case of a group is wanted: of a suite, of the fatal images, of the mutants. Their cases' names begin
    /// with the group's, so a filter that does names one group, and the others need not even be built.
    pub fn wants_group(&self, group: &str) -> bool {
        let first = self.filter.as_deref().and_then(|filter| filter.split_once("::")).map(|(first, _)| first);
        first.is_none_or(|first| first == group || !self.groups.iter().any(|known| known == first))
    }

    /// Whether a tier runs.
    pub fn runs(&self, tier: Tier) -> bool {
        self.tiers.contains(&tier)
    }

    /// Builds a program of the package in `directory`, relative to the workspace.
    ///
    /// # Errors
    /// If it does not build; why has been printed.
    pub fn build(&self, directory: &str, program: &str, profile: Profile) -> anyhow::Result<Image> {
        let package = Package::open(&self.workspace.root.join(directory))?;
        let target = Target::Bin(program.to_owned());
        build::build(&Request { target, profile, ..Request::new(package) })
    }
}
