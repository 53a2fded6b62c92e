//! How this process can act as root, if it can.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use super::find;

/// How commands that change the system are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// As they are: this process is root, or the command wants no root.
    Root,
    /// Through `sudo`, which works without asking or has a terminal to ask at.
    Sudo,
    /// Not at all. A person has to type them.
    Unavailable,
}

impl Privilege {
    /// What this process has.
    #[must_use]
    pub fn detect() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Root
        } else if find::on_path("sudo").is_none() {
            Self::Unavailable
        } else if sudo_needs_no_password() || std::io::stdin().is_terminal() {
            Self::Sudo
        } else {
            Self::Unavailable
        }
    }

    /// Words before a command. For [`Privilege::Unavailable`], those a person would most likely type.
    #[must_use]
    pub const fn prefix(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[],
            Self::Sudo | Self::Unavailable => &["sudo"],
        }
    }

    /// Lets `sudo` ask for its password now, before anything animates the terminal.
    pub fn ask_password(self) -> std::io::Result<bool> {
        match self {
            Self::Sudo => Ok(Command::new("sudo").arg("--validate").status()?.success()),
            Self::Root | Self::Unavailable => Ok(true),
        }
    }
}

fn sudo_needs_no_password() -> bool {
    Command::new("sudo")
        .args(["--non-interactive", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
