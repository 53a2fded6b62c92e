//! A process does what it must not, and its parent shows what it is told of that.

#![no_std]
#![no_main]

use libkern::proc::{Proc, Program};

#[libkern::main]
fn main() {
    let program = Program::load(libkern::include_program!("probe")).expect("the program is right");
    let child = Proc::create(&program).name("prober").arg("write").arg("7b").run().expect("there is memory");
    let exit = child.wait();
    let registers = child.registers().expect("there is memory for them");
    panic!("{} (process {}): {exit}\n{registers}\n", child.name(), child.id());
}
