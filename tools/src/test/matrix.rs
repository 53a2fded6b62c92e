//! Which suites boot in which configurations: `tests/matrix.toml`.
//!
//! A group is a set of suites and a product of axes. The guest tier takes so many configurations of the
//! product that every two values of different axes meet in one; most defects need no more than two
//! conditions to show. The long tier takes them all.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::configuration::{Apic, Configuration, Timing};
use super::tier::Tier;
use crate::build::Profile;
use crate::qemu::{Boot, Machine, Size};

/// Where the matrix stands, relative to the workspace.
pub const FILE: &str = "tests/matrix.toml";

/// The description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    groups: Vec<Group>,
    /// Stretches of storm windows in which interrupts are off.
    #[serde(default)]
    pub shields: Vec<Shield>,
}

/// Code that no interrupt can land in, between two symbols.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shield {
    /// Symbol of its first instruction.
    pub from: String,
    /// Symbol after its last instruction.
    pub to: String,
    /// The suite whose window it is part of.
    pub suite: String,
    /// Why.
    #[serde(rename = "why")]
    _why: String,
}

/// Some suites, and the axes along which their configurations vary. An axis left out has the default as
/// its only value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// What the group is for.
    #[serde(rename = "name")]
    _name: String,
    /// The suites; without any, all that no exclusive group names.
    #[serde(default)]
    suites: Vec<String>,
    /// Whether the suites named run nowhere else.
    #[serde(default)]
    exclusive: bool,
    /// The first tier that runs any of it.
    #[serde(default = "guest")]
    tier: Tier,
    profile: Option<Vec<Profile>>,
    machine: Option<Vec<Machine>>,
    smp: Option<Vec<u32>>,
    apic: Option<Vec<Apic>>,
    lacks: Option<Vec<String>>,
    mem: Option<Vec<Size>>,
    boot: Option<Vec<Boot>>,
    serial: Option<Vec<bool>>,
    timing: Option<Vec<Timing>>,
    /// How many times as long as usual a case may take.
    #[serde(default = "once")]
    patience: u32,
}

fn guest() -> Tier {
    Tier::Guest
}

fn once() -> u32 {
    1
}

impl Matrix {
    /// Reads the matrix.
    ///
    /// # Errors
    /// If it is no valid description, or describes a machine that QEMU cannot build.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let matrix: Self = toml::from_str(text)?;
        for configuration in matrix.groups.iter().flat_map(Group::product) {
            configuration.check()?;
        }
        Ok(matrix)
    }

    /// The configurations in which `tier` boots the suite, each once. What the guest tier has run, the long
    /// tier does not run again.
    pub fn configurations(&self, suite: &str, tier: Tier) -> Vec<Configuration> {
        let named = |group: &Group| group.suites.iter().any(|name| name == suite);
        let taken = self.groups.iter().any(|group| group.exclusive && named(group));
        let mut chosen = Vec::new();
        let mut earlier = Vec::new();
        for group in &self.groups {
            if !(named(group) || group.suites.is_empty() && !taken) {
                continue;
            }
            let (guest, long) = match group.tier {
                Tier::Long => (Vec::new(), group.product()),
                _ => (group.pairs(), group.product()),
            };
            let (wanted, before) = if tier == Tier::Long { (long, guest) } else { (guest, Vec::new()) };
            chosen.extend(wanted);
            earlier.extend(before);
        }
        let mut unique: Vec<Configuration> = Vec::new();
        for configuration in chosen {
            if !unique.contains(&configuration) && !earlier.contains(&configuration) {
                unique.push(configuration);
            }
        }
        unique
    }
}

impl Group {
    /// Every combination of the axes' values.
    fn product(&self) -> Vec<Configuration> {
        self.indices().into_iter().map(|indices| self.at(&indices)).collect()
    }

    /// Combinations in which every two values of different axes meet.
    fn pairs(&self) -> Vec<Configuration> {
        covering_pairs(self.indices()).into_iter().map(|indices| self.at(&indices)).collect()
    }

    fn indices(&self) -> Vec<Vec<usize>> {
        fn length<T>(axis: &Option<Vec<T>>) -> usize {
            axis.as_ref().map_or(1, Vec::len)
        }
        let lengths = [
            length(&self.profile),
            length(&self.machine),
            length(&self.smp),
            length(&self.apic),
            length(&self.lacks),
            length(&self.mem),
            length(&self.boot),
            length(&self.serial),
            length(&self.timing),
        ];
        let mut all = vec![Vec::new()];
        for length in lengths {
            all =
                all.iter().flat_map(|prefix| (0..length).map(move |index| [&prefix[..], &[index]].concat())).collect();
        }
        all
    }

