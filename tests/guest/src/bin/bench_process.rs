//! What isolated processes cost on one core, for counting from outside.

#![no_std]
#![no_main]

extern crate alloc;

mod regions;

use alloc::format;
use alloc::sync::Arc;
use core::time::Duration;

use libkern::arch::qemu;
use libkern::kthread;
use libkern::kthread::sync::OnceLock;
use libkern::proc::{Child, Exit, Proc, Program, Rights, SharedRegion, State, channel};
use libkern::ring;

use regions::measure;

#[libkern::main]
fn main() {
    measure!(null_call, 2_000, |n| load("null_call", n));
    measure!(null_batch, 3_200, |n| load("null_batch", n));
    measure!(process, 50, processes);
    measure!(page_fault, 1_000, page_faults);
    measure!(map_unmap, 1_000, |n| load("map_unmap", n));
    measure!(map_touch_unmap, 1_000, |n| load("map_touch_unmap", n));
    measure!(protect, 1_000, |n| load("protect", n));
    measure!(fault, 1_000, |n| load("fault", n));
    qemu::control(format_args!("metric blocks {} ns", blocks()));
    measure!(message, 1_000, |n| messages("serve", "call", n));
    measure!(message_apart, 1_000, |n| messages("echo", "ask", n));
}

static LOAD: OnceLock<Arc<Program>> = OnceLock::new();
static CHANNEL: OnceLock<Arc<Program>> = OnceLock::new();
static NOTHING: OnceLock<Arc<Program>> = OnceLock::new();

/// Has a process do `what` so many times. What the process itself costs is the same each time.
fn load(what: &str, n: usize) {
    assert_eq!(start(what, n).wait(), Exit::Status(0));
}

fn start(what: &str, n: usize) -> Child {
    let program = LOAD.get_or_init(|| Program::load(libkern::include_program!("load")).expect("the program is right"));
    // Numbers of equal length, or reading them would count.
    let child = Proc::create(program).name(what).arg(what).arg(&format!("{n:08}")).run();
    child.expect("there is memory")
}

/// A process touches so many pages, and keeps them: what giving them back takes is no fault's.
fn page_faults(n: usize) {
    let child = start("page_fault", n);
    // Long enough, and so the same each time. The counted machine's nanosecond is an instruction.
    kthread::sleep(Duration::from_millis(20));
    assert_eq!(child.state(), Some(State::Waiting));
}

/// Two processes say a word each to the other, so many times: one that answers, and one that asks. What the processes
/// themselves cost is the same each time.
fn messages(answers: &str, asks: &str, n: usize) {
    let program =
        CHANNEL.get_or_init(|| Program::load(libkern::include_program!("channel")).expect("the program is right"));
    let region = SharedRegion::new(ring::duplex::len(64)).expect("there is memory");
    let (one, other) = channel();
    let start = |what: &str, argument: &str, end| {
        let builder = Proc::create(program).name(what).arg(what).arg(argument).pass(end, Rights::ALL);
        builder.pass(region.clone(), Rights::ALL).run().expect("there is memory")
    };
    let answers = start(answers, "64", one);
    let asks = start(asks, &format!("{n:08}"), other);
    assert_eq!((asks.wait(), answers.wait()), (Exit::Status(0), Exit::Status(0)));
}

fn processes(n: usize) {
    let program =
        NOTHING.get_or_init(|| Program::load(libkern::include_program!("nothing")).expect("the program is right"));
    for _ in 0..n {
        let child = Proc::create(program).run().expect("there is memory");
        assert_eq!(child.wait(), Exit::Status(0));
    }
}

/// What a process says that it takes from a trap whose call blocks until it runs again. Ticks of its counter, which are
/// nanoseconds where the clock counts instructions.
fn blocks() -> u64 {
    match start("blocks", 33).wait() {
        Exit::Status(ticks) => ticks,
        other => panic!("{other}"),
    }
}
