//! A new project as its owner sees it: outside of this workspace, with nothing but cargo and this command.
//!
//! That cargo-generate makes the same project is a unit test of `new`. Compiling libkern takes most of the time;
//! what was compiled is kept in this workspace's target directory.

use std::env;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A project called `demo`.
struct Project {
    directory: TempDir,
}

impl Project {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cargo-roost"))
            .args(["roost", "new", "demo", "--libkern-path"])
            .arg(checkout)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Self { directory }
    }

    /// A program in the project's directory, with `cargo roost` installed and nothing inherited from this
    /// workspace's own cargo.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path().join("demo")).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("template"));
        let installed = Path::new(env!("CARGO_BIN_EXE_cargo-roost")).parent().unwrap().to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        command.env("PATH", env::join_paths([installed].into_iter().chain(env::split_paths(&path))).unwrap());
        for variable in ["CARGO_MANIFEST_DIR", "CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
            command.env_remove(variable);
        }
        command
    }

    /// The standard output of cargo, which must succeed.
    fn cargo(&self, args: &[&str]) -> String {
        let output = self.command("cargo").args(args).output().unwrap();
        assert!(output.status.success(), "cargo {args:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&all).into_owned()
}

fn has_qemu() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|directory| directory.join("qemu-system-x86_64").is_file());
    if !found {
        eprintln!("skipped in part: there is no qemu-system-x86_64");
    }
    found
}

/// One test, because cargo would let only one of several compile at a time anyway.
#[test]
fn a_new_project_builds_boots_and_tests_with_plain_cargo() {
    let project = Project::new();
    project.cargo(&["build"]);
    if has_qemu() {
        let printed = project.cargo(&["run", "--", "two words", "x"]);
        assert!(printed.contains("Hello from 4 cores."), "{printed}");
        for core in 0..4 {
            assert!(printed.contains(&format!("core {core}: ")), "{printed}");
        }
        assert!(printed.contains("argument: two words") && printed.contains("argument: x"), "{printed}");
        // Stripped, it is the same image.
        project.cargo(&["roost", "image", "--debug", "--format", "elf", "-o", "demo.elf"]);
        let printed = project.cargo(&["roost", "runner", "demo.elf"]);
        assert!(printed.contains("Hello from 4 cores."), "{printed}");
        let printed = project.cargo(&["test"]);
        assert!(printed.contains("2 passed; 0 failed"), "{printed}");
    }

    // What rust-analyzer asks for. An error or a warning would be a message with a level.
    let messages = project.cargo(&["check", "--workspace", "--all-targets", "--message-format=json"]);
    let complaints: Vec<_> = messages.lines().filter(|line| line.contains(r#""reason":"compiler-message""#)).collect();
    assert_eq!(complaints, [""; 0]);

    let output = project.command("cargo").args(["fmt", "--check"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn without_the_command_running_a_project_says_how_to_install_it() {
    let project = Project::new();
    let output = project
        .command("./.cargo/runner")
        .arg("image")
        .env("PATH", "/usr/bin:/bin")
        .env("CARGO_HOME", "/nonexistent")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(127));
    let printed = text(&output);
    assert!(printed.contains("cargo install --locked --path '"), "{printed}");
}
