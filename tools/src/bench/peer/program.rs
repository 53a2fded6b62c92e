//! The program that does on Linux what ours do: `tests/peer`, in C.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::workspace::Workspace;

/// Where its sources are, relative to the workspace.
const DIRECTORY: &str = "tests/peer";
/// Optimised, without need of any library at run time, and at an address where nothing runs while the machine boots: below
/// it is all memory that the machine has, which is mapped one to one by then.
const FLAGS: [&str; 9] = [
    "-static",
    "-O2",
    "-pthread",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-fno-pie",
    "-no-pie",
    "-Wl,-Ttext-segment=0x60000000",
];

/// Compiles the program. Takes a second.
///
/// # Errors
/// If there is no C compiler, or it fails.
pub fn compiled(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let directory = workspace.target.join("roost/peer");
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let program = directory.join("init");
    let sources = sources(&workspace.root.join(DIRECTORY))?;
    let output = Command::new("cc").args(FLAGS).arg("-o").arg(&program).args(sources).output();
    let output = output.context("its program needs a C compiler, `cc`; the package gcc has one")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("its program does not compile; it needs the C library's static form, too:\n{said}");
    }
    Ok(program)
}

fn sources(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read {DIRECTORY}"))?;
    let mut sources: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    sources.sort();
    Ok(sources)
}
