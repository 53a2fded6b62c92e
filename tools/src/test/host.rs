//! The host and model tiers: cargo runs them, this reads along.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::cargo_output::{Libtest, nextest_line};
use super::report::{Outcome, Row};
use super::tier::Tier;
use crate::workspace::Workspace;

/// Crates of the host that are no default members, because they need libkern with other features. Each is an invocation
/// of its own.
const APART: [&str; 1] = ["fuzz"];

/// The unit, property and documentation tests of the workspace's host crates.
///
/// # Errors
/// If cargo cannot be run. That tests do not compile is a row that failed.
pub fn host(workspace: &Workspace, filter: Option<&str>, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let narrow = filter.and_then(path_filter);
    let nextest_there = has_nextest();
    let packages = packages(workspace, filter);
    for package in &packages {
        let mut command = cargo(workspace);
        let what = package.as_ref().map_or("host tests".to_owned(), |package| format!("{package} tests"));
        if nextest_there {
            command.args(["nextest", "run", "--no-fail-fast", "--no-tests=pass"]);
            command.args(["--message-format", "libtest-json-plus"]);
            command.env("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");
        } else {
            command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
        }
        command.args(package.iter().flat_map(|package| ["--package", package])).args(narrow);
        if nextest_there {
            nextest(command, &what, each)?;
        } else {
            libtest(command, &what, Tier::Host, each)?;
        }
    }
    if !packages.contains(&None) {
        // One binary was asked for, and documentation tests are none.
        return Ok(());
    }
    // nextest runs no documentation tests.
    let mut command = cargo(workspace);
    command.args(["test", "--no-fail-fast", "--doc", "--features", "libkern/hosted"]).args(narrow);
    libtest(command, "documentation tests", Tier::Host, each)
}

/// What cargo is to be run for, once each; `None` stands for the default members. A filter that begins with a binary's
/// name asks for that one's package alone.
fn packages(workspace: &Workspace, filter: Option<&str>) -> Vec<Option<String>> {
    let binary = filter.and_then(|filter| filter.split_once("::")).map(|(binary, _)| binary);
    match binary.and_then(|binary| workspace.package_of_target(binary)) {
        Some(package) if workspace.guests().contains(&package) && !APART.contains(&package.as_str()) => Vec::new(),
        Some(package) => vec![Some(package)],
        None => [None].into_iter().chain(APART.map(|package| Some(package.to_owned()))).collect(),
    }
}

/// The loom models. They have a target directory of their own, because every dependency is compiled with
/// `--cfg loom`.
///
/// # Errors
/// As [`host`].
pub fn model(workspace: &Workspace, filter: Option<&str>, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let mut command = models(workspace);
    command.arg(filter.and_then(path_filter).unwrap_or(MODEL));
    libtest(command, "models", Tier::Model, each)
}

/// The names of the tests of a tier that cargo runs. Documentation tests are not among them.
///
/// # Errors
/// If cargo cannot be run, or the tests do not compile.
pub fn list(workspace: &Workspace, tier: Tier) -> anyhow::Result<Vec<String>> {
    let mut commands = Vec::new();
    if tier == Tier::Model {
        let mut command = models(workspace);
        command.arg(MODEL);
        commands.push(command);
    } else {
        for package in packages(workspace, None) {
            let mut command = cargo(workspace);
            command.args(["test", "--lib", "--bins", "--tests"]);
            command.args(package.iter().flat_map(|package| ["--package", package]));
            commands.push(command);
        }
    }
    let mut names = Vec::new();
    for mut command in commands {
        command.args(["--", "--list"]);
        let mut libtest = Libtest::default();
        let ended = read_merged(command, &mut |line| names.extend(libtest.listed(line)))?;
        if !ended.success {
            bail!("cargo could not list the tests:\n{}", ended.said);
        }
    }
    Ok(names)
}

/// What the path of every model contains.
const MODEL: &str = "model";

fn models(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace);
    command.args(["test", "--no-fail-fast", "--package", "libkern", "--package", "mcp-ring", "--release", "--lib"]);
    command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace.target.join("model"));
    // What makes images small makes models long to build. Their time goes by in loom, which is optimised; of what they
    // check a mutant changes a few lines, so that is built quickly, and incrementally.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_INCREMENTAL", "1");
    command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.args(["--config", "profile.release.package.libkern.opt-level=1"]);
    command.args(["--config", "profile.release.package.libkern.codegen-units=64"]);
    command
}

