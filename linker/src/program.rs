//! Programs of isolated processes: linking one, and putting one into an application's image.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, panic};

use crate::link_arguments;

/// Emits what cargo needs to link every binary of the calling package as a program of an isolated process.
///
/// To be called from the program's build script.
pub fn isolated() {
    // rustc passes `-pie` before these. Relocations stay in the file, and the program applies them to itself.
    link_arguments(("proc.ld", include_str!("../proc.ld")), &["-static-pie", "-Wl,--no-dynamic-linker", "-Wl,-z,text"]);
}

/// Builds the package in the directory `path`, relative to the calling one, and makes its binaries available to
/// `libkern::include_program!` by their names.
///
/// To be called from the application's build script. The package is built by a cargo of its own, optimised, into a
/// directory below `OUT_DIR`: features do not unify with the application's, and nobody waits for a lock. Prints what went
/// wrong by `cargo::error`.
pub fn program(path: impl AsRef<Path>) {
    let variable =
        |name| PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("cargo tells build scripts {name}")));
    let package = variable("CARGO_MANIFEST_DIR").join(path);
    let target = variable("OUT_DIR").join("programs");
    println!("cargo::rerun-if-changed={}", package.join("Cargo.toml").display());
    match build(&package, &target) {
        Ok(binaries) if binaries.is_empty() => {
            println!("cargo::error={} has no binaries, so there is no program in it", package.display());
        }
        Ok(binaries) => binaries.iter().for_each(|binary| announce(binary)),
        Err(message) => println!("cargo::error={message}"),
    }
}

/// Builds the package and gives the executables that cargo made of it.
fn build(package: &Path, target: &Path) -> Result<Vec<PathBuf>, String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(package);
    command.args(["build", "--release", "--message-format", "json", "--manifest-path"]);
    command.arg(package.join("Cargo.toml")).arg("--target-dir").arg(target);
    // A package outside of a workspace that says so may have profiles of its own; unwinding takes std.
    command.args(["--config", "profile.release.panic=\"abort\"", "--config", "profile.release.strip=\"symbols\""]);
    // What the outer cargo has told its own compiler is not for this one.
    for (name, _) in env::vars_os() {
        let is_for_outer = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_FEATURE_") || name.starts_with("CARGO_CFG_") || name == "RUSTC_WORKSPACE_WRAPPER"
        });
        if is_for_outer {
            command.env_remove(name);
        }
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot run cargo for {}: {error}", package.display()))?;
    if !output.status.success() {
        return Err(format!("{} could not be built; why is said above", package.display()));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(executable).map(PathBuf::from).collect())
}

/// The executable that a message of cargo's speaks of. Paths with characters that JSON escapes are not found.
fn executable(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("\"executable\":\"")?;
    rest.split_once('"').map(|(path, _)| path)
}

/// Tells the application where a program is, and cargo what it was made of.
fn announce(binary: &Path) {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    println!("cargo::rustc-env=ROOST_PROGRAM_{name}={}", binary.display());
    let sources = fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    for source in sources_of(&sources) {
        println!("cargo::rerun-if-changed={source}");
    }
}

/// The files on the right of a rule for `make`.
fn sources_of(rule: &str) -> Vec<String> {
    let Some((_, sources)) = rule.split_once(": ") else { return Vec::new() };
    let line = sources.lines().next().unwrap_or_default();
    // A blank in a name is marked.
    line.replace("\\ ", "\0").split_whitespace().map(|source| source.replace('\0', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_messages_name_executables() {
        let message = r#"{"reason":"compiler-artifact","executable":"/a b/target/release/tab","fresh":true}"#;
        assert_eq!(executable(message), Some("/a b/target/release/tab"));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
    }

    #[test]
    fn a_rule_names_sources() {
        assert_eq!(sources_of("/t/tab: /a/main.rs /a\\ b/lib.rs\n\n/a/main.rs:\n"), ["/a/main.rs", "/a b/lib.rs"]);
        assert!(sources_of("").is_empty());
    }
}
