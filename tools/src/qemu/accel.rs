//! What executes the guest: QEMU's translator, or the processor through KVM.
//!
//! `/dev/kvm` says little. In a virtual machine, in a container, under another hypervisor, it may be there
//! and fail, or start a guest that never gets anywhere. So the automatic choice boots a guest of a few
//! instructions under KVM and takes KVM only if that guest says so. What was found out is kept in the user's
//! cache until the machine restarts or its QEMU changes, together with the fact that this QEMU will do:
//! asking it for its version takes as long as booting a microvm.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::process::die_with_parent;
use super::tiny;
use crate::host;

/// How long the probe's guest may take. It needs some ten milliseconds where KVM works.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// What the probe's guest writes to the exit port, and so its status of `(value << 1) | 1`.
const PROBE_VALUE: u8 = 0x2a;
/// The program.
const QEMU: &str = "qemu-system-x86_64";

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// KVM if it works here, else TCG.
    #[default]
    Auto,
    /// QEMU's translator, one host thread per core.
    Tcg,
    /// The processor itself.
    Kvm,
}

/// What is known about this machine's QEMU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Knowledge {
    /// The run of the host on which it was learnt.
    boot: String,
    /// The program, which [`host::require`] accepted.
    path: PathBuf,
    /// Its time of modification and size: another QEMU is another matter.
    stamp: (i64, u64),
    /// Whether it runs a guest under KVM, if that was tried.
    kvm: Option<bool>,
}

/// The program to run, and what `accel` comes to, which is not [`Accel::Auto`].
///
/// Installs QEMU if it is missing and may be installed.
///
/// # Errors
/// If there is no QEMU that will do.
pub fn resolve(accel: Accel) -> anyhow::Result<(PathBuf, Accel)> {
    // Suites boot many times; one look per process is enough.
    static KNOWN: Mutex<Option<Knowledge>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let file = host::cache_dir().join("qemu.json");
    let mut knowledge = match known.take().or_else(|| recall(&file)) {
        Some(knowledge) => knowledge,
        None => {
            let knowledge = learn(&host::require(host::Tool::Qemu)?)?;
            remember(&file, &knowledge);
            knowledge
        }
    };
    let accel = match (accel, knowledge.kvm) {
        (Accel::Auto, Some(true)) => Accel::Kvm,
        (Accel::Auto, Some(false)) => Accel::Tcg,
        (Accel::Auto, None) => {
            let works = kvm_works(&knowledge.path);
            if !works && Path::new("/dev/kvm").exists() {
                // Said once per run of the host, because what follows is slower than one may expect.
                eprintln!("note: /dev/kvm is here, but no guest runs with it; QEMU translates instead (TCG)");
            }
            knowledge.kvm = Some(works);
            remember(&file, &knowledge);
            if works { Accel::Kvm } else { Accel::Tcg }
        }
        (explicit, _) => explicit,
    };
    let path = knowledge.path.clone();
    *known = Some(knowledge);
    Ok((path, accel))
}

/// What the file says, if it is about this run of this host and the QEMU that would be found today.
fn recall(file: &Path) -> Option<Knowledge> {
    let knowledge: Knowledge = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let current = learn(&host::find::on_path(QEMU)?).ok()?;
    (Knowledge { kvm: knowledge.kvm, ..current } == knowledge).then_some(knowledge)
}

/// Failing to remember costs the next run some milliseconds, and is no reason to fail this one.
fn remember(file: &Path, knowledge: &Knowledge) {
    let Some(directory) = file.parent() else { return };
    let write = || -> anyhow::Result<()> {
        fs::create_dir_all(directory)?;
        // Replaced as a whole, so that a process that reads it meanwhile finds the old or the new.
        let mut replacement = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer(&mut replacement, knowledge)?;
        replacement.persist(file)?;
        Ok(())
    };
    let _ = write();
}

fn learn(path: &Path) -> anyhow::Result<Knowledge> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let data = fs::metadata(path)?;
    let stamp = (data.mtime(), data.len());
    Ok(Knowledge { boot: boot.trim().to_owned(), path: path.to_owned(), stamp, kvm: None })
}

/// Whether a guest gets anywhere under KVM.
fn kvm_works(qemu: &Path) -> bool {
    fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
        && probe(qemu, "kvm", "host").unwrap_or(false)
}

/// Boots the smallest guest there is under `accel` and says whether it reached its end.
fn probe(qemu: &Path, accel: &str, cpu: &str) -> anyhow::Result<bool> {
    let mut image = tempfile::NamedTempFile::new()?;
    let guest = tiny::Guest::default().write(tiny::EXIT, &[PROBE_VALUE]).halt();
    std::io::Write::write_all(&mut image, &guest.image(1))?;

    let mut command = Command::new(qemu);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "16M"]);
    command.args(["-M", "microvm", "-accel", accel, "-cpu", cpu]);
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-kernel"]).arg(image.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    die_with_parent(&mut command);
    let mut child = command.spawn()?;

    let deadline = Instant::now() + PROBE_TIMEOUT;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code() == Some(i32::from(PROBE_VALUE) << 1 | 1));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learnt_on_another_run_of_the_host_or_of_another_qemu_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("qemu.json");
        assert_eq!(recall(&file), None);
        let Some(path) = host::find::on_path(QEMU) else { return };
        let known = Knowledge { kvm: Some(true), ..learn(&path).unwrap() };
        remember(&file, &known);
        assert_eq!(recall(&file), Some(known.clone()));
        remember(&file, &Knowledge { boot: "another".into(), ..known.clone() });
        assert_eq!(recall(&file), None);
        remember(&file, &Knowledge { stamp: (0, 1), ..known });
        assert_eq!(recall(&file), None);
    }

    #[test]
    fn the_probe_tells_an_accelerator_that_works_from_one_that_does_not() {
        let Some(qemu) = host::find::on_path(QEMU) else {
            eprintln!("skipped: there is no {QEMU}");
            return;
        };
        assert!(probe(&qemu, "tcg", "max").unwrap());
        assert!(!probe(&qemu, "no-such-accelerator", "max").unwrap());
    }
}
