//! One boot of a suite, from the first event to whatever ended it.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::plan::SKIP;
use super::result::{CaseResult, Progress, Verdict};
use crate::qemu::{Case, Event, Message, Outcome, Session, Step};

/// Names under which the end of a boot is reported that is no case's fault.
pub const BOOT: &str = "<boot>";
pub const END: &str = "<end>";

/// How a boot ended.
pub enum End {
    /// All cases that were wanted have run.
    Finished,
    /// Something took it down; that has been recorded.
    Broken,
}

/// One boot of a suite.
pub struct Boot<'a> {
    results: &'a mut Vec<CaseResult>,
    sink: &'a mut dyn FnMut(Progress),
    running: Option<Running>,
    /// Console text of the boot.
    pub console: Vec<u8>,
    /// Cases that began and are over.
    pub run: usize,
}

/// A case that has begun.
struct Running {
    case: Case,
    since: Instant,
    measured: Vec<Event>,
}

impl<'a> Boot<'a> {
    /// A boot that adds to these results.
    pub fn new(results: &'a mut Vec<CaseResult>, sink: &'a mut dyn FnMut(Progress)) -> Self {
        Self { results, sink, running: None, console: Vec::new(), run: 0 }
    }

    /// Follows the session to its end, or to the end of the case that makes it `limit` cases.
    ///
    /// # Errors
    /// If the user interrupts, or if the suite begins anew instead of going on.
    pub fn follow(&mut self, mut session: Session, timeout: Duration, limit: Option<usize>) -> anyhow::Result<End> {
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
            Event::Boot(_) | Event::Main { .. } | Event::Press(_) | Event::Drawn | Event::Unknown(_) => {}
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

/// Why a boot that ended so is a failure.
pub fn reason(outcome: &Outcome, timeout: Duration) -> String {
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
