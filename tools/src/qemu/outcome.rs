//! How a run of a guest ended.

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The application ended with this code.
    Exited(u8),
    /// The guest asked for a reboot; the machine was stopped instead.
    Rebooted,
    /// The guest panicked with this first line.
    Panicked {
        /// What the guest said.
        message: String,
    },
    /// The machine stopped without a word: a triple fault, or something as bad.
    Died,
    /// It took too long and was stopped.
    TimedOut,
    /// The user stopped it.
    Interrupted,
    /// QEMU itself gave up, before the guest could run or in the middle of it.
    QemuFailed {
        /// What QEMU said.
        stderr: String,
    },
}

impl Outcome {
    /// The exit code by which this tool passes the end on.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Exited(code) => *code,
            Self::Rebooted => 0,
            Self::QemuFailed { .. } => 2,
            Self::Panicked { .. } => 101,
            Self::Died => 102,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }

    /// A sentence about an end that needs one; none for a plain exit and for a panic, which the guest's own
    /// words on the console explain.
    pub fn sentence(&self) -> Option<String> {
        Some(match self {
            Self::Exited(_) | Self::Panicked { .. } | Self::Interrupted => return None,
            Self::Rebooted => "the guest asked for a reboot and was stopped; run it again to go on".into(),
            Self::Died => "the guest died without a panic message, probably by a triple fault; \
                           --gdb stops it before its first instruction"
                .into(),
            Self::TimedOut => "the guest took longer than its timeout and was stopped".into(),
            Self::QemuFailed { stderr } if stderr.trim().is_empty() => "QEMU failed without a message".into(),
            Self::QemuFailed { stderr } => format!("QEMU failed: {}", stderr.trim()),
        })
    }
}
