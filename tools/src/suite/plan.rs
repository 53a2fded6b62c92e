//! Which cases of a suite are wanted, and how the guest is told.

use std::time::Duration;

/// How long a case may take if nobody says otherwise. The first one's includes the boot.
pub const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a boot is told to begin behind: the cases before.
pub const SKIP: &str = "roost.test.skip";

/// Which cases to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// The long ones too.
    pub long: bool,
    /// How many of the matching cases to pass over.
    pub skip: usize,
    /// How many to run at most.
    pub limit: Option<usize>,
    /// How long one may take.
    pub case_timeout: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { filter: None, long: false, skip: 0, limit: None, case_timeout: CASE_TIMEOUT }
    }
}

impl Plan {
    /// The kernel's options that make a suite heed the plan and pass over `skip` cases.
    pub fn options(&self, skip: usize) -> Vec<String> {
        let mut options = Vec::new();
        options.extend(self.filter.as_ref().map(|filter| format!("roost.test={filter}")));
        if self.long {
            options.push("roost.test.long".to_owned());
        }
        if skip > 0 {
            options.push(format!("{SKIP}={skip}"));
        }
        options
    }
}