/// The part of a filter on `binary::path` that must be in the path. A filter of one word may mean the
/// binary, so nothing can be left out on its account.
fn path_filter(filter: &str) -> Option<&str> {
    filter.split_once("::").map(|(_, path)| path)
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.stdin(Stdio::null());
    command
}

fn has_nextest() -> bool {
    let version = Command::new("cargo").args(["nextest", "--version"]).output();
    version.is_ok_and(|output| output.status.success())
}

fn nextest(mut command: Command, what: &str, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let mut failed = false;
    command.stderr(Stdio::piped());
    let ended = read_lines(command, &mut |line| {
        if let Some(row) = nextest_line(line, Tier::Host) {
            failed |= row.outcome == Outcome::Failed;
            each(row);
        }
    })?;
    account_for_failure(ended, failed, what, Tier::Host, each);
    Ok(())
}

fn libtest(command: Command, what: &str, tier: Tier, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let mut libtest = Libtest::default();
    let ended = read_merged(command, &mut |line| {
        libtest.line(line, tier).map(&mut *each);
    })?;
    let failures = libtest.finish();
    let failed = !failures.is_empty();
    failures.into_iter().for_each(&mut *each);
    account_for_failure(ended, failed, what, tier, each);
    Ok(())
}

/// How a run of cargo ended.
struct Ended {
    success: bool,
    /// What cargo and the compiler said.
    said: String,
}

/// Runs `command` and hands over the lines of its standard output.
fn read_lines(mut command: Command, each: &mut dyn FnMut(&str)) -> anyhow::Result<Ended> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo could not be run")?;
    let stderr = child.stderr.take();
    let complaints = std::thread::spawn(move || {
        let mut said = String::new();
        stderr.map(|mut stderr| stderr.read_to_string(&mut said));
        said
    });
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        each(&line?);
    }
    let said = complaints.join().unwrap_or_default();
    Ok(Ended { success: child.wait()?.success(), said })
}

/// Runs `command` and hands over the lines of both its streams: which binary a test belongs to is said on
/// standard error.
fn read_merged(mut command: Command, each: &mut dyn FnMut(&str)) -> anyhow::Result<Ended> {
    let (output, input) = std::io::pipe()?;
    command.stdout(input.try_clone()?).stderr(input);
    let mut child = command.spawn().context("cargo could not be run")?;
    // The command holds the writing ends; the end of the output shows only once they are closed.
    drop(command);
    let mut said = String::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        each(&line);
        said.push_str(&line);
        said.push('\n');
    }
    Ok(Ended { success: child.wait()?.success(), said })
}

/// A run that failed although no test did has not compiled, or crashed: that is a failure of its own.
fn account_for_failure(ended: Ended, failed: bool, what: &str, tier: Tier, each: &mut dyn FnMut(Row)) {
    if !ended.success && !failed {
        let row = Row::failed(tier, format!("cargo::{what}"), tier.to_string(), "cargo failed before any test did");
        each(Row { output: ended.said, ..row });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_the_binary_narrows_the_run() {
        assert_eq!(path_filter("libkern::mem::heap"), Some("mem::heap"));
        assert_eq!(path_filter("heap"), None);
    }

    #[test]
    fn output_that_ends_in_failure_without_a_failed_test_is_a_failed_row() {
        let script = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            command
        };
        let rows = |text: &str| {
            let mut rows = Vec::new();
            libtest(script(text), "x", Tier::Model, &mut |row| rows.push(row)).unwrap();
            rows
        };
        let broken = rows("echo 'error[E0308]: mismatched types' >&2; exit 101");
        assert_eq!((broken.len(), broken[0].name.as_str()), (1, "cargo::x"));
        assert!(broken[0].output.contains("E0308"));

        let failed = rows("echo 'test a ... FAILED'; exit 101");
        assert_eq!((failed.len(), failed[0].outcome), (1, Outcome::Failed));
        assert!(failed[0].name.ends_with("::a"));
    }
}
