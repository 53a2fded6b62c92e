//! `cargo roost lint` and `cargo roost fmt`: clippy, rustdoc and rustfmt over every crate, as CI demands it.
//!
//! Host and guest crates share a target, and one cargo invocation must never build both (features would unify
//! and put `std` into an image). So the host's crates are one invocation and each guest crate is another.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::workspace::Workspace;

/// Check every crate with clippy, and the documentation of every library with rustdoc; a warning is an error.
#[derive(clap::Args)]
pub struct Args {
    /// Go on after the first check that fails.
    #[arg(long)]
    keep_going: bool,
}

/// Format every crate (`--check` only looks).
#[derive(clap::Args)]
pub struct FmtArgs {
    /// Change nothing; fail if anything would change.
    #[arg(long)]
    check: bool,
}

/// The code under `cfg(loom)`, which nothing else compiles.
const MODELS: &str = "models";

/// Runs clippy and rustdoc.
///
/// # Errors
/// If cargo cannot be run. What the checks find is an exit status.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut failed = Vec::new();
    for (name, arguments) in checks(&workspace.guests(), &workspace.libraries()) {
        println!("# {name}");
        let mut command = workspace.cargo();
        command.args(arguments).env("RUSTDOCFLAGS", "--deny warnings");
        if name.ends_with(MODELS) {
            command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", workspace.target.join("model"));
        }
        if !command.status().context("cargo could not be run")?.success() {
            failed.push(name);
            if !args.keep_going {
                break;
            }
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("lint failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Formats.
///
/// # Errors
/// If cargo or rustfmt cannot be run. What is not formatted is an exit status.
pub fn fmt(args: FmtArgs) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut crates = workspace.cargo();
    crates.args(["fmt", "--all"]);
    // The template's manifest holds placeholders, so cargo cannot read it; its programs are plain Rust.
    let mut template = Command::new("rustfmt");
    template.current_dir(&workspace.root).args(["--edition", "2024", "--config-path", "."]);
    template.args(rust_files(&workspace.root.join("app-template"))?);
    if args.check {
        crates.arg("--check");
        template.arg("--check");
    }
    let mut formatted = true;
    for mut command in [crates, template] {
        let status =
            command.status().context("rustfmt could not be run; `rustup component add rustfmt` installs it")?;
        formatted &= status.success();
    }
    Ok(if formatted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is checked, each with its name and the arguments to cargo, in the order in which they run.
fn checks(guests: &[String], libraries: &[String]) -> Vec<(String, Vec<String>)> {
    let clippy = |name: &str, what: &[&str]| {
        let args = [&["clippy"], what, &["--", "--deny", "warnings"]].concat();
        (format!("clippy, {name}"), args.into_iter().map(str::to_owned).collect())
    };
    let mut checks = vec![clippy("crates of the host", &["--all-targets"])];
    checks.extend(guests.iter().map(|guest| clippy(guest, &["--package", guest])));
    checks.push(clippy(MODELS, &["--package", "libkern", "--tests"]));
    checks.push(clippy("rings' models", &["--package", "mcp-ring", "--tests"]));
    checks.extend(libraries.iter().map(|library| {
        let args = ["doc", "--no-deps", "--lib", "--package", library];
        (format!("rustdoc, {library}"), args.map(str::to_owned).into())
    }));
    checks
}

/// Every `.rs` file below `directory`.
fn rust_files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in directory.read_dir().with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_invocation_mixes_host_and_guest() {
        let checks = checks(&["hello".to_owned(), "guest-tests".to_owned()], &["libkern".to_owned()]);
        let lines: Vec<_> = checks.iter().map(|(_, arguments)| arguments.join(" ")).collect();
        assert_eq!(lines[0], "clippy --all-targets -- --deny warnings");
        assert_eq!(lines[1], "clippy --package hello -- --deny warnings");
        assert_eq!(lines[2], "clippy --package guest-tests -- --deny warnings");
        assert!(lines.iter().all(|line| line.matches("--package").count() <= 1 && !line.contains("--workspace")));
    }

    #[test]
    fn rust_files_are_found_at_any_depth() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("src")).unwrap();
        for file in ["build.rs", "src/main.rs", "src/notes.txt"] {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        let found = rust_files(directory.path()).unwrap();
        assert_eq!(found, ["build.rs", "src/main.rs"].map(|file| directory.path().join(file)));
    }
}
