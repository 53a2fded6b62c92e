//! Carries out the steps of a plan. What programs print goes to a log, which is shown if one fails.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::cache;
use super::plan::Step;
use super::privilege::Privilege;

/// How many of the log's last lines an error shows.
const SHOWN_LINES: usize = 15;

/// A series of steps with one log.
///
/// Holds a lock file for as long as it lives, so that of several `cargo roost` started at once one
/// changes the system and the others wait.
pub struct Executor {
    privilege: Privilege,
    log: PathBuf,
    _lock: File,
}

impl Executor {
    /// Starts a new log, after waiting for other installers of ours to finish.
    pub fn new(privilege: Privilege) -> Result<Self> {
        let directory = cache::directory();
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let lock =
            File::create(directory.join("install.lock")).context("cannot create the lock file of the installer")?;
        lock.lock().context("cannot lock the installer's file")?;
        let log = directory.join("install.log");
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        if !privilege.ask_password()? {
            bail!("sudo refused; nothing was installed");
        }
        Ok(Self { privilege, log, _lock: lock })
    }

    /// Does one step while telling the user what it is for. Blocks until it is done.
    ///
    /// # Errors
    /// Why the step failed, with the end of what it printed.
    pub fn run(&self, doing: &str, step: &Step) -> Result<()> {
        let progress = Progress::start(doing);
        let result = self.run_quietly(step);
        progress.finish();
        result
    }

    fn run_quietly(&self, step: &Step) -> Result<()> {
        let line = step.shell(self.privilege);
        let (words, input) = step.command(self.privilege);
        let mut log = self.open_log()?;
        writeln!(log, "$ {line}")?;
        let start = log.metadata()?.len();

        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", words[0]))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes())?;
        }
        let status = child.wait()?;
        if status.success() {
            return Ok(());
        }
        let printed = std::fs::read(&self.log).unwrap_or_default();
        let printed = printed.get(usize::try_from(start)?..).unwrap_or_default();
        bail!(
            "this failed ({status}):\n  {line}\nThe last it printed (all of it is in {}):\n{}",
            self.log.display(),
            last_lines(&String::from_utf8_lossy(printed)),
        );
    }

    fn open_log(&self) -> Result<File> {
        open_to_append(&self.log).with_context(|| format!("cannot write {}", self.log.display()))
    }
}

fn open_to_append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(SHOWN_LINES);
    let shown: Vec<_> = lines[first..].iter().map(|line| format!("  {line}")).collect();
    shown.join("\n")
}

/// A spinner on a terminal, a line elsewhere.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn start(doing: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            eprintln!("{doing}");
            return Self(None);
        }
        let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.set_message(doing.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(Some(bar))
    }

    fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_the_end_of_what_was_printed() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let shown = last_lines(&text);
        assert!(shown.starts_with("  line 85\n"), "{shown}");
        assert!(shown.ends_with("  line 99"), "{shown}");
    }
}
