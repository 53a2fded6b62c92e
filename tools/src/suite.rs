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

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::build::Image;
use crate::qemu::{self, Case, Config, Event, Message, Outcome, Session, Step};

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

/// Names under which the end of a boot is reported that is no case's fault.
const BOOT: &str = "<boot>";
const END: &str = "<end>";

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
    let mut results = Vec::new();
    let mut run = 0;
    loop {
        let options = options(plan, plan.skip + run);
        let config = Config { append: prepend(options, &config.append), ..config.clone() };
        let session = Session::start(image, &config)?;
        let limit = plan.limit.map(|limit| limit.saturating_sub(run));
        let first = results.len();
        let mut boot = Boot { results: &mut results, sink, running: None, console: Vec::new(), run: 0 };
        let end = boot.follow(session, plan.case_timeout, limit)?;
        let (progress, console) = (boot.run, boot.console);
        share_out(&String::from_utf8_lossy(&console), &mut results[first..]);
        run += progress;
        match end {
            End::Finished => return Ok(results),
            // A suite that dies before its first case would do so for ever.
            End::Broken if progress == 0 => return Ok(results),
            End::Broken => {}
        }
    }
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
        bail!("`{}` did not list its cases: {}", image.name, reason(&outcome, plan.case_timeout));
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

/// How a boot ended.
enum End {
    /// All cases that were wanted have run.
    Finished,
    /// Something took it down; that has been recorded.
    Broken,
}

/// One boot of a suite.
struct Boot<'a> {
    results: &'a mut Vec<CaseResult>,
    sink: &'a mut dyn FnMut(Progress),
    running: Option<Running>,
    /// Console text of the boot.
    console: Vec<u8>,
    /// Cases that began and are over.
    run: usize,
}

/// A case that has begun.
struct Running {
    case: Case,
    since: Instant,
    measured: Vec<Event>,
}

