//! What the counting plugin wrote (see `tools/plugin/count.c`).

use anyhow::{Context, bail};
use serde::Deserialize;

/// One visit to a region, all cores together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// The region.
    pub region: String,
    /// Instructions; a string instruction with a rep prefix is one.
    pub instructions: u64,
    /// Locked instructions and full fences.
    pub locked: u64,
    /// Instructions that serialise.
    pub serialising: u64,
    /// Saving or restoring vector state.
    pub state: u64,
    /// Iterations of string instructions.
    pub rep: u64,
    /// Cache lines that more than one core touched.
    pub shared_lines: u64,
    /// Locked instructions on those.
    pub locked_on_shared: u64,
}

/// A component of a visit's vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Instructions.
    Instructions,
    /// Locked ones.
    Locked,
    /// Locked ones on lines that several cores touch.
    LockedOnShared,
    /// Serialising ones.
    Serialising,
}

impl Visit {
    /// A component.
    pub fn get(&self, count: Count) -> u64 {
        match count {
            Count::Instructions => self.instructions,
            Count::Locked => self.locked,
            Count::LockedOnShared => self.locked_on_shared,
            Count::Serialising => self.serialising,
        }
    }

    /// What stands beside the instructions, which hide what costs more than one.
    pub fn vector(&self) -> String {
        let Self { locked, serialising, state, rep, .. } = self;
        format!("{locked} locked, {serialising} serialising, {state} save/restore, {rep} rep iterations")
    }
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
                let (region, numbers) = fields::<7>(line, words)?;
                let [_, _, instructions, locked, serialising, state, rep] = numbers;
                let visit = current.get_or_insert_with(|| Visit { region, ..Visit::default() });
                visit.instructions += instructions;
                visit.locked += locked;
                visit.serialising += serialising;
                visit.state += state;
                visit.rep += rep;
            }
            Some("lines") => {
                let (region, [_, shared_lines, locked_on_shared]) = fields::<3>(line, words)?;
                let visit = current.take().unwrap_or(Visit { region, ..Visit::default() });
                visits.push(Visit { shared_lines, locked_on_shared, ..visit });
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
        let first = Visit {
            region: "a".to_owned(),
            instructions: 15,
            locked: 2,
            serialising: 2,
            state: 3,
            rep: 4,
            shared_lines: 7,
            locked_on_shared: 2,
        };
        assert_eq!(visits[0], first);
        assert_eq!(visits[1].get(Count::Instructions), 30);
    }

    #[test]
    fn errors_and_nonsense_are_refused() {
        assert!(parse("error region a does not end").unwrap_err().to_string().contains("does not end"));
        for text in ["core a 1 0 10", "core a 1 0 x 1 2 3 4", "hello"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
