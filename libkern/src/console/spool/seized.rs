//! The spool in the hands of a panic.

use core::fmt;

use crate::arch;
use crate::console::ring::Ring;
use crate::console::sink::{Sink, Turn};
use crate::sync::atomic::Ordering;

use super::{Outlet, Outlets, Spool};

/// How often a sink may refuse before the panic does without it.
const PATIENCE: u32 = 1_000_000;

/// Writes around the ring, straight to the sinks, and waits for them. What is in the ring comes first, except what was
/// reserved and will not be committed any more.
pub struct Seized<'a> {
    outlets: &'a mut Outlets,
    turn: Turn,
    backlog: &'a dyn Backlog,
}

/// The ring, whatever its size.
trait Backlog {
    /// Calls `print` with what `outlet` has not had of the committed records, in order, and moves `outlet` behind it.
    fn catch_up(&self, outlet: &mut Outlet, print: &mut dyn FnMut(&[u8]));
}

impl<const SLOTS: usize> Backlog for Ring<SLOTS> {
    fn catch_up(&self, outlet: &mut Outlet, print: &mut dyn FnMut(&[u8])) {
        while outlet.position < self.tail() {
            let Some(record) = self.find(outlet.position) else {
                // Abandoned, or in the middle of something abandoned.
                outlet.position += 1;
                outlet.offset = 0;
                continue;
            };
            while outlet.offset < record.len() {
                // SAFETY: found, not released, because `head` stays where it is from now on; the offset was checked.
                outlet.offset += unsafe {
                    self.read(record, outlet.offset, |bytes| {
                        print(bytes);
                        bytes.len()
                    })
                };
            }
            outlet.position = record.end();
            outlet.offset = 0;
        }
    }
}

impl<const SLOTS: usize> Spool<SLOTS> {
    /// Takes the turn from whoever has it.
    ///
    /// # Safety
    ///
    /// Whoever has the turn will never go on: its core is stopped, or it is the code that panicked on this core, to
    /// which it does not return. This is called once.
    pub(in crate::console) unsafe fn seize(&self) -> Seized<'_> {
        // Relaxed: turns away whoever comes later on this core.
        self.turn_taken.store(true, Ordering::Relaxed);
        Seized {
            outlets: self.outlets.with_mut(|outlets| {
                // SAFETY: whoever had them will not use them again, the caller says.
                unsafe { &mut *outlets }
            }),
            // SAFETY: as the outlets.
            turn: unsafe { Turn::new() },
            backlog: &self.ring,
        }
    }
}

impl Seized<'_> {
    /// Gives every sink what is committed, and then `bytes`.
    pub fn write(&mut self, bytes: &[u8]) {
        for slot in self.outlets.iter_mut() {
            let Some(outlet) = slot else { continue };
            let sink = outlet.sink;
            let mut takes_it = true;
            let mut print = |bytes: &[u8]| {
                takes_it = takes_it && write_all(sink, bytes, &mut self.turn);
            };
            self.backlog.catch_up(outlet, &mut print);
            print(bytes);
            sink.flush(&mut self.turn);
            if !takes_it {
                *slot = None;
            }
        }
    }
}

/// Writes all of `bytes`, unless the sink is dead.
fn write_all(sink: &dyn Sink, mut bytes: &[u8], turn: &mut Turn) -> bool {
    let mut refusals = 0;
    while !bytes.is_empty() {
        let taken = sink.write(bytes, turn).min(bytes.len());
        bytes = &bytes[taken..];
        if taken > 0 {
            refusals = 0;
        } else if refusals == PATIENCE {
            return false;
        } else {
            refusals += 1;
            arch::relax();
        }
    }
    true
}

impl fmt::Write for Seized<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
