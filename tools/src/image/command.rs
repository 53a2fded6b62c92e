//! Runs the programs that make media, with their output kept for the case that they fail.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Files on a medium are from the first moment that FAT can express, not from now.
const EPOCH: &str = "315532800";

/// Runs `command` to its end. What it prints is seen only if it fails, then in the error.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        // The user's own configuration of mtools is about the user's own drives.
        .env("MTOOLSRC", "/dev/null")
        .env_remove("MTOOLS_DRIVE")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{name} failed ({}):\n{}", output.status, String::from_utf8_lossy(&printed).trim_end());
    }
    Ok(())
}
