//! Test suites that run inside a booted image.
//!
//! A suite is a program of its own (`tests/*.rs` with `harness = false`, or a binary):
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! #[libkern::test(ids = ["K18"])]
//! fn stacks_have_guard_pages() { /* assert!.. */ }
//!
//! libkern::test_main!();
//! ```
//!
//! The cases run one after the other on the core and in the context in which `main` would. Each is announced on the
//! control channel before it begins and judged when it ends, so that the host tool knows which case it was that took the
//! image down; the tool then boots the image again and has it skip what has been judged. Without the tool, results are
//! on the console.

use core::fmt::Debug;

use crate::arch::qemu;
use crate::entry::ExitCode;
use crate::{args, println, time};

/// A registered case. Made by `#[libkern::test]` only.
#[doc(hidden)]
#[derive(Debug)]
#[repr(C)]
pub struct Case {
    /// Path of the function.
    pub name: &'static str,
    /// Requirement ids, joined by commas.
    pub ids: &'static str,
    /// Whether it runs only when long cases are asked for.
    pub long: bool,
    /// The case.
    pub run: fn() -> Result<(), Failure>,
}

/// Why a case failed that did not panic.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failure(pub alloc::string::String);

/// Why a case was not run.
#[derive(Debug)]
pub struct Skipped(pub &'static str);

/// What a case may return.
pub trait Verdict {
    /// The judgement.
    #[doc(hidden)]
    fn judge(self) -> Result<(), Failure>;
}

impl Verdict for () {
    fn judge(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<E: Debug> Verdict for Result<(), E> {
    fn judge(self) -> Result<(), Failure> {
        self.map_err(|error| Failure(alloc::format!("{error:?}")))
    }
}

/// Marks that the running case does not apply in this configuration: `return skip("one core only")`.
pub fn skip(reason: &'static str) -> Result<(), Skipped> {
    Err(Skipped(reason))
}

/// Reports a measured figure of the running case to the host tool: a name without blanks, a value and its unit.
pub fn metric(name: &str, value: impl core::fmt::Display, unit: &str) {
    qemu::control(format_args!("metric {name} {value} {unit}"));
}

unsafe extern "C" {
    static __roost_tests_start: u8;
    static __roost_tests_end: u8;
}

fn cases() -> &'static [Case] {
    let (start, end) = (&raw const __roost_tests_start, &raw const __roost_tests_end);
    // SAFETY: the linker script puts exactly the cases between the two.
    unsafe { core::slice::from_raw_parts(start.cast(), (end.addr() - start.addr()) / size_of::<Case>()) }
}

/// Runs the cases that the command line asks for. What `test_main!` calls.
#[doc(hidden)]
pub fn run_all() -> ExitCode {
    let options = args::command_line().options().test;
    let wanted =
        |case: &&Case| options.filter.is_none_or(|filter| case.name.contains(filter)) && (!case.long || options.long);
    let wanted = cases().iter().filter(wanted);
    qemu::control(format_args!("suite {}", wanted.clone().count()));
    let mut failed = 0;
    for case in wanted.skip(options.skip) {
        let ids = if case.ids.is_empty() { "" } else { " ids=" };
        let long = if case.long { " long" } else { "" };
        qemu::control(format_args!("case {}{ids}{}{long}", case.name, case.ids));
        if options.list {
            println!("{}: test", case.name);
            continue;
        }
        let start = time::Instant::now();
        match (case.run)() {
            Ok(()) => {
                qemu::control(format_args!("ok {}", start.elapsed().as_nanos()));
                println!("test {} ... ok", case.name);
            }
            Err(Failure(message)) => {
                if let Some(reason) = message.strip_prefix("Skipped(\"").and_then(|rest| rest.strip_suffix("\")")) {
                    qemu::control(format_args!("skipped {reason}"));
                    println!("test {} ... ignored, {reason}", case.name);
                } else {
                    failed += 1;
                    qemu::control(format_args!("failed {message}"));
                    println!("test {} ... FAILED: {message}", case.name);
                }
            }
        }
    }
    qemu::control(format_args!("done"));
    ExitCode::from(u8::from(failed > 0))
}

/// Makes the program a test suite: runs every function marked `#[libkern::test]`.
#[macro_export]
macro_rules! test_main {
    () => {
        $crate::__image!(TestSuite, $crate::testing::run_all());
    };
}

/// What `#[libkern::test]` adds to the function.
#[doc(hidden)]
#[macro_export]
macro_rules! __test {
    ($name:ident, $ids:literal, $long:literal) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = ".roost.tests")]
            static CASE: $crate::testing::Case = $crate::testing::Case {
                name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!($name)),
                ids: $ids,
                long: $long,
                run: || $crate::testing::Verdict::judge($name()),
            };
        };
    };
}