impl Boot<'_> {
    fn follow(&mut self, mut session: Session, timeout: Duration, limit: Option<usize>) -> anyhow::Result<End> {
        let mut deadline = Instant::now() + timeout;
        let mut done = false;
        loop {
            match session.next(Some(deadline))? {
                Step::Message(Message::Console(bytes)) => self.console(&bytes),
                Step::Message(Message::Event(event)) => {
                    done |= event == Event::Done;
                    if self.event(event)? {
                        deadline = Instant::now() + timeout;
                    }
                    if limit.is_some_and(|limit| self.run >= limit) {
                        return Ok(End::Finished);
                    }
                }
                Step::Late => session.stop(),
                Step::Ended(Outcome::Interrupted) => bail!("interrupted"),
                Step::Ended(outcome) => return Ok(self.end(&outcome, done, timeout)),
            }
        }
    }

    fn console(&mut self, bytes: &[u8]) {
        (self.sink)(Progress::Console(bytes));
        self.console.extend(bytes);
    }

    /// Returns whether a case began or ended, and so the clock starts anew.
    fn event(&mut self, event: Event) -> anyhow::Result<bool> {
        match event {
            Event::Suite { cases } => (self.sink)(Progress::Booted(cases)),
            Event::Case(case) => {
                if self.running.is_some() {
                    self.finish(Verdict::Failed("it ended without a result".into()), None);
                }
                self.check_new(&case)?;
                (self.sink)(Progress::Started(&case));
                let since = Instant::now();
                self.running = Some(Running { case, since, measured: Vec::new() });
                return Ok(true);
            }
            Event::Passed { nanoseconds } => {
                let seconds = Duration::from_nanos(nanoseconds).as_secs_f64();
                self.finish(Verdict::Passed, Some(seconds));
                return Ok(true);
            }
            Event::Failed(message) => {
                self.finish(Verdict::Failed(message), None);
                return Ok(true);
            }
            Event::Skipped(reason) => {
                self.finish(Verdict::Skipped(reason), None);
                return Ok(true);
            }
            Event::Metric { .. } | Event::Window { .. } | Event::Hit { .. } => {
                if let Some(running) = &mut self.running {
                    running.measured.push(event);
                }
            }
            // How the boot ends, the session tells at its end.
            Event::Panic(_) | Event::Exit(_) | Event::Reboot | Event::Done => {}
            Event::Boot(_) | Event::Main { .. } | Event::Unknown(_) => {}
        }
        Ok(false)
    }

    /// A case that comes again would come again for ever.
    fn check_new(&self, case: &Case) -> anyhow::Result<()> {
        if self.results.iter().any(|result| result.case.name == case.name) {
            bail!(
                "the suite runs `{}` a second time: either two cases have this name, or it does not heed {SKIP}",
                case.name
            );
        }
        Ok(())
    }

    /// Records how the current case went. A result without a case belongs to nothing, and says so.
    fn finish(&mut self, verdict: Verdict, seconds: Option<f64>) {
        let Some(running) = self.running.take() else {
            return self.record(END, Verdict::Failed("there is a result without a case".into()));
        };
        self.run += 1;
        let result = CaseResult {
            case: running.case,
            verdict,
            seconds: seconds.unwrap_or_else(|| running.since.elapsed().as_secs_f64()),
            console: String::new(),
            measured: running.measured,
        };
        (self.sink)(Progress::Finished(&result));
        self.results.push(result);
    }

    /// Records something that is no case.
    fn record(&mut self, name: &str, verdict: Verdict) {
        let case = Case { name: name.to_owned(), ..Case::default() };
        let result = CaseResult { case, verdict, seconds: 0.0, console: String::new(), measured: Vec::new() };
        (self.sink)(Progress::Finished(&result));
        self.results.push(result);
    }

    fn end(&mut self, outcome: &Outcome, done: bool, timeout: Duration) -> End {
        if self.running.is_some() {
            self.finish(Verdict::Failed(reason(outcome, timeout)), None);
            return End::Broken;
        }
        // A suite with failures exits with a code other than 0; its cases have told.
        if done && matches!(outcome, Outcome::Exited(_)) {
            return End::Finished;
        }
        let name = if self.run == 0 && !done { BOOT } else { END };
        let what = if done { "after its last case" } else { "outside any case" };
        let reason = reason(outcome, timeout);
        self.record(name, Verdict::Failed(format!("the suite ended {what}: {reason}")));
        if done { End::Finished } else { End::Broken }
    }
}

/// Gives each case of a boot its part of the console: up to the line that ends it. What no such line follows is
/// the last one's, which took the machine down before it could write one.
fn share_out(console: &str, results: &mut [CaseResult]) {
    let mut rest = console;
    for result in &mut *results {
        let marker = format!("test {} ... ", result.case.name);
        let mut lines = rest.split_inclusive('\n').scan(0, |end, line| {
            let start = *end;
            *end += line.len();
            Some((start, *end, line))
        });
        if let Some((start, end, _)) = lines.find(|(.., line)| line.starts_with(&marker)) {
            result.console = rest[..start].to_owned();
            rest = &rest[end..];
        }
    }
    if let Some(last) = results.last_mut() {
        last.console.push_str(rest);
    }
}

/// Why a boot that ended so is a failure.
fn reason(outcome: &Outcome, timeout: Duration) -> String {
    match outcome {
        Outcome::Exited(code) => format!("it exited with code {code} and without an end marker"),
        Outcome::Rebooted => "it asked for a reboot".into(),
        Outcome::Panicked { message } => format!("panicked: {message}"),
        Outcome::Died => "the machine died without a panic message, probably by a triple fault".into(),
        Outcome::TimedOut => format!("it took longer than {} s", timeout.as_secs_f64()),
        Outcome::Interrupted => "interrupted".into(),
        Outcome::QemuFailed { stderr } => format!("QEMU failed: {}", stderr.trim()),
    }
}

#[cfg(test)]
mod tests;
