//! How cases go.

use crate::qemu::{Case, Event};

/// A case and how it went.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Name of the case, and what it proves.
    pub case: Case,
    /// How it went.
    pub verdict: Verdict,
    /// How long it took: on the guest's clock if it passed, else on the host's.
    pub seconds: f64,
    /// What it wrote to the console. Known, and filled in, when its boot is over.
    pub console: String,
    /// Figures and the storm's windows and hits, in the order in which they came.
    pub measured: Vec<Event>,
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed, or took the machine down with it.
    Failed(String),
    /// It does not apply in this configuration.
    Skipped(String),
}

/// What happens while a suite runs.
pub enum Progress<'a> {
    /// The suite was booted and has this many cases to run.
    Booted(usize),
    /// A case begins.
    Started(&'a Case),
    /// The console says something.
    Console(&'a [u8]),
    /// A case is over.
    Finished(&'a CaseResult),
}
