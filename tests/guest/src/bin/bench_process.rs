//! What isolated processes cost on one core, for counting from outside.

#![no_std]
#![no_main]

extern crate alloc;

mod regions;

use alloc::format;
use alloc::sync::Arc;

use libkern::kthread::sync::OnceLock;
use libkern::proc::{Exit, Proc, Program};

use regions::measure;

#[libkern::main]
fn main() {
    measure!(null_call, 2_000, |n| load("null_call", n));
    measure!(null_batch, 3_200, |n| load("null_batch", n));
    measure!(process, 50, processes);
    measure!(page_fault, 1_000, |n| load("page_fault", n));
    measure!(map_unmap, 1_000, |n| load("map_unmap", n));
    measure!(map_touch_unmap, 1_000, |n| load("map_touch_unmap", n));
    measure!(protect, 1_000, |n| load("protect", n));
}

static LOAD: OnceLock<Arc<Program>> = OnceLock::new();
static NOTHING: OnceLock<Arc<Program>> = OnceLock::new();

/// Has a process do `what` so many times. What the process itself costs is the same each time.
fn load(what: &str, n: usize) {
    let program = LOAD.get_or_init(|| Program::load(libkern::include_program!("load")).expect("the program is right"));
    // Numbers of equal length, or reading them would count.
    let child = Proc::create(program).name(what).arg(what).arg(&format!("{n:08}")).run();
    assert_eq!(child.expect("there is memory").wait(), Exit::Status(0));
}

fn processes(n: usize) {
    let program =
        NOTHING.get_or_init(|| Program::load(libkern::include_program!("nothing")).expect("the program is right"));
    for _ in 0..n {
        let child = Proc::create(program).run().expect("there is memory");
        assert_eq!(child.wait(), Exit::Status(0));
    }
}
