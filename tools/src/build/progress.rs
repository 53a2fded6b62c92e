//! What the user sees of a build: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Verbs with which cargo begins its status lines, as far as they tell a reader something.
const WORK: [&str; 5] = ["Compiling", "Downloading", "Downloaded", "Updating", "Blocking"];
/// And those that do not.
const NOISE: [&str; 9] =
    ["Finished", "Fresh", "Locking", "Adding", "Dirty", "Building", "Running", "Checking", "Removed"];
/// What cargo says when the compiler has said it already.
const ECHO: [&str; 2] = ["error: could not compile", "warning: build failed"];

/// A build in progress.
pub struct Progress {
    name: String,
    bar: Option<ProgressBar>,
    started: Instant,
    worked: bool,
}

impl Progress {
    /// Begins to show the build of `name`.
    pub fn start(name: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant");
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.set_message(format!("building {name}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { name: name.to_owned(), bar, started: Instant::now(), worked: false }
    }

    /// Whether standard error is a terminal, and so may have colours.
    pub fn is_terminal(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows a line that cargo wrote to standard error.
    pub fn cargo(&mut self, line: &str) {
        let verb = line.trim_start().split(' ').next().unwrap_or_default();
        if WORK.contains(&verb) {
            self.worked |= verb == "Compiling";
            match &self.bar {
                Some(bar) => bar.set_message(format!("building {}: {}", self.name, line.trim_start())),
                None => eprintln!("{line}"),
            }
        } else if !NOISE.contains(&verb) && !ECHO.iter().any(|echo| line.starts_with(echo)) {
            self.print(line);
        }
    }

    /// Shows text that stays.
    pub fn print(&self, text: &str) {
        let print = || eprintln!("{}", text.trim_end_matches('\n'));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Ends the display, with a line if there was anything to do.
    pub fn finish(self, built: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if built && self.worked {
            eprintln!("built {} in {:.1} s", self.name, self.started.elapsed().as_secs_f64());
        }
    }
}
