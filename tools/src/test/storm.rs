//! Race storms: was every instruction of a window interrupted?
//!
//! A storm is a guest case that interrupts itself, over and over, while it runs a short stretch of code, the
//! window, and notes at which addresses the interrupts landed. It says where the window is (`window`) and
//! each address it saw (`hit`). What the guest cannot know is which addresses there are to see: instruction
//! boundaries are decoded here, from the image. A storm passes only if all of them were hit, so that the
//! case's own verdict ("and nothing broke") is about the whole window and not about the one instruction that
//! a translator happens to be interruptible at.
//!
//! Some boundaries no interrupt can reach. The instruction after `sti` or a load of SS is in that
//! instruction's shadow, which is read off the code. Where interrupts are off for a stretch, the window's
//! author says so in the matrix, between two symbols and with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::bail;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, Register};

use super::image_file::ImageFile;
use crate::qemu::Event;

/// What a suite reported about its windows.
#[derive(Debug, Default)]
pub struct Reported {
    windows: BTreeMap<String, Range<u64>>,
    hits: BTreeMap<String, BTreeSet<u64>>,
}

/// How much of a window was interrupted.
#[derive(Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The window.
    pub name: String,
    /// Instructions that can be interrupted.
    pub wanted: usize,
    /// Those not interrupted.
    pub missed: Vec<u64>,
    /// Reported addresses that begin no instruction of the window.
    pub stray: Vec<u64>,
}

impl Reported {
    /// Takes note of an event, if it is about windows.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Window { name, start, end } => {
                self.windows.insert(name.clone(), *start..*end);
            }
            Event::Hit { name, address } => {
                self.hits.entry(name.clone()).or_default().insert(*address);
            }
            _ => {}
        }
    }

    /// Whether there is anything to account for.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.hits.is_empty()
    }

    /// Holds the hits against the image's code. `shielded` are addresses that are not to be expected.
    ///
    /// # Errors
    /// If a window is not code of the image, or a hit belongs to no window.
    pub fn account(&self, image: &ImageFile, shielded: &[Range<u64>]) -> anyhow::Result<Vec<Coverage>> {
        if let Some(name) = self.hits.keys().find(|name| !self.windows.contains_key(*name)) {
            bail!("the guest reports hits in the window {name}, which it did not announce");
        }
        let mut coverages = Vec::new();
        for (name, window) in &self.windows {
            let code = image.code(window.clone())?;
            let empty = BTreeSet::new();
            let hits = self.hits.get(name).unwrap_or(&empty);
            coverages.push(coverage(name, &code, window.start, shielded, hits)?);
        }
        Ok(coverages)
    }
}

impl Coverage {
    /// Whether every instruction that can be interrupted was, and nothing else was reported.
    pub fn complete(&self) -> bool {
        self.missed.is_empty() && self.stray.is_empty() && self.wanted > 0
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, wanted, missed, stray } = self;
        write!(f, "window {name}: {} of {wanted} instructions interrupted", wanted - missed.len())?;
        let list = |addresses: &[u64]| addresses.iter().map(|it| format!("{it:#x}")).collect::<Vec<_>>().join(" ");
        if !missed.is_empty() {
            write!(f, "; never at {}", list(missed))?;
        }
        if !stray.is_empty() {
            write!(f, "; no instruction begins at {}", list(stray))?;
        }
        Ok(())
    }
}

fn coverage(
    name: &str,
    code: &[u8],
    start: u64,
    shielded: &[Range<u64>],
    hits: &BTreeSet<u64>,
) -> anyhow::Result<Coverage> {
    let mut boundaries = BTreeSet::new();
    let mut wanted = BTreeSet::new();
    let mut in_shadow = false;
    for instruction in Decoder::with_ip(64, code, start, DecoderOptions::NONE) {
        let at = instruction.ip();
        if instruction.is_invalid() {
            bail!("window {name}: no instruction can be decoded at {at:#x}");
        }
        boundaries.insert(at);
        if !in_shadow && !shielded.iter().any(|range| range.contains(&at)) {
            wanted.insert(at);
        }
        in_shadow = casts_shadow(&instruction);
    }
    Ok(Coverage {
        name: name.to_owned(),
        wanted: wanted.len(),
        missed: wanted.difference(hits).copied().collect(),
        stray: hits.difference(&boundaries).copied().collect(),
    })
}

/// Whether interrupts are held off until after the next instruction.
fn casts_shadow(instruction: &Instruction) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Sti => true,
        Mnemonic::Mov | Mnemonic::Pop => instruction.op0_register() == Register::SS,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// push rax; mov rax, rbx; sti; nop; cli; nop; pop rax
    const CODE: [u8; 9] = [0x50, 0x48, 0x89, 0xd8, 0xfb, 0x90, 0xfa, 0x90, 0x58];
    const START: u64 = 0x1000;

    fn cover(hits: &[u64], shielded: &[Range<u64>]) -> Coverage {
        coverage("w", &CODE, START, shielded, &hits.iter().copied().collect()).unwrap()
    }

    #[test]
    fn every_boundary_outside_a_shadow_is_wanted() {
        let all = cover(&[0x1000, 0x1001, 0x1004, 0x1006, 0x1007, 0x1008], &[]);
        assert!(all.complete());
        assert_eq!(all.to_string(), "window w: 6 of 6 instructions interrupted");
    }

    #[test]
    fn a_boundary_never_hit_is_named() {
        let some = cover(&[0x1000, 0x1001, 0x1006, 0x1007, 0x1008], &[]);
        assert!(!some.complete());
        assert_eq!(some.to_string(), "window w: 5 of 6 instructions interrupted; never at 0x1004");
    }

    #[test]
    fn what_is_declared_shielded_is_not_wanted_but_may_be_hit() {
        let shield = [Range { start: 0x1007, end: 0x1008 }];
        assert!(cover(&[0x1000, 0x1001, 0x1004, 0x1006, 0x1008], &shield).complete());
        assert!(cover(&[0x1000, 0x1001, 0x1004, 0x1006, 0x1007, 0x1008], &shield).complete());
    }

    #[test]
    fn an_address_inside_an_instruction_is_a_lie() {
        let odd = cover(&[0x1000, 0x1001, 0x1002, 0x1004, 0x1006, 0x1007, 0x1008], &[]);
        assert!(!odd.complete());
        assert_eq!(odd.stray, [0x1002]);
    }

    #[test]
    fn a_window_that_holds_nothing_proves_nothing() {
        assert!(!coverage("w", &[], START, &[], &BTreeSet::new()).unwrap().complete());
        assert!(coverage("w", &[0x06], START, &[], &BTreeSet::new()).is_err());
    }
}
