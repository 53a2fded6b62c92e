//! A suite that speaks like Rust's own test harness, to people and to the tools that read it.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use clap::Parser as _;

use crate::build::Image;
use crate::qemu::Config;
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
    /// Show the console of tests that passed, too.
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
    /// Only `pretty`.
    #[arg(long, value_name = "FORMAT", value_parser = ["pretty", "terse"])]
    format: Option<String>,
}

/// Runs the suite with the arguments that `cargo test` was given after `--`.
pub fn run(image: &Image, config: &Config, words: &[String]) -> anyhow::Result<ExitCode> {
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let mut plan = Plan { filter: args.filter.clone(), long: args.include_ignored, ..Plan::default() };
    if args.exact {
        // The guest's filter looks for a part; so the index of the whole is looked up first.
        let cases = suite::list(image, config, &plan)?;
        match cases.iter().position(|case| Some(&case.name) == plan.filter.as_ref()) {
            Some(index) => plan = Plan { skip: index, limit: Some(1), ..plan },
            None => bail!("`{}` has no test of exactly this name", image.name),
        }
    }
    if args.list {
        let cases = suite::list(image, config, &plan)?;
        for case in cases.iter().take(plan.limit.unwrap_or(usize::MAX)) {
            println!("{}: test", case.name);
        }
        println!("\n{} tests, 0 benchmarks", cases.len().min(plan.limit.unwrap_or(usize::MAX)));
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let mut booted = false;
    let results = suite::run(image, config, &plan, &mut |progress| {
        show(progress, args.nocapture, &mut booted);
    })?;
    Ok(summarise(&results, args.show_output && !args.nocapture, args.nocapture, started))
}

fn show(progress: Progress, nocapture: bool, booted: &mut bool) {
    match progress {
        Progress::Booted(cases) if !*booted => {
            *booted = true;
            println!("\nrunning {cases} tests");
        }
        Progress::Started(case) => {
            print!("test {} ... ", case.name);
            let _ = io::stdout().flush();
        }
        Progress::Console(bytes) if nocapture => {
            let _ = io::stdout().write_all(bytes);
        }
        Progress::Finished(result) => match &result.verdict {
            Verdict::Passed => println!("ok"),
            Verdict::Failed(_) => println!("FAILED"),
            Verdict::Skipped(reason) => println!("ignored, {reason}"),
        },
        Progress::Booted(_) | Progress::Console(_) => {}
    }
}

fn summarise(results: &[CaseResult], show_passed: bool, shown: bool, started: Instant) -> ExitCode {
    let is = |wanted: fn(&Verdict) -> bool| results.iter().filter(move |result| wanted(&result.verdict));
    let passed = is(|verdict| *verdict == Verdict::Passed);
    let failed: Vec<_> = is(|verdict| matches!(verdict, Verdict::Failed(_))).collect();
    let skipped = is(|verdict| matches!(verdict, Verdict::Skipped(_)));
    if show_passed {
        println!("\nsuccesses:\n");
        passed.clone().for_each(|result| section(result, ""));
    }
    if !failed.is_empty() {
        println!("\nfailures:\n");
        for result in &failed {
            let Verdict::Failed(message) = &result.verdict else { continue };
            section(
                &CaseResult {
                    console: if shown { String::new() } else { result.console.clone() },
                    ..(*result).clone()
                },
                message,
            );
        }
        println!("\nfailures:");
        failed.iter().for_each(|result| println!("    {}", result.case.name));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        passed.count(),
        failed.len(),
        skipped.count(),
        started.elapsed().as_secs_f64(),
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn section(result: &CaseResult, message: &str) {
    println!("---- {} stdout ----", result.case.name);
    for text in [result.console.trim_end(), message] {
        if !text.is_empty() {
            println!("{text}");
        }
    }
    println!();
}
