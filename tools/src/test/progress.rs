//! What the user sees while tests run: a bar on a terminal, a line per case elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::{Outcome, Row};

/// How much of a failing case's console is shown; what went before is in the report.
const SHOWN_LINES: usize = 200;

/// Shows rows as they come in. Everything goes to standard output except the bar.
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar where standard error is a terminal, plain lines elsewhere.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {pos} done, {elapsed} {wide_msg}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar }
    }

    /// Says what is being done now.
    pub fn stage(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => println!("# {what}"),
        }
    }

    /// Leaves the terminal to somebody else's progress, that of a build, until [`show`](Self::show).
    pub fn hide(&self) {
        if let Some(bar) = &self.bar {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Takes the terminal back.
    pub fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Shows a result. On a terminal, only what failed, with its console, and what has something to say.
    pub fn row(&self, row: &Row) {
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(row.name.clone());
                let says_something = row.outcome == Outcome::Passed && !row.message.is_empty();
                if row.outcome == Outcome::Failed || says_something {
                    bar.suspend(|| print(row));
                }
            }
            None => print(row),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn print(row: &Row) {
    println!("{row}");
    if row.outcome == Outcome::Failed {
        let lines: Vec<_> = row.output.lines().collect();
        let skipped = lines.len().saturating_sub(SHOWN_LINES);
        if skipped > 0 {
            println!("    | ({skipped} lines before)");
        }
        for line in &lines[skipped..] {
            println!("    | {line}");
        }
    }
}
