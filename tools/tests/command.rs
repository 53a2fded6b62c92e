//! The command as its users see it: what it prints and what it exits with.
//!
//! Guests are a few hundred bytes of code (see `tiny`), so nothing is compiled. A test that boots one says
//! that it is skipped where there is no QEMU.

#[path = "../src/qemu/tiny.rs"]
#[expect(dead_code, reason = "not every test of the tools needs every instruction")]
mod tiny;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;
use tiny::{CONTROL, EXIT, Guest, SERIAL};

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const APPLICATION: u32 = 1;
const SUITE: u32 = 2;

/// The command, as if typed in an empty directory.
fn roost(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-roost"));
    command.arg("roost").args(args).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}

fn runner(image: &Path, args: &[&str]) -> Command {
    let mut command = roost(&["--no-install", "runner"]);
    command.arg(image).args(args);
    command
}

fn output(command: &mut Command) -> (String, String, Option<i32>) {
    let Output { stdout, stderr, status } = command.stdin(Stdio::null()).output().unwrap();
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap(), status.code())
}

/// An image in a file, or `None` without a QEMU to boot it.
fn image(guest: Guest, kind: u32) -> Option<NamedTempFile> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|directory| directory.join("qemu-system-x86_64").is_file()) {
        eprintln!("skipped: there is no qemu-system-x86_64");
        return None;
    }
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&guest.image(kind)).unwrap();
    Some(file)
}

fn exits(guest: Guest, code: u8) -> Guest {
    guest.write(CONTROL, format!("exit {code}\n").as_bytes()).write(EXIT, &[code.min(127)]).halt()
}

#[test]
fn an_image_is_booted_and_its_exit_code_passed_on() {
    let guest = exits(Guest::default().write(SERIAL, b"hello\n"), 200);
    let Some(image) = image(guest, APPLICATION) else { return };
    assert_eq!(output(&mut runner(image.path(), &[])), ("hello\n".into(), String::new(), Some(200)));
}

#[test]
fn a_death_and_a_timeout_have_codes_and_sentences_of_their_own() {
    let settings = tempfile::tempdir().unwrap();
    let manifest = "[package]\nname = \"a\"\n[package.metadata.roost]\ntimeout = 1\nsmp = 1\n";
    fs::write(settings.path().join("Cargo.toml"), manifest).unwrap();
    let panics = Guest::default().write(CONTROL, b"panic oops\n").write(EXIT, &[101]).halt();
    for (guest, code, sentence) in [
        (Guest::default().triple_fault(), 102, "triple fault"),
        (Guest::default().halt(), 124, "longer than its timeout"),
        (panics, 101, ""),
    ] {
        let Some(image) = image(guest, APPLICATION) else { return };
        let mut command = roost(&["runner", "--manifest-dir", settings.path().to_str().unwrap()]);
        let (_, stderr, status) = output(command.arg(image.path()));
        assert_eq!(status, Some(code), "{stderr}");
        assert!(stderr.contains(sentence), "{stderr}");
    }
}

/// Waits for a byte at the serial port and writes it back.
const ECHO: [u8; 15] = [
    // wait: mov dx, 0x3fd; in al, dx; test al, 1; jz wait
    0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 1, 0x74, 0xf7, // mov dx, 0x3f8; in al, dx; out dx, al
    0x66, 0xba, 0xf8, 0x03, 0xec, 0xee,
];

#[test]
fn standard_input_reaches_the_serial_port() {
    let guest = exits(Guest::default().raw(&ECHO.repeat(3)), 0);
    let Some(image) = image(guest, APPLICATION) else { return };
    let mut child = runner(image.path(), &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"abc").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"abc\n"[..], Some(0)));
}

#[test]
fn a_program_of_the_host_is_executed_in_place() {
    let shell = Path::new("/bin/sh");
    let command = &mut runner(shell, &["-c", "echo \"$0 $1\"; exit 42", "a b", "--list"]);
    assert_eq!(output(command), ("a b --list\n".into(), String::new(), Some(42)));
}

#[test]
fn the_workspaces_runner_executes_programs_of_the_host_itself() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("runner");
    // Without a cargo to call, so that it must do without.
    let mut command = Command::new(script);
    command.args(["/bin/sh", "-c", "echo \"$1:${ROOST_RUNNER:-unset}\"; exit 42", "sh", "a b"]);
    command.env("CARGO", "/nonexistent");
    assert_eq!(output(&mut command), ("a b:unset\n".into(), String::new(), Some(42)));
}

#[test]
fn an_image_without_a_header_is_refused_by_the_name_of_the_header() {
    let mut bytes = Guest::default().halt().image(APPLICATION);
    bytes[tiny::MULTIBOOT2] = 0;
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let (_, stderr, status) = output(&mut runner(file.path(), &[]));
    assert!(stderr.contains("no multiboot2 header within its first 32 KiB"), "{stderr}");
    assert_eq!(status, Some(2));
}

const TWO_CASES: &[u8] = b"boot pvh\nsuite 2\ncase a ids=K1\nok 5\ncase b\nfailed 1 != 2\ndone\nexit 1\n";
const THEIR_CONSOLE: &[u8] = b"one\ntest a ... ok\ntwo\ntest b ... FAILED: 1 != 2\n";

