//! A suite that speaks like Rust's own test harness, to people and to the tools that read it.

use std::io::{self, Stdout, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser as _;

use crate::build::Image;
use crate::qemu::{Case, Config};
use crate::screen::Screen;
use crate::suite::{self, CaseResult, Plan, Progress, Verdict};

/// What the harness exits with if a test failed.
const FAILED: u8 = 101;

/// Those options of the harness that mean something here, and those that may be given and mean nothing.
#[derive(clap::Parser)]
#[command(name = "cargo test --", no_binary_name = true, disable_version_flag = true)]
struct Args {
    /// Run only tests whose name contains this.
    filter: Option<String>,
    /// List the tests instead of running them.
    #[arg(long)]
    list: bool,
    /// Run only the test whose name is the filter.
    #[arg(long, requires = "filter")]
    exact: bool,
    /// Run the long tests too.
    #[arg(long, alias = "ignored")]
    include_ignored: bool,
    /// Show the console of all tests, as it comes.
    #[arg(long, alias = "no-capture")]
    nocapture: bool,
    /// Show what tests that passed had on their console, too.
    #[arg(long)]
    show_output: bool,
    /// Without effect: a suite is one machine.
    #[arg(long, value_name = "N")]
    test_threads: Option<usize>,
    /// Without effect.
    #[arg(long, short)]
    quiet: bool,
    /// Without effect.
    #[arg(long, value_name = "WHEN")]
    color: Option<String>,
    /// Without effect.
    #[arg(long, value_name = "FORMAT", value_parser = ["pretty", "terse"])]
    format: Option<String>,
}

/// Runs the suite with the arguments that `cargo test` or `cargo roost run` was given after `--`.
///
/// # Errors
/// If the image cannot be booted at all.
pub fn run(image: &Image, config: &Config, words: &[String]) -> anyhow::Result<ExitCode> {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    // Who looks at a case in a debugger is in no hurry.
    let limit = if config.gdb.is_some() { Duration::from_secs(u32::MAX.into()) } else { suite::CASE_TIMEOUT };
    let mut plan = Plan {
        filter: args.filter.clone(),
        long: args.include_ignored,
        case_timeout: config.timeout.unwrap_or(limit),
        ..Plan::default()
    };
    if args.list || args.exact {
        let cases = suite::list(image, config, &plan)?;
        let is_meant = |case: &Case| !args.exact || Some(&case.name) == args.filter.as_ref();
        if args.list {
            return Ok(list(cases.iter().filter(|case| is_meant(case))));
        }
        // The guest's own filter looks for a part of the name, so it is told how many such to pass over. That
        // there is none is no error: cargo asks every suite of a package for it.
        let index = cases.iter().position(is_meant);
        plan = Plan { skip: index.unwrap_or(0), limit: Some(index.iter().len()), ..plan };
    }
    let mut report = Report { args: &args, screen: Screen::new(io::stdout(), &image.path), announced: false };
    let started = Instant::now();
    let results = match plan.limit {
        Some(0) => Vec::new(),
        _ => suite::run(image, config, &plan, &mut |progress| report.progress(progress))?,
    };
    report.summarise(&results, started.elapsed())
}

fn list<'a>(cases: impl Iterator<Item = &'a Case>) -> ExitCode {
    let count = cases.map(|case| println!("{}: test", case.name)).count();
    println!("\n{}, 0 benchmarks", tests(count));
    ExitCode::SUCCESS
}

/// What the harness prints.
struct Report<'a> {
    args: &'a Args,
    screen: Screen<Stdout>,
    /// Whether the number of tests has been printed: a suite may boot more than once.
    announced: bool,
}

impl Report<'_> {
    fn progress(&mut self, progress: Progress) {
        match progress {
            Progress::Booted(cases) => {
                self.screen.guest_is_up();
                self.announce(cases);
            }
            Progress::Started(case) => {
                print!("test {} ... ", case.name);
                // Nobody to tell that nobody listens.
                let _ = io::stdout().flush();
            }
            Progress::Console(bytes) if self.args.nocapture => {
                let _ = self.screen.show(bytes);
            }
            Progress::Console(_) => {}
            Progress::Finished(result) => match &result.verdict {
                Verdict::Passed => println!("ok"),
                Verdict::Failed(_) => println!("FAILED"),
                Verdict::Skipped(reason) => println!("ignored, {reason}"),
            },
        }
    }

    fn announce(&mut self, cases: usize) {
        if !std::mem::replace(&mut self.announced, true) {
            println!("\nrunning {}", tests(self.args.limit(cases)));
        }
    }

    fn summarise(&mut self, results: &[CaseResult], elapsed: Duration) -> anyhow::Result<ExitCode> {
        self.announce(0);
        let (mut passed, mut failed, mut skipped) = (Vec::new(), Vec::new(), 0);
        for result in results {
            match &result.verdict {
                Verdict::Passed => passed.push(result),
                Verdict::Failed(_) => failed.push(result),
                Verdict::Skipped(_) => skipped += 1,
            }
        }
        if self.args.show_output {
            self.sections("successes", &passed)?;
        }
        if !failed.is_empty() {
            self.sections("failures", &failed)?;
            println!("\nfailures:");
            failed.iter().for_each(|result| println!("    {}", result.case.name));
        }
        println!(
            "\ntest result: {}. {} passed; {} failed; {skipped} ignored; 0 measured; 0 filtered out; \
             finished in {:.2}s\n",
            if failed.is_empty() { "ok" } else { "FAILED" },
            passed.len(),
            failed.len(),
            elapsed.as_secs_f64(),
        );
        Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    /// What each of these tests had on its console, and why it failed.
    fn sections(&mut self, heading: &str, results: &[&CaseResult]) -> io::Result<()> {
        println!("\n{heading}:\n");
        for result in results {
            println!("---- {} stdout ----", result.case.name);
            if !self.args.nocapture {
                self.screen.show(result.console.as_bytes())?;
                self.screen.finish()?;
            }
            if let Verdict::Failed(message) = &result.verdict {
                println!("{message}");
            }
            println!();
        }
        Ok(())
    }
}

impl Args {
    /// How many of these cases are run.
    fn limit(&self, cases: usize) -> usize {
        if self.exact { cases.min(1) } else { cases }
    }
}

fn tests(count: usize) -> String {
    if count == 1 { "1 test".to_owned() } else { format!("{count} tests") }
}
