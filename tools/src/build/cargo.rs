//! One cargo invocation for one image.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, path, thread};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::diagnostic::DiagnosticLevel;
use cargo_metadata::{Artifact, Message};

use super::diagnose::Diagnosis;
use super::profile::Profile;
use super::progress::Progress;
use super::request::{Request, Target};

/// What cargo made.
pub struct Built {
    /// The file.
    pub executable: PathBuf,
    /// Name of the target.
    pub target: String,
}

/// Runs cargo and shows its progress.
pub fn build(request: &Request) -> Result<Built> {
    let package = &request.package;
    let name = match &request.target {
        Target::Default => &package.name,
        Target::Bin(name) | Target::Test(name) => name,
    };
    let progress = Progress::start(name);
    let mut command = command(request, progress.is_terminal());
    let mut cargo = command.spawn().context("cannot start cargo; is it on the PATH?")?;
    let (stdout, stderr) = (cargo.stdout.take(), cargo.stderr.take());

    let progress = Mutex::new(progress);
    let heard = thread::scope(|scope| {
        scope.spawn(|| watch(stderr.expect("it is piped"), &progress));
        listen(stdout.expect("it is piped"), request.verbose, &progress)
    })?;
    let status = cargo.wait().context("cannot wait for cargo")?;
    progress.into_inner().unwrap_or_else(PoisonError::into_inner).finish(status.success());
    match heard.diagnosis {
        _ if status.success() => choose(request, &heard.executables),
        Some(diagnosis) => bail!(diagnosis.explain(package, request.verbose)),
        None => bail!("`{name}` was not built; what is wrong is said above"),
    }
}

/// What cargo said in so many messages.
#[derive(Default)]
struct Heard {
    executables: Vec<Artifact>,
    diagnosis: Option<Diagnosis>,
}

/// Takes in cargo's messages, and shows those that are for people.
fn listen(stdout: ChildStdout, verbose: bool, progress: &Mutex<Progress>) -> Result<Heard> {
    let mut heard = Heard::default();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        match message.context("cannot read what cargo says")? {
            Message::CompilerArtifact(artifact) if artifact.executable.is_some() => heard.executables.push(artifact),
            Message::CompilerMessage(message) => {
                let message = message.message;
                let diagnosis = Diagnosis::of(&message);
                // After an error comes a note on how to read more about it.
                let is_on_diagnosed = heard.diagnosis.is_some() && message.level == DiagnosticLevel::FailureNote;
                if verbose || !(diagnosis.is_some() || is_on_diagnosed) {
                    lock(progress).print(message.rendered.as_deref().unwrap_or(&message.message));
                }
                heard.diagnosis = heard.diagnosis.or(diagnosis);
            }
            Message::TextLine(line) => lock(progress).print(&line),
            _ => {}
        }
    }
    Ok(heard)
}

/// Shows what cargo is doing, line by line.
fn watch(stderr: ChildStderr, progress: &Mutex<Progress>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        lock(progress).cargo(&line);
    }
}

fn command(request: &Request, colours: bool) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A test target takes a compiler argument, which only `cargo rustc` passes to it alone.
    let is_test = matches!(request.target, Target::Test(_));
    command.current_dir(request.package.directory());
    command.args([if is_test { "rustc" } else { "build" }, "--color", "never", "--message-format"]);
    command.arg(if colours { "json-diagnostic-rendered-ansi" } else { "json" });
    command.arg("--manifest-path").arg(&request.package.manifest);
    match (&request.target, &request.package.default_run) {
        (Target::Default, None) => {}
        (Target::Bin(name), _) | (Target::Default, Some(name)) => _ = command.args(["--bin", name]),
        (Target::Test(name), _) => _ = command.args(["--test", name]),
    }
    if request.profile == Profile::Release {
        command.arg("--release");
    }
    // What is relative is so to this process's directory, not to the package's.
    let from_environment = env::var_os("CARGO_TARGET_DIR").filter(|directory| !directory.is_empty());
    if let Some(directory) = request.target_dir.clone().or(from_environment.map(PathBuf::from)) {
        command.arg("--target-dir").arg(path::absolute(&directory).unwrap_or(directory));
    }
    if !request.features.is_empty() {
        command.args(["--features", &request.features.join(",")]);
    }
    if request.verbose {
        command.arg("--verbose");
    }
    if is_test {
        // Cargo builds tests to unwind, whatever the profile says, and unwinding takes std.
        command.args(["--", "-Cpanic=abort"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The one executable that was meant.
fn choose(request: &Request, artifacts: &[Artifact]) -> Result<Built> {
    let package = &request.package;
    // Cargo builds a package's binaries along with its tests.
    let meant = |artifact: &&Artifact| {
        let target = &artifact.target;
        match &request.target {
            Target::Default => target.is_bin(),
            Target::Bin(name) => target.is_bin() && target.name == *name,
            Target::Test(name) => target.is_test() && target.name == *name,
        }
    };
    let mut meant: Vec<_> = artifacts.iter().filter(meant).collect();
    let Some(artifact) = meant.pop() else {
        bail!("`{}` has no binary, so there is nothing to boot", package.name);
    };
    if !meant.is_empty() {
        let names: Vec<_> = artifacts.iter().map(|artifact| artifact.target.name.as_str()).collect();
        bail!(
            "`{}` has several binaries; choose one of {} with --bin, or set `default-run` in its Cargo.toml",
            package.name,
            names.join(", ")
        );
    }
    let executable = artifact.executable.clone().expect("only such artifacts were kept");
    Ok(Built { executable: executable.into(), target: artifact.target.name.clone() })
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
