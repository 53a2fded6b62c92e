//! Tiers: where a test runs, and how long it may take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Unit and property tests of the host's crates and of the portable layers.
    Host,
    /// Loom models: every interleaving of a protocol.
    Model,
    /// Suites and fatal images, booted.
    Guest,
    /// Whatever takes long: every configuration, many cores, storms, mutants, fuzzing.
    Long,
}

impl Tier {
    /// What runs when nobody asks for anything in particular.
    pub const DEFAULT: [Self; 3] = [Self::Host, Self::Model, Self::Guest];
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Model => "model",
            Self::Guest => "guest",
            Self::Long => "long",
        })
    }
}
