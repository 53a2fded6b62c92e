//! Programs, and running them.

use alloc::sync::Arc;

use libkern::kthread::sync::OnceLock;
use libkern::mem::{self, FrameUse};
use libkern::proc::{Builder, Child, Exit, Proc, Program};

static PROBE: OnceLock<Arc<Program>> = OnceLock::new();
static NOTHING: OnceLock<Arc<Program>> = OnceLock::new();

/// The program that does what it is told.
pub fn probe() -> &'static Arc<Program> {
    PROBE.get_or_init(|| Program::load(libkern::include_program!("probe")).expect("the program is right"))
}

/// The program that does nothing.
pub fn nothing() -> &'static Arc<Program> {
    NOTHING.get_or_init(|| Program::load(libkern::include_program!("nothing")).expect("the program is right"))
}

/// A process that is told to do `what`.
pub fn told<'a>(what: &[&'a str]) -> Builder<'a> {
    let named = Proc::create(probe()).name(what[0]);
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

/// Frames that processes have, or programs.
pub fn frames() -> usize {
    mem::stats().used(FrameUse::Processes)
}
