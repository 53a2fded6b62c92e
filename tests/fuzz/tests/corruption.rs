//! Every target with a hundred thousand damaged samples.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use fuzz::corrupt::{Random, corrupt};
use fuzz::{TARGETS, Target};

const CASES: u64 = 100_000;

/// `ROOST_FUZZ_SEED` chooses another.
const SEED: u64 = 2;

fn seed() -> u64 {
    let seed = std::env::var("ROOST_FUZZ_SEED").ok();
    seed.map_or(SEED, |seed| seed.parse().expect("ROOST_FUZZ_SEED is a number"))
}

fn samples(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = files.map(|file| file.expect("the directory can be read").path()).collect();
    // The order of a directory is not the same everywhere.
    files.sort();
    let samples: Vec<_> = files.iter().map(|file| fs::read(file).expect("a sample can be read")).collect();
    assert!(!samples.is_empty(), "there is no sample of {name}");
    samples
}

fn run(name: &str) {
    let (_, target): Target = *TARGETS.iter().find(|target| target.0 == name).expect("it is a target");
    let (seed, samples) = (seed(), samples(name));
    println!("{name}: seed {seed}, {CASES} cases from {} samples", samples.len());
    for sample in &samples {
        target(sample);
    }
    for case in 0..CASES {
        let data = corrupt(&samples, &mut Random::new(seed.wrapping_mul(CASES).wrapping_add(case)));
        let result = panic::catch_unwind(AssertUnwindSafe(|| target(&data)));
        if let Err(cause) = result {
            eprintln!("{name}: seed {seed}, case {case}: {} bytes: {}", data.len(), hex(&data));
            panic::resume_unwind(cause);
        }
    }
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn damaged_multiboot2_information_is_survived() {
    run("multiboot2");
}

#[test]
fn damaged_pvh_information_is_survived() {
    run("pvh");
}

#[test]
fn damaged_acpi_is_survived() {
    run("acpi");
}

#[test]
fn damaged_command_lines_are_survived() {
    run("command_line");
}

#[test]
fn damaged_log_filters_are_survived() {
    run("log_filter");
}

#[test]
fn damaged_programs_are_survived() {
    run("program");
}

#[test]
fn damaged_calls_are_survived() {
    run("calls");
}

#[test]
fn every_target_has_samples() {
    for (name, _) in TARGETS {
        samples(name);
    }
}
