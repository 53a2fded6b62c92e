//! QEMU's monitor: pictures of a guest's screen, and keys pressed for it.
//!
//! A machine whose screen is wanted as a file stays when its guest has ended (`-action shutdown=pause`): the monitor says
//! so, and then the picture is taken and QEMU told to end. Where this side ends the run, the picture is taken before. What
//! the monitor answers is read only for events and errors.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::streams::read_some;

/// The monitor of a running QEMU, by its machine protocol (QMP).
pub struct Monitor {
    stream: Option<UnixStream>,
    /// The last, unfinished line.
    line: Vec<u8>,
    /// Where the picture goes, until it has been asked for.
    picture: Option<PathBuf>,
    /// What QEMU refused.
    refused: Vec<String>,
}

impl Monitor {
    /// Speaks to QEMU at the other end of `stream`, which need not have started.
    ///
    /// # Errors
    /// If the stream is closed.
    pub fn new(stream: UnixStream, picture: Option<PathBuf>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut monitor = Self { stream: Some(stream), line: Vec::new(), picture, refused: Vec::new() };
        monitor.say(&json!({ "execute": "qmp_capabilities" }));
        Ok(monitor)
    }

    /// What to wait for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.stream.as_ref().map(UnixStream::as_fd)
    }

    /// Reads what QEMU says. When the guest has ended, so does QEMU, with a picture if one is wanted.
    ///
    /// # Errors
    /// If reading fails.
    pub fn take(&mut self) -> io::Result<()> {
        for byte in read_some(&mut self.stream)?.unwrap_or_default() {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let said: Value = serde_json::from_slice(&self.line).unwrap_or_default();
            self.line.clear();
            if said["event"] == "SHUTDOWN" {
                self.end();
            }
            if let Some(why) = said["error"]["desc"].as_str() {
                self.refused.push(why.to_owned());
            }
        }
        Ok(())
    }

    /// Has QEMU take the picture, if it has not, and end.
    pub fn end(&mut self) {
        if let Some(file) = self.picture.take() {
            let format = if file.extension().is_some_and(|extension| extension == "ppm") { "ppm" } else { "png" };
            self.say(&json!({ "execute": "screendump", "arguments": { "filename": file, "format": format } }));
        }
        self.say(&json!({ "execute": "quit" }));
    }

    /// Presses keys, by QEMU's names, all at once, and lets them go.
    pub fn press<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        let keys: Vec<_> = keys.map(|key| json!({ "type": "qcode", "data": key })).collect();
        self.say(&json!({ "execute": "send-key", "arguments": { "keys": keys } }));
    }

    /// Whether a picture is wanted, and has not been asked for.
    pub fn takes_picture(&self) -> bool {
        self.picture.is_some()
    }

    /// What QEMU refused to do, if anything.
    pub fn refused(&self) -> &[String] {
        &self.refused
    }

    /// A QEMU that is gone hears nothing, and nothing is lost by that.
    fn say(&mut self, command: &Value) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.write_all(format!("{command}\n").as_bytes());
        }
    }
}

/// Makes room for a picture: what is left at the end is of this run.
///
/// # Errors
/// If there is no such directory, or the file cannot be replaced.
pub fn make_room(picture: &Path) -> anyhow::Result<()> {
    let directory = picture.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    anyhow::ensure!(
        directory.is_dir(),
        "cannot write {}: there is no directory {}",
        picture.display(),
        directory.display()
    );
    match std::fs::remove_file(picture) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            anyhow::bail!("cannot replace {}: {error}", picture.display())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    fn monitor(picture: Option<&str>) -> (Monitor, BufReader<UnixStream>, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let monitor = Monitor::new(near, picture.map(PathBuf::from)).unwrap();
        (monitor, BufReader::new(far.try_clone().unwrap()), far)
    }

    fn next(heard: &mut BufReader<UnixStream>) -> Value {
        let mut line = String::new();
        heard.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn when_the_guest_has_ended_the_picture_is_taken_and_qemu_ends() {
        let (mut monitor, mut heard, mut qemu) = monitor(Some("a.png"));
        assert_eq!(next(&mut heard)["execute"], "qmp_capabilities");
        qemu.write_all(b"{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"SHUT").unwrap();
        monitor.take().unwrap();
        qemu.write_all(b"DOWN\", \"data\": {}}\n").unwrap();
        monitor.take().unwrap();
        let dump = next(&mut heard);
        assert_eq!(dump["execute"], "screendump");
        assert_eq!(dump["arguments"], json!({ "filename": "a.png", "format": "png" }));
        assert_eq!(next(&mut heard)["execute"], "quit");
        qemu.write_all(b"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n").unwrap();
        monitor.take().unwrap();
        assert_eq!(monitor.refused(), ["no"]);
    }

    #[test]
    fn a_picture_is_taken_once_and_none_if_none_is_wanted() {
        let (mut monitor, mut heard, _qemu) = monitor(Some("a.ppm"));
        monitor.end();
        monitor.end();
        let said: Vec<_> = (0..4).map(|_| next(&mut heard)["execute"].clone()).collect();
        assert_eq!(said, ["qmp_capabilities", "screendump", "quit", "quit"]);
        let (mut monitor, mut heard, _qemu) = super::tests::monitor(None);
        monitor.press(["shift", "a"].into_iter());
        monitor.end();
        let _ = next(&mut heard);
        assert_eq!(next(&mut heard)["arguments"]["keys"][1]["data"], "a");
        assert_eq!(next(&mut heard)["execute"], "quit");
    }

    #[test]
    fn room_is_made_where_there_is_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.png");
        std::fs::write(&file, "old").unwrap();
        make_room(&file).unwrap();
        assert!(!file.exists());
        assert!(make_room(&directory.path().join("none/a.png")).unwrap_err().to_string().contains("no directory"));
    }
}
