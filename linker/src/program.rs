//! Programs of isolated processes: linking one, and putting one into an application's image.
//!
//! What goes into the image is a copy without symbols and debug information. The file that has them stays where cargo put it,
//! and its path goes into a section of the image that is not loaded: from there `cargo roost` has the names of the functions
//! in which processes die.

use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::{env, fs, panic};

use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;

use crate::link_arguments;

/// Emits what cargo needs to link every binary of the calling package as a program of an isolated process.
///
/// To be called from the program's build script.
pub fn isolated() {
    // rustc passes `-pie` before these. Relocations stay in the file, and the program applies them to itself.
    link_arguments(
        ("proc.ld", include_str!("../proc.ld")),
        &["-static-pie", "-Wl,--no-dynamic-linker", "-Wl,-z,text", "-Wl,--build-id=sha1"],
    );
}

/// Builds the package in the directory `path`, relative to the calling one, and makes its binaries available to
/// `libkern::include_program!` by their names.
///
/// To be called from the application's build script. The package is built by a cargo of its own, optimised, into a
/// directory below `OUT_DIR`: features do not unify with the application's, and nobody waits for a lock. Ends the script
/// with a message if it cannot be built.
pub fn program(path: impl AsRef<Path>) {
    let variable =
        |name| PathBuf::from(env::var_os(name).unwrap_or_else(|| panic!("cargo tells build scripts {name}")));
    let package = variable("CARGO_MANIFEST_DIR").join(path);
    let target = variable("OUT_DIR").join("programs");
    println!("cargo::rerun-if-changed={}", package.join("Cargo.toml").display());
    let done = build(&package, &target).and_then(|binaries| match &binaries[..] {
        [] => Err(format!("{} has no binaries, so there is no program in it", package.display())),
        binaries => binaries.iter().try_for_each(|binary| announce(binary)),
    });
    if let Err(message) = done {
        // Of a script that fails cargo shows what it has printed, the compiler's messages among it; of one that only says
        // that there is an error it does not.
        eprintln!("error: {message}");
        process::exit(1);
    }
}

/// Builds the package and gives the executables that cargo made of it.
fn build(package: &Path, target: &Path) -> Result<Vec<PathBuf>, String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(package);
    command.args(["build", "--release", "--message-format", "json-render-diagnostics", "--manifest-path"]);
    command.arg(package.join("Cargo.toml")).arg("--target-dir").arg(target);
    // A package outside of a workspace that says so may have profiles of its own; unwinding takes std.
    for setting in ["panic=\"abort\"", "strip=\"none\"", "debug=\"line-tables-only\""] {
        command.args(["--config", &format!("profile.release.{setting}")]);
    }
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

/// Tells the application where a program is, once without symbols, and cargo what it was made of.
fn announce(binary: &Path) -> Result<(), String> {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let file = fs::read(binary).map_err(|error| format!("cannot read {}: {error}", binary.display()))?;
    let stripped = binary.with_file_name(format!("{name}.stripped"));
    let loaded = strip(file).ok_or_else(|| format!("{} is not an ELF for x86-64", binary.display()))?;
    fs::write(&stripped, loaded).map_err(|error| format!("cannot write {}: {error}", stripped.display()))?;
    println!("cargo::rustc-env=ROOST_PROGRAM_{name}={}", stripped.display());
    println!("cargo::rustc-env=ROOST_PROGRAM_SYMBOLS_{name}={}", binary.display());
    let sources = fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    for source in sources_of(&sources) {
        println!("cargo::rerun-if-changed={source}");
    }
    Ok(())
}

/// The part of an ELF that is loaded. Linkers put everything else behind it.
fn strip(mut file: Vec<u8>) -> Option<Vec<u8>> {
    /// Where the file header says where the section headers are, how many, and which has their names.
    const SECTIONS: [std::ops::Range<usize>; 2] = [0x28..0x30, 0x3c..0x40];
    let segments = ElfBytes::<LittleEndian>::minimal_parse(&file).ok()?.segments()?;
    let ends = segments.iter().filter(|segment| segment.p_type == PT_LOAD).map(|it| it.p_offset + it.p_filesz);
    file.truncate(ends.max()? as usize);
    for field in SECTIONS {
        file.get_mut(field)?.fill(0);
    }
    Some(file)
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
    fn what_is_loaded_stays_and_the_rest_goes() {
        let file = fs::read(env::current_exe().unwrap()).unwrap();
        let stripped = strip(file.clone()).unwrap();
        assert!(stripped.len() < file.len());
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&stripped).unwrap();
        assert!(elf.section_headers().is_none());
        for segment in elf.segments().unwrap().iter().filter(|segment| segment.p_type == PT_LOAD) {
            // The first has the file header, in which sections are gone.
            let range = segment.p_offset.max(64) as usize..(segment.p_offset + segment.p_filesz) as usize;
            assert_eq!(stripped[range.clone()], file[range]);
        }
        assert_eq!(strip(b"#!/bin/sh".to_vec()), None);
    }

    #[test]
    fn a_rule_names_sources() {
        assert_eq!(sources_of("/t/tab: /a/main.rs /a\\ b/lib.rs\n\n/a/main.rs:\n"), ["/a/main.rs", "/a b/lib.rs"]);
        assert!(sources_of("").is_empty());
    }
}
