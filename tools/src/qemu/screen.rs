//! The screen of a machine, as whoever runs it sees it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What becomes of what a guest draws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// Nobody sees it.
    #[default]
    Hidden,
    /// It is in a window, where one can be opened.
    Window,
    /// It is a picture in this file when the run is over: PNG, or PPM if the name ends so.
    Picture(PathBuf),
}

/// What makes windows, the better one first.
const WINDOWS: [&str; 2] = ["gtk", "sdl"];

/// What opens windows, by QEMU's name: if there is a display, and `qemu` has it.
///
/// # Errors
/// A sentence that says what is missing, and what to do.
pub fn opener(qemu: &Path) -> Result<&'static str, String> {
    let instead = "--screenshot FILE.png writes the picture to a file";
    let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !["DISPLAY", "WAYLAND_DISPLAY"].iter().any(is_set) {
        return Err(format!("there is no display to open a window on; {instead}"));
    }
    let known = Command::new(qemu).args(["-display", "help"]).output().map(|output| output.stdout).unwrap_or_default();
    let known = String::from_utf8_lossy(&known);
    let opens = |name: &&&str| known.lines().any(|line| line.trim() == **name);
    let none = || format!("this QEMU opens no windows (Debian's qemu-system-gui has what it lacks); {instead}");
    WINDOWS.iter().find(opens).copied().ok_or_else(none)
}
