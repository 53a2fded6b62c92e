//! What the counting plugin wrote (see `tools/plugin/count.c`).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{AddAssign, Div, Sub};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::number::number;

/// What was executed, by what it costs: a bare number of instructions hides what costs more than one.
///
/// Counts, or counts per operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Vector {
    /// Instructions that are none of the following; a string instruction with a rep prefix is one.
    pub plain: f64,
    /// Locked instructions and full fences.
    pub locked: f64,
    /// Instructions that serialise.
    pub serialising: f64,
    /// Saving or restoring vector state.
    pub save_restore: f64,
    /// Iterations of string instructions.
    pub rep: f64,
    /// Locked instructions on cache lines that more than one core touched.
    pub locked_on_shared: f64,
}

/// A component of a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Instructions of all kinds.
    #[default]
    Instructions,
    /// Locked ones.
    Locked,
    /// Locked ones on lines that several cores touch.
    LockedOnShared,
    /// Serialising ones.
    Serialising,
    /// Those that save or restore vector state.
    SaveRestore,
}

impl Count {
    /// What is counted, of an operation.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Instructions => "instructions/op",
            Self::Locked => "locked/op",
            Self::LockedOnShared => "locked, shared/op",
            Self::Serialising => "serialising/op",
            Self::SaveRestore => "save+restore/op",
        }
    }
}

impl Vector {
    /// A component.
    pub fn get(&self, count: Count) -> f64 {
        match count {
            Count::Instructions => self.plain + self.locked + self.serialising + self.save_restore,
            Count::Locked => self.locked,
            Count::LockedOnShared => self.locked_on_shared,
            Count::Serialising => self.serialising,
            Count::SaveRestore => self.save_restore,
        }
    }

    /// Applies `f` to each component of both.
    fn zip(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            plain: f(self.plain, other.plain),
            locked: f(self.locked, other.locked),
            serialising: f(self.serialising, other.serialising),
            save_restore: f(self.save_restore, other.save_restore),
            rep: f(self.rep, other.rep),
            locked_on_shared: f(self.locked_on_shared, other.locked_on_shared),
        }
    }
}

impl AddAssign for Vector {
    fn add_assign(&mut self, other: Self) {
        *self = self.zip(other, |left, right| left + right);
    }
}

impl Sub for Vector {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.zip(other, |left, right| left - right)
    }
}

impl Div<f64> for Vector {
    type Output = Self;

    fn div(self, by: f64) -> Self {
        self.zip(self, |component, _| component / by)
    }
}

/// What stands beside the instructions.
impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { locked, serialising, save_restore, rep, .. } = self;
        let parts = [(locked, "locked"), (serialising, "serialising"), (save_restore, "save/restore"), (rep, "rep")];
        for (index, (value, name)) in parts.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {name}", number((value * 100.0).round() / 100.0))?;
        }
        Ok(())
    }
}

/// One visit to a region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visit {
    /// The region.
    pub region: String,
    /// All cores together.
    pub all: Vector,
    /// Each core that executed anything.
    pub cores: BTreeMap<u64, Vector>,
}

/// Reads the plugin's output: the visits, in their order.
///
/// # Errors
/// If the plugin reported an error, or a line is not what it should be.
pub fn parse(text: &str) -> anyhow::Result<Vec<Visit>> {
    let mut visits: Vec<Visit> = Vec::new();
    let mut current: Option<Visit> = None;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("core") => {
                let (region, [_, core, instructions, rest @ ..]) = fields::<7>(line, words)?;
                let [locked, serialising, save_restore, rep] = rest.map(|count| count as f64);
                let plain = instructions as f64 - locked - serialising - save_restore;
                let vector = Vector { plain, locked, serialising, save_restore, rep, locked_on_shared: 0.0 };
                let visit = current.get_or_insert_with(|| Visit { region, ..Visit::default() });
                visit.all += vector;
                *visit.cores.entry(core).or_default() += vector;
            }
            Some("lines") => {
                let (region, [_, _, locked_on_shared]) = fields::<3>(line, words)?;
                let mut visit = current.take().unwrap_or(Visit { region, ..Visit::default() });
                visit.all.locked_on_shared = locked_on_shared as f64;
                visits.push(visit);
            }
            Some("error") => bail!("counting went wrong: {}", line.trim_start_matches("error ")),
            _ => bail!("the counting plugin wrote `{line}`"),
        }
    }
    Ok(visits)
}

fn fields<'a, const N: usize>(
    line: &str,
    mut words: impl Iterator<Item = &'a str>,
) -> anyhow::Result<(String, [u64; N])> {
    let broken = || format!("the counting plugin wrote `{line}`");
    let region = words.next().with_context(broken)?.to_owned();
    let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().with_context(broken)?;
    Ok((region, numbers.try_into().ok().with_context(broken)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_add_up_and_visits_stay_apart() {
        let text = "core a 1 0 10 1 2 3 4\ncore a 1 3 5 1 0 0 0\nlines a 1 7 2\ncore a 2 0 30 1 2 3 4\nlines a 2 0 0\n";
        let visits = parse(text).unwrap();
        assert_eq!(visits.len(), 2);
        let all =
            Vector { plain: 8.0, locked: 2.0, serialising: 2.0, save_restore: 3.0, rep: 4.0, locked_on_shared: 2.0 };
        assert_eq!((visits[0].region.as_str(), visits[0].all), ("a", all));
        assert_eq!(visits[0].all.get(Count::Instructions), 15.0);
        let of_core_3 = Vector { plain: 4.0, locked: 1.0, ..Vector::default() };
        assert_eq!(visits[0].cores.keys().copied().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(visits[0].cores[&3], of_core_3);
        assert_eq!(visits[1].all.get(Count::Instructions), 30.0);
    }

    #[test]
    fn a_vector_is_written_without_its_noise() {
        let vector = Vector { locked: 2.0, serialising: 0.001, rep: 9.876, ..Vector::default() };
        assert_eq!(vector.to_string(), "2 locked, 0 serialising, 0 save/restore, 9.88 rep");
    }

    #[test]
    fn errors_and_nonsense_are_refused() {
        assert!(parse("error region a does not end").unwrap_err().to_string().contains("does not end"));
        for text in ["core a 1 0 10", "core a 1 0 x 1 2 3 4", "hello"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