#[test]
fn a_suite_reports_like_rusts_own_harness() {
    let guest = Guest::default().write(SERIAL, THEIR_CONSOLE).write(CONTROL, TWO_CASES).write(EXIT, &[1]);
    let Some(image) = image(guest.halt(), SUITE) else { return };
    let (stdout, _, status) = output(&mut runner(image.path(), &[]));
    let expected = "\nrunning 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n\
        ---- b stdout ----\ntwo\n1 != 2\n\n\nfailures:\n    b\n\n\
        test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in ";
    assert!(stdout.starts_with(expected), "{stdout}");
    assert_eq!(status, Some(101));
}

#[test]
fn a_suite_lists_its_cases() {
    let guest = Guest::default().write(CONTROL, b"suite 2\ncase a\ncase b\ndone\nexit 0\n").write(EXIT, &[0]);
    let Some(image) = image(guest.halt(), SUITE) else { return };
    for (args, expected) in [
        (&["--list"][..], "a: test\nb: test\n\n2 tests, 0 benchmarks\n"),
        (&["--list", "--exact", "b", "--format", "terse"], "b: test\n\n1 test, 0 benchmarks\n"),
    ] {
        let (stdout, _, status) = output(&mut runner(image.path(), args));
        assert_eq!((stdout.as_str(), status), (expected, Some(0)));
    }
    let (stdout, _, status) = output(&mut runner(image.path(), &["--exact", "c"]));
    assert!(stdout.starts_with("\nrunning 0 tests\n\ntest result: ok. 0 passed;"), "{stdout}");
    assert_eq!(status, Some(0));
}

/// A guest that never ends, once it has said something.
fn endless() -> Option<(NamedTempFile, Child)> {
    let image = image(Guest::default().write(SERIAL, b">").halt(), APPLICATION)?;
    let mut child = runner(image.path(), &[]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b">");
    Some((image, child))
}

/// The processes that this one started.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        // After the name, which is in parentheses, come the state and the parent's id.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .collect()
}

fn is_gone(process: u32) -> bool {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // A zombie is gone as far as anybody cares; who reaps it is up to the system.
        if stat.is_empty() || stat.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn interrupts_end_qemu_in_good_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let Some((_image, mut child)) = endless() else { return };
        let qemu = children(child.id());
        assert_eq!(qemu.len(), 1);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(is_gone(qemu[0]));
    }
}

#[test]
fn qemu_does_not_outlive_a_tool_that_was_killed() {
    let Some((_image, mut child)) = endless() else { return };
    let qemu = children(child.id());
    assert_eq!(qemu.len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_gone(qemu[0]));
}

#[test]
fn wrong_arguments_are_answered_with_what_is_right() {
    for (args, expected) in [
        (&["run", "--smp", "0"][..], "1..=288"),
        (&["run", "--smp", "many"], "invalid value 'many'"),
        (&["run", "--mem", "128"], "write 128M"),
        (&["run", "--mem", "lots"], "write 128M or 4G"),
        (&["run", "--machine", "mips"], "microvm, q35, pc"),
        (&["run", "--boot", "floppy"], "kernel, grub-bios, grub-uefi"),
        (&["run", "--accel", "hvf"], "auto, tcg, kvm"),
        (&["run", "--release", "--debug"], "cannot be used with"),
        (&["run", "a", "--manifest-path", "b"], "cannot be used with"),
        (&["run", "a", "b"], "unexpected argument 'b'"),
        (&["run", "--manifest-path", "/nonexistent"], "cannot read /nonexistent"),
        (&["runner", "/nonexistent"], "cannot read /nonexistent"),
        (&["rum"], "similar subcommand exists: 'run'"),
    ] {
        let (_, stderr, status) = output(&mut roost(args));
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert_eq!(status, Some(2), "{args:?}");
    }
}

#[test]
fn without_an_application_the_next_step_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let (_, stderr, _) = output(roost(&["run"]).current_dir(&empty));
    assert!(stderr.contains("--manifest-path") && stderr.contains("cargo roost new"), "{stderr}");
    let (_, stderr, _) = output(roost(&["run", "hello"]).current_dir(&empty));
    assert!(stderr.contains("only from within its workspace"), "{stderr}");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (_, stderr, _) = output(roost(&["run", "helo"]).current_dir(workspace));
    assert!(stderr.contains("there is no application `helo`; there are browser, hello"), "{stderr}");
}

#[test]
fn a_machine_that_cannot_be_is_refused_before_anything_is_built() {
    let app = tempfile::tempdir().unwrap();
    fs::write(app.path().join("Cargo.toml"), "[package]\nname = \"a\"\n").unwrap();
    for (args, expected) in [
        (&["run", "--boot", "grub-bios", "--machine", "microvm"][..], "use --machine q35"),
        (&["run", "--smp", "256", "--machine", "pc"], "use --machine q35"),
    ] {
        let (_, stderr, status) = output(roost(args).current_dir(&app));
        assert!(stderr.contains(expected), "{stderr}");
        assert_eq!(status, Some(2));
    }
}

#[test]
fn help_is_there_for_the_program_by_both_its_names() {
    let (as_subcommand, _, _) = output(&mut roost(&["run", "--help"]));
    let direct = &mut Command::new(env!("CARGO_BIN_EXE_cargo-roost"));
    let (directly, _, _) = output(direct.args(["run", "--help"]));
    assert_eq!(as_subcommand, directly);
    for word in ["--smp", "--mem", "--machine", "--boot", "--accel", "--cpu", "--gdb", "--timeout", "Examples:"] {
        assert!(directly.contains(word), "{word}");
    }
}
