//! Links an application as a Roost image.
//!
//! An application's `build.rs` is one line:
//!
//! ```text
//! fn main() {
//!     roost_linker::image();
//! }
//! ```
//!
//! It applies `image.ld`, which lays the ELF out so that GRUB (multiboot2) and `qemu -kernel` (PVH) both boot it.
//! Nothing else is needed: the target is the stock one, the linker the one that the toolchain uses anyway.

mod program;

use std::path::{Path, PathBuf};
use std::{env, fs};

pub use program::{isolated, program};

/// Emits what cargo needs to link every binary and test of the calling package as an image.
///
/// To be called from a build script. Prints a readable error, by `cargo::error`, if a binary has no entry point or
/// several: the compiler's own message would speak of missing or duplicate language items.
pub fn image() {
    println!("cargo::rerun-if-changed=src");
    // rustc passes `-pie` before these; the last one wins.
    let root =
        link_arguments(("image.ld", include_str!("../image.ld")), &["-static", "-no-pie", "-Wl,--build-id=none"]);
    for problem in problems(&root) {
        println!("cargo::error={problem}");
    }
}

/// Emits arguments to link the calling package's binaries and tests by a script of this name and text, with `arguments`
/// beside those that all programs without a standard library want. Gives the package's directory.
fn link_arguments((name, text): (&str, &str), arguments: &[&str]) -> PathBuf {
    // In cargo's directory and not where this crate's source was: that path stays in build products which checkouts share
    // that share a target directory, and one of them may be gone.
    let script = out_dir().join(name);
    fs::write(&script, text).expect("cargo's own directory can be written to");
    let script = format!("-T{}", script.display());
    let common = [
        script.as_str(),
        "-nostartfiles",
        "-nostdlib",
        "-Wl,-z,max-page-size=4096",
        "-Wl,-z,norelro",
        "-Wl,--no-eh-frame-hdr",
    ];
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a build script where its package is"));
    // cargo refuses arguments for a kind of target that the package does not have.
    let has_binaries = root.join("src/main.rs").exists() || root.join("src/bin").exists();
    let has_tests = root.join("tests").exists();
    let kinds = [("bins", has_binaries), ("tests", has_tests)];
    for (kind, _) in kinds.into_iter().filter(|&(_, present)| present) {
        for argument in common.iter().chain(arguments) {
            println!("cargo::rustc-link-arg-{kind}={argument}");
        }
    }
    root
}

fn out_dir() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").expect("cargo tells a build script where it may write"))
}

/// What is wrong with the entry points of the package's conventional binaries.
///
/// Looks at text, not at the syntax tree: an entry point behind a macro of the application's own is missed, so a
/// package that has such a thing keeps it out of `src/main.rs` and `src/bin`.
fn problems(root: &Path) -> Vec<String> {
    let mut sources = vec![root.join("src/main.rs")];
    if let Ok(entries) = fs::read_dir(root.join("src/bin")) {
        sources.extend(entries.flatten().map(|entry| entry.path()));
    }
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.iter().filter_map(|path| problem(path, &fs::read_to_string(path).ok()?)).collect()
}

fn problem(path: &Path, source: &str) -> Option<String> {
    let path = path.display();
    match entry_points(source).as_slice() {
        [] => Some(format!(
            "{path} has no entry point: write `#[libkern::main]` above its `fn main` \
             (or `libkern::test_main!();` in a test suite)"
        )),
        [_] => None,
        [first, second, ..] => Some(format!(
            "{path} has more than one entry point, in lines {first} and {second}: an image has one `#[libkern::main]` \
             (or one `libkern::test_main!();`)"
        )),
    }
}

/// The lines that begin with an entry macro.
fn entry_points(source: &str) -> Vec<usize> {
    const ENTRY_POINTS: [&str; 4] = ["#[libkern::main]", "#[main]", "libkern::test_main!", "test_main!"];
    let lines = source.lines().map(str::trim_start).zip(1..);
    let begins = |line: &str| ENTRY_POINTS.iter().any(|entry| line.starts_with(entry));
    lines.filter(|&(line, _)| begins(line)).map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(source: &str) -> Option<String> {
        problem(Path::new("src/main.rs"), source)
    }

    #[test]
    fn one_entry_point_is_right() {
        assert_eq!(problem_of("#![no_std]\n  #[libkern::main]\nfn main() {}"), None);
        assert_eq!(problem_of("libkern::test_main!();"), None);
    }

    #[test]
    fn none_is_an_error_that_says_what_to_write() {
        let problem = problem_of("// #[libkern::main]\nfn main() {}").expect("a comment is no entry point");
        assert!(problem.contains("write `#[libkern::main]` above its `fn main`"), "{problem}");
    }

    #[test]
    fn two_are_an_error_that_says_where() {
        let problem = problem_of("#[libkern::main]\nfn main() {}\n#[libkern::main]\nfn other() {}");
        assert!(problem.expect("there are two").contains("in lines 1 and 3"));
    }
}
