//! A process waits, for an event of which nobody knows, and its parent for the process.

#![no_std]
#![no_main]

use libkern::println;
use libkern::proc::{Proc, Program};

#[libkern::main]
fn main() {
    let program = Program::load(libkern::include_program!("probe")).expect("the program is right");
    let child = Proc::create(&program).name("Godot's").arg("wait_for_ever").run().expect("there is memory");
    println!("{}", child.wait());
    println!("still alive");
}
