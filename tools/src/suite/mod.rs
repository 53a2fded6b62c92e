//! Drives a test suite: boots it, follows its cases, boots it again behind each case that took it down.
//!
//! A suite's cases run in one boot, in order, because a boot per case would cost more than the cases do. A case
//! that panics, hangs or kills the machine ends that boot. It has failed; the suite is booted again and told
//! to skip all that is behind it. Silence is no success: a boot that ends without the suite's end marker, or
//! a case without a result, is a failure of its own.
//!
//! Console and control channel are two streams, and the console is buffered in the guest besides, so what was
//! on the console *when* a case ended says little. The guest ends each case with a line on the console (`test
//! NAME ... ok`); by these lines the text of a boot is shared out among its cases once the boot is over.

use std::time::Duration;

use anyhow::bail;

use crate::build::Image;
use crate::qemu::{self, Case, Config, Event, Message, Session};
use boot::{Boot, End};

mod boot;
mod console;
#[cfg(test)]
mod tests;

/// How long a case may take if nobody says otherwise. The first one's includes the boot.
pub const CASE_TIMEOUT: Duration = Duration::from_secs(60);

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

/// What a boot is told to begin behind: the cases before.
const SKIP: &str = "roost.test.skip";

/// Runs the suite in `image` on the machine `config` and tells `sink` how it goes.
///
/// Returns a result per case, in order, and one more for each boot that ended wrongly outside any case. Blocks.
///
/// # Errors
/// If the image cannot be booted at all, or the user interrupts. A suite that fails is no error.
pub fn run(
    image: &Image,
    config: &Config,
    plan: &Plan,
    sink: &mut dyn FnMut(Progress),
) -> anyhow::Result<Vec<CaseResult>> {
    let mut results: Vec<CaseResult> = Vec::new();
    let mut run = 0;
    while plan.limit.is_none_or(|limit| run < limit) {
        let options = options(plan, plan.skip + run);
        let config = Config { append: prepend(options, &config.append), ..config.clone() };
        let session = Session::start(image, &config)?;
        let first = results.len();
        let mut boot = Boot::new(&mut results, sink);
        let end = boot.follow(session, plan.case_timeout, plan.limit.map(|limit| limit - run))?;
        let (progress, console) = (boot.run, boot.console);
        console::share_out(&String::from_utf8_lossy(&console), &mut results[first..]);
        run += progress;
        match end {
            End::Broken if progress > 0 => {}
            // A suite that dies before its first case would do so for ever.
            End::Broken | End::Finished => break,
        }
    }
    Ok(results)
}

/// The cases in `image` that match the plan, without running any.
///
/// # Errors
/// If the image cannot be booted, or does not list its cases to the end.
pub fn list(image: &Image, config: &Config, plan: &Plan) -> anyhow::Result<Vec<Case>> {
    let mut options = options(plan, plan.skip);
    options.push("roost.test.list".to_owned());
    let config =
        Config { append: prepend(options, &config.append), timeout: Some(plan.case_timeout), ..config.clone() };
    let (mut cases, mut done) = (Vec::new(), false);
    let outcome = qemu::run(image, &config, &mut |message| {
        match message {
            Message::Event(Event::Case(case)) => cases.push(case),
            Message::Event(Event::Done) => done = true,
            _ => {}
        }
        Ok(())
    })?;
    if !done {
        bail!("`{}` did not list its cases: {}", image.name, boot::reason(&outcome, plan.case_timeout));
    }
    Ok(cases)
}

fn options(plan: &Plan, skip: usize) -> Vec<String> {
    let mut options = Vec::new();
    options.extend(plan.filter.as_ref().map(|filter| format!("roost.test={filter}")));
    if plan.long {
        options.push("roost.test.long".to_owned());
    }
    if skip > 0 {
        options.push(format!("{SKIP}={skip}"));
    }
    options
}

fn prepend(options: Vec<String>, append: &str) -> String {
    let options = qemu::join_words(options);
    [options.as_str(), append].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
