//! Coverage-guided fuzzing, for a while: libFuzzer on the targets of `tests/fuzz`.
//!
//! The host tier runs the same targets on damaged samples. Here a compiler pass and libFuzzer look for inputs that reach
//! what no sample reaches. What they find is kept in the target directory, so that the next run begins where this one
//! ended.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::context::{Context, FUZZ};
use super::pool::Job;
use super::report::{Outcome, Row};
use super::tier::Tier;
use crate::workspace::Workspace;

/// The package, relative to the workspace.
const PACKAGE: &str = "tests/fuzz";
/// How long each target runs.
const SECONDS: u32 = 30;
/// libFuzzer is no sanitizer, so the stable compiler's own passes are all that it needs.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// The host's triple. Named to cargo, it keeps the flags from build scripts, which are not linked with libFuzzer.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Builds the targets and returns their runs. That they do not build is a row.
///
/// # Errors
/// If there is no such package, or cargo cannot be run.
pub fn jobs<'a>(
    context: &'a Context,
    stage: &dyn Fn(&str),
    each: &mut dyn FnMut(Row),
) -> anyhow::Result<Vec<Job<'a, Vec<Row>>>> {
    let names: Vec<_> = list(context)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    stage("building the fuzz targets");
    let directory = context.workspace.target.join("fuzz");
    let built = build(&context.workspace, &directory)?;
    if !built.status.success() {
        let row = Row::failed(Tier::Long, "fuzz::<build>", "libfuzzer", "the fuzz targets do not build");
        each(Row { output: String::from_utf8_lossy(&built.stderr).into_owned(), ..row });
        return Ok(Vec::new());
    }
    let job = |(_, name): (Tier, String)| {
        let directory = directory.clone();
        Job {
            weight: 1,
            work: Box::new(move || vec![run(context, &directory, &name)]) as Box<dyn FnOnce() -> _ + Send>,
        }
    };
    Ok(names.into_iter().map(job).collect())
}

/// The names of the targets that the run consists of.
///
/// # Errors
/// If there is no such package.
pub fn list(context: &Context) -> anyhow::Result<Vec<(Tier, String)>> {
    let names = context.workspace.programs(PACKAGE)?.into_iter().map(|name| format!("{FUZZ}::{name}"));
    Ok(names.filter(|name| context.wants(name)).map(|name| (Tier::Long, name)).collect())
}

fn build(workspace: &Workspace, directory: &Path) -> anyhow::Result<std::process::Output> {
    let mut command = workspace.cargo();
    command.args(["build", "--quiet", "--package", "fuzz", "--bins", "--features", "libfuzzer", "--release"]);
    command.args(["--target", TRIPLE, "--target-dir"]).arg(directory);
    command.env("RUSTFLAGS", FLAGS).env("CARGO_PROFILE_RELEASE_LTO", "off");
    command.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    Ok(command.stdin(Stdio::null()).output()?)
}

fn run(context: &Context, directory: &Path, row_name: &str) -> Row {
    let started = Instant::now();
    let name = row_name.rsplit("::").next().unwrap_or(row_name);
    let row = Row::new(Tier::Long, row_name, "libfuzzer", Outcome::Passed);
    match fuzz(&context.workspace, directory, name) {
        Ok((outcome, said)) => {
            let message = said.lines().rfind(|line| line.starts_with("Done ")).unwrap_or_default().to_owned();
            let output = if outcome == Outcome::Failed { said } else { String::new() };
            Row { outcome, message, output, seconds: started.elapsed().as_secs_f64(), ..row }
        }
        Err(error) => Row { outcome: Outcome::Failed, message: format!("{error:#}"), ..row },
    }
}

fn fuzz(workspace: &Workspace, directory: &Path, name: &str) -> anyhow::Result<(Outcome, String)> {
    let found: PathBuf = directory.join("found").join(name);
    std::fs::create_dir_all(&found)?;
    let output = Command::new(directory.join(TRIPLE).join("release").join(name))
        .arg(format!("-max_total_time={SECONDS}"))
        .arg(format!("-artifact_prefix={}/failing-", directory.display()))
        .arg(found)
        .arg(workspace.root.join(PACKAGE).join("corpus").join(name))
        .stdin(Stdio::null())
        .output()?;
    let outcome = if output.status.success() { Outcome::Passed } else { Outcome::Failed };
    Ok((outcome, String::from_utf8_lossy(&output.stderr).into_owned()))
}
