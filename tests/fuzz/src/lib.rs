//! Fuzz targets for everything that parses foreign bytes.
//!
//! A target is a function of bytes that panics if what is parsed from them breaks a promise; [`TARGETS`] lists them.
//! They are run in two ways:
//!
//! - **With corrupted samples**, on every run of the host tier: `cargo test -p fuzz` takes what is in `corpus/`,
//!   damages it 100,000 times per target as loaders, firmware and typists do, and prints the seed. See [`corrupt`].
//! - **Guided by coverage**, for as long as one likes. A program per target, linked with libFuzzer, which works with
//!   the stable compiler because all that it needs is a compiler pass and a C++ compiler:
//!
//! ```sh
//! export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
//! export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
//!     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
//!     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
//! cargo build -p fuzz --bins --features libfuzzer --release --target x86_64-unknown-linux-gnu --target-dir target/fuzz
//! mkdir -p target/fuzz/found
//! target/fuzz/x86_64-unknown-linux-gnu/release/multiboot2 -max_total_time=60 target/fuzz/found tests/fuzz/corpus/multiboot2
//! ```
//!
//! (`--target` keeps the flags from build scripts, which are not linked with libFuzzer.) New inputs go to the first
//! directory named. An input that fails is written to a file; given that file as its only argument, the program runs it
//! alone.
//!
//! The samples in `corpus/` whose names are those of machines were taken from them: what QEMU's loader left at the PVH
//! entry of microvm and q35, GRUB's on BIOS and UEFI, and QEMU's DSDTs. `program/nothing` is a
//! program as it was linked.

pub mod corrupt;
pub mod targets;

/// A target and its name, which is also that of its directory in `corpus/`.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("multiboot2", targets::multiboot2),
    ("pvh", targets::pvh),
    ("acpi", targets::acpi),
    ("command_line", targets::command_line),
    ("log_filter", targets::log_filter),
    ("program", targets::program),
    ("calls", targets::calls),
];
