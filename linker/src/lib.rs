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

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Emits what cargo needs to link every binary and test of the calling package as an image.
///
/// To be called from a build script. Prints a readable error, by `cargo::error`, if a binary has no entry point:
/// the compiler's own message would speak of a missing panic handler.
pub fn image() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("image.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    println!("cargo::rerun-if-changed=src");
    let script = format!("-T{}", script.display());
    // rustc passes `-pie` before these; the last one wins.
    let arguments = [
        script.as_str(),
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,-z,max-page-size=4096",
        "-Wl,-z,norelro",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
    ];
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a build script where its package is"));
    // cargo refuses arguments for a kind of target that the package does not have.
    let has_binaries = root.join("src/main.rs").exists() || root.join("src/bin").exists();
    let has_tests = root.join("tests").exists();
    let kinds = [("bins", has_binaries), ("tests", has_tests)];
    for (kind, _) in kinds.into_iter().filter(|&(_, present)| present) {
        for argument in arguments {
            println!("cargo::rustc-link-arg-{kind}={argument}");
        }
    }
    for binary in binaries_without_entry_point(&root) {
        println!(
            "cargo::error={} has no entry point: write `#[libkern::main]` above its `fn main` \
             (or `libkern::test_main!();` in a test suite)",
            binary.display()
        );
    }
}

/// The conventional binaries of the package whose source never mentions an entry macro.
///
/// Looks at text, not at the syntax tree: an entry point behind a macro of the application's own is missed, so a
/// package that has such a thing keeps it out of `src/main.rs` and `src/bin`.
fn binaries_without_entry_point(root: &Path) -> Vec<PathBuf> {
    let mut sources = vec![root.join("src/main.rs")];
    if let Ok(entries) = fs::read_dir(root.join("src/bin")) {
        sources.extend(entries.flatten().map(|entry| entry.path()));
    }
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.retain(|path| fs::read_to_string(path).is_ok_and(|text| !mentions_entry_point(&text)));
    sources
}

fn mentions_entry_point(source: &str) -> bool {
    const ENTRY_POINTS: [&str; 4] = ["#[libkern::main", "#[main", "libkern::test_main!", "test_main!"];
    source
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .any(|line| ENTRY_POINTS.iter().any(|entry| line.contains(entry)))
}

#[cfg(test)]
mod tests {
    use super::mentions_entry_point;

    #[test]
    fn an_attribute_is_an_entry_point() {
        assert!(mentions_entry_point("#![no_std]\n  #[libkern::main]\nfn main() {}"));
        assert!(mentions_entry_point("libkern::test_main!();"));
    }

    #[test]
    fn a_comment_is_not_an_entry_point() {
        assert!(!mentions_entry_point("// #[libkern::main]\nfn main() {}"));
        assert!(!mentions_entry_point("fn main() {}"));
    }
}
