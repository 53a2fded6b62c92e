//! Programs, and running them.

use alloc::sync::Arc;
use core::time::Duration;

use libkern::kthread;
use libkern::kthread::sync::OnceLock;
use libkern::mem::{self, FrameUse};
use libkern::proc::{Builder, Child, Exit, Proc, Program};
use libkern::time::Instant;

static PROBE: OnceLock<Arc<Program>> = OnceLock::new();
static NOTHING: OnceLock<Arc<Program>> = OnceLock::new();
static FAULTS: OnceLock<Arc<Program>> = OnceLock::new();

/// The program that does what it is told.
pub fn probe() -> &'static Arc<Program> {
    PROBE.get_or_init(|| Program::load(libkern::include_program!("probe")).expect("the program is right"))
}

/// The program that does nothing.
pub fn nothing() -> &'static Arc<Program> {
    NOTHING.get_or_init(|| Program::load(libkern::include_program!("nothing")).expect("the program is right"))
}

/// The program that does what it must not, and handles it.
pub fn faults() -> &'static Arc<Program> {
    FAULTS.get_or_init(|| Program::load(libkern::include_program!("faults")).expect("the program is right"))
}

/// A process that is told to do `what`.
pub fn told<'a>(what: &[&'a str]) -> Builder<'a> {
    told_to(probe(), what)
}

/// A process of `program` that is told to do `what`.
pub fn told_to<'a>(program: &'a Arc<Program>, what: &[&'a str]) -> Builder<'a> {
    let named = Proc::create(program).name(what[0]);
    what.iter().fold(named, |builder, arg| builder.arg(arg))
}

/// Runs a process that is told to do `what`.
pub fn start(what: &[&str]) -> Child {
    told(what).run().expect("there is memory for a process")
}

/// Runs a process that is told to do `what`, and says how it ended.
pub fn run(what: &[&str]) -> Exit {
    start(what).wait()
}

/// Waits until `done`, asleep, so that processes have this core, too.
pub fn sleep_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(40), "waited too long for {what}");
        kthread::sleep(Duration::from_millis(1));
    }
}

/// Frames that processes have, or programs.
pub fn frames() -> usize {
    mem::stats().used(FrameUse::Processes)
}
