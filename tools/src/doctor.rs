//! `cargo roost doctor`: says what is there, what is missing and how to get it. Changes nothing.

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::ExitCode;

use crate::host::find::{self, GOOD_QEMU, OLDEST_QEMU};
use crate::host::{self, Linux, State, Tool};
use crate::qemu;

/// Say what is installed, what is missing, and how to get it
///
/// Changes nothing. The exit status is 0 if everything that the commands need is there, 1 otherwise.
#[derive(clap::Args)]
pub struct Args {}

/// What is to be said of one thing.
struct Row {
    name: &'static str,
    verdict: Verdict,
    /// What was found, or what to do.
    remark: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is there.
    Good,
    /// It is missing or worse than it could be, and nothing depends on it.
    Remark,
    /// It is needed and missing.
    Bad,
}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    // Trying KVM asks for QEMU, which would otherwise look for a newer one.
    host::set_no_install(true);
    let mut rows = vec![rust(), linker()];
    rows.extend(Tool::ALL.map(tool));
    rows.push(linux());
    rows.push(kvm());
    for row in &rows {
        println!("{row}");
    }
    if rows.iter().any(|row| row.verdict == Verdict::Bad) {
        println!("\n`cargo roost setup` installs what is missing.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Remark => "--",
            Verdict::Bad => "MISSING",
        };
        write!(f, "{:<8} {verdict:<8} {}", self.name, self.remark)
    }
}

fn found(version: Option<&str>, path: &Path) -> String {
    format!("{:<18} {}", version.unwrap_or("-"), path.display())
}

fn rust() -> Row {
    let version = find::ask_version("rustc");
    let (verdict, remark) = match version {
        Some(version) => (Verdict::Good, version),
        None => (Verdict::Bad, "there is no rustc on the path; install Rust with rustup".into()),
    };
    Row { name: "Rust", verdict, remark }
}

/// rustc links through the system's `cc`.
fn linker() -> Row {
    let (verdict, remark) = match find::on_path("cc") {
        Some(path) => (Verdict::Good, found(find::ask_version(&path).as_deref(), &path)),
        None => (Verdict::Bad, "rustc links with `cc`; install GCC or Clang".into()),
    };
    Row { name: "cc", verdict, remark }
}

fn tool(tool: Tool) -> Row {
    let state = find::look(tool);
    let (verdict, remark) = match &state {
        State::Missing => (Verdict::Bad, host::how_to_get(tool)),
        State::TooOld { version, .. } => {
            let how = host::how_to_get(tool);
            (Verdict::Bad, format!("{version} is older than {OLDEST_QEMU}; {how}"))
        }
        State::Old { version, path } => {
            let found = found(Some(&version.to_string()), path);
            (Verdict::Remark, format!("{found} (x2APIC without KVM needs {GOOD_QEMU})"))
        }
        State::Ready { path, .. } => (Verdict::Good, found(state.version().as_deref(), path)),
    };
    Row { name: tool.name(), verdict, remark }
}

/// What `bench` compares with.
fn linux() -> Row {
    let (verdict, remark) = match Linux::find() {
        Some(linux) => (Verdict::Good, found(Some(&linux.version), &linux.kernel)),
        None => (Verdict::Remark, "`cargo roost setup` fetches a kernel, for `bench` to compare with".into()),
    };
    Row { name: "Linux", verdict, remark }
}

fn kvm() -> Row {
    let remark = |text: &str| Row { name: "KVM", verdict: Verdict::Remark, remark: text.to_owned() };
    let device = Path::new("/dev/kvm");
    if !device.exists() {
        return remark("no /dev/kvm; QEMU emulates, which is slower and works everywhere");
    }
    if OpenOptions::new().read(true).write(true).open(device).is_err() {
        return remark("/dev/kvm may not be opened by you (on most systems the group `kvm` may); QEMU emulates");
    }
    if find::look(Tool::Qemu).path().is_none() {
        return remark("/dev/kvm is there; whether it works is known once QEMU is installed");
    }
    match qemu::resolve(qemu::Accel::Auto) {
        Ok((_, qemu::Accel::Kvm)) => Row { name: "KVM", verdict: Verdict::Good, remark: "runs a guest".into() },
        _ => remark("/dev/kvm is there but does not run a guest; QEMU emulates, which works everywhere"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_line_up() {
        let row = |name, verdict| Row { name, verdict, remark: "x".into() }.to_string();
        assert_eq!(row("QEMU", Verdict::Bad), "QEMU     MISSING  x");
        assert_eq!(row("xorriso", Verdict::Good), "xorriso  ok       x");
    }
}