    fn at(&self, indices: &[usize]) -> Configuration {
        fn pick<T: Clone>(axis: &Option<Vec<T>>, index: usize, default: T) -> T {
            axis.as_ref().map_or(default, |values| values[index].clone())
        }
        let default = Configuration::default();
        Configuration {
            profile: pick(&self.profile, indices[0], default.profile),
            machine: pick(&self.machine, indices[1], default.machine),
            smp: pick(&self.smp, indices[2], default.smp),
            apic: pick(&self.apic, indices[3], default.apic),
            lacks: pick(&self.lacks, indices[4], default.lacks),
            mem: pick(&self.mem, indices[5], default.mem),
            boot: pick(&self.boot, indices[6], default.boot),
            serial: pick(&self.serial, indices[7], default.serial),
            timing: pick(&self.timing, indices[8], default.timing),
            patience: self.patience,
        }
    }
}

/// Picks from `all` combinations, greedily, those that between them hold every pair of values.
fn covering_pairs(all: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let pairs_of = |combination: &[usize]| {
        let mut pairs = BTreeSet::new();
        for (i, &a) in combination.iter().enumerate() {
            for (j, &b) in combination.iter().enumerate().skip(i + 1) {
                pairs.insert((i, a, j, b));
            }
        }
        pairs
    };
    let mut missing: BTreeSet<_> = all.iter().flat_map(|combination| pairs_of(combination)).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let gain = |combination: &&Vec<usize>| pairs_of(combination).intersection(&missing).count();
        // The first of the best, so that the choice does not change from run to run.
        let best = all.iter().rev().max_by_key(gain).expect("what is missing is a pair of one of them");
        missing = missing.difference(&pairs_of(best)).copied().collect();
        chosen.push(best.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: &str = r#"
        [[groups]]
        name = "cores"
        machine = ["microvm", "q35"]
        smp = [1, 2, 8]
        apic = ["xapic", "x2apic"]

        [[groups]]
        name = "many cores"
        tier = "long"
        machine = ["q35"]
        smp = [64]

        [[groups]]
        name = "storms"
        suites = ["storm"]
        exclusive = true
        tier = "long"
        timing = ["icount"]
        apic = ["xapic"]
    "#;

    #[test]
    fn the_guest_tier_covers_pairs_and_the_long_tier_the_rest() {
        let matrix = Matrix::parse(MATRIX).unwrap();
        let guest = matrix.configurations("mem", Tier::Guest);
        let long = matrix.configurations("mem", Tier::Long);
        assert_eq!((guest.len(), long.len()), (6, 7));
        assert!(long.iter().all(|configuration| !guest.contains(configuration)));
        for (smp, machine) in [(1, Machine::Microvm), (2, Machine::Q35), (8, Machine::Microvm)] {
            assert!(guest.iter().any(|it| it.smp == smp && it.machine == machine), "{smp} {machine}");
        }
        for (smp, apic) in [(1, Apic::Xapic), (2, Apic::X2apic), (8, Apic::Xapic)] {
            assert!(guest.iter().any(|it| it.smp == smp && it.apic == apic), "{smp} {apic:?}");
        }
    }

    #[test]
    fn a_suite_of_an_exclusive_group_runs_nowhere_else() {
        let matrix = Matrix::parse(MATRIX).unwrap();
        assert!(matrix.configurations("storm", Tier::Guest).is_empty());
        assert_eq!(matrix.configurations("storm", Tier::Long).len(), 1);
    }

    #[test]
    fn impossible_machines_and_unknown_keys_are_refused() {
        let group = |body: &str| Matrix::parse(&format!("[[groups]]\nname = \"x\"\n{body}\n"));
        assert!(group("").is_ok());
        assert!(group("smp = [0]").is_err());
        assert!(group("smp = [300]").is_err());
        assert!(group("cores = [1]").is_err());
        assert!(group("boot = [\"grub-bios\"]").is_err(), "microvm cannot boot by GRUB");
        assert!(group("timing = [\"icount\"]").is_err(), "x2APIC does not work under icount");
    }

    #[test]
    fn pairs_of_one_axis_are_its_values() {
        let all: Vec<_> = (0..4).map(|i| vec![i, 0]).collect();
        assert_eq!(covering_pairs(all.clone()), all);
    }
}
