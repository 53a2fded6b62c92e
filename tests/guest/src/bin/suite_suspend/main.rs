//! Interrupts at every instruction of the way to sleep.
//!
//! Under an emulator that counts instructions, time is their number. A sweep arms the timer for one instruction more each
//! time and then goes to sleep, until the interrupt comes to a core that has long been halted. So there is an interrupt due
//! at each instruction from the arming to the halt: of taking the unit that is not there, queueing, suspending, arriving on
//! the other stack, and of the idle loop down to its halt. Where interrupts are off, it waits until they are on. The sweep
//! is without gaps if from one round to the next the interrupt comes at the same moment or one instruction later.

#![no_std]
#![no_main]

extern crate alloc;

mod cases;
mod sweep;

libkern::test_main!();
