//! Results: a row per case and configuration, and what they come to.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::tier::Tier;

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It did what it should.
    Passed,
    /// It did not, or did not run although it should have.
    Failed,
    /// It does not apply here.
    Skipped,
}

/// One case in one configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The case, with its suite, image or crate in front.
    pub name: String,
    /// Where it ran.
    pub tier: Tier,
    /// On what: `microvm smp=2 x2apic`, or `host`.
    pub configuration: String,
    /// How it ended.
    #[serde(rename = "result")]
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The requirements it proves.
    #[serde(default)]
    pub ids: Vec<String>,
    /// Why it failed or was skipped, in a line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it printed, if it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
}

impl Row {
    /// A row that says no more than how the case ended.
    pub fn new(tier: Tier, name: impl Into<String>, configuration: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            name: name.into(),
            tier,
            configuration: configuration.into(),
            outcome,
            seconds: 0.0,
            ids: Vec::new(),
            message: String::new(),
            output: String::new(),
        }
    }

    /// A row of a case that failed for the reason given.
    pub fn failed(
        tier: Tier,
        name: impl Into<String>,
        configuration: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { message: why.into(), ..Self::new(tier, name, configuration, Outcome::Failed) }
    }

    /// What makes two rows the same case, in whatever configuration.
    pub fn key(&self) -> (Tier, &str) {
        (self.tier, &self.name)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        let Self { name, tier, configuration, seconds, message, .. } = self;
        write!(f, "{word:7} {tier:5} {name}")?;
        if *configuration != tier.to_string() {
            write!(f, " [{configuration}]")?;
        }
        write!(f, " {seconds:.2} s")?;
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

/// All that ran.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The rows, in the order in which they ended.
    pub rows: Vec<Row>,
}

impl Report {
    /// How many rows ended in `outcome`.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.outcome == outcome).count()
    }

    /// The last line of a run: `N passed, N failed`, and how many were skipped, if any were.
    pub fn summary(&self) -> String {
        let mut line = format!("{} passed, {} failed", self.count(Outcome::Passed), self.count(Outcome::Failed));
        match self.count(Outcome::Skipped) {
            0 => {}
            skipped => line += &format!(", {skipped} skipped"),
        }
        line
    }

    /// Whether the run is a success: something passed, and nothing failed. Silence is a failure.
    pub fn succeeded(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::Passed) > 0
    }

    /// Reads a report that [`Report::write`] wrote.
    ///
    /// # Errors
    /// If there is no such file or it is no report.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("no report at {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no report of this tool", path.display()))
    }

    /// Writes the report as JSON, creating the directory it goes to.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        std::fs::write(path, text).with_context(|| format!("cannot write the report to {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[Outcome]) -> Report {
        let rows = outcomes.iter().map(|&outcome| Row::new(Tier::Host, "a::b", "host", outcome));
        Report { rows: rows.collect() }
    }

    #[test]
    fn the_summary_names_skipped_cases_only_if_there_are_any() {
        use Outcome::{Failed, Passed, Skipped};
        assert_eq!(report(&[Passed, Passed, Failed]).summary(), "2 passed, 1 failed");
        assert_eq!(report(&[Passed, Skipped]).summary(), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn nothing_run_is_no_success() {
        assert!(!report(&[]).succeeded());
        assert!(!report(&[Outcome::Skipped]).succeeded());
        assert!(report(&[Outcome::Passed, Outcome::Skipped]).succeeded());
        assert!(!report(&[Outcome::Passed, Outcome::Failed]).succeeded());
    }

    #[test]
    fn a_report_reads_back_and_names_its_fields_as_documented() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/report.json");
        let written = Report {
            rows: vec![Row { ids: vec!["K1".into()], ..Row::failed(Tier::Guest, "s::c", "q35 smp=2", "why") }],
        };
        written.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap().rows, written.rows);
        let text = std::fs::read_to_string(&path).unwrap();
        for field in ["name", "tier", "configuration", "result", "seconds", "ids"] {
            assert!(text.contains(&format!("\"{field}\"")), "{field} in {text}");
        }
    }
}
