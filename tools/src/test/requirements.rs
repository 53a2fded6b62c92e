//! The list of requirements, and which cases prove them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::report::{Outcome, Row};

/// Where the list stands, relative to the workspace.
pub const LIST: &str = "tests/requirements.txt";

/// Every requirement, in the order of the list.
#[derive(Debug)]
pub struct Requirements(Vec<Requirement>);

#[derive(Debug)]
struct Requirement {
    id: String,
    text: String,
}

impl Requirements {
    /// Reads the list: a line each, the id first; `#` begins a comment line.
    ///
    /// # Errors
    /// If an id is not one letter of `K`, `M`, `P` and a number, stands twice, or has no text.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        let mut seen = BTreeSet::new();
        for line in list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let (id, text) = line.split_once(' ').ok_or_else(|| format!("`{line}` has no text"))?;
            let number = id.strip_prefix(['K', 'M', 'P']).and_then(|number| number.parse::<u32>().ok());
            if number.is_none() {
                return Err(format!("`{id}` is no requirement id"));
            }
            if !seen.insert(id) {
                return Err(format!("{id} is listed twice"));
            }
            requirements.push(Requirement { id: id.to_owned(), text: text.to_owned() });
        }
        Ok(Self(requirements))
    }

    /// Whether there is such a requirement.
    pub fn contains(&self, id: &str) -> bool {
        self.0.iter().any(|requirement| requirement.id == id)
    }

    /// Refuses `ids` that are not on the list.
    ///
    /// # Errors
    /// Names the first unknown id.
    pub fn check<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
        match ids.into_iter().find(|id| !self.contains(id)) {
            Some(id) => Err(format!("there is no requirement `{id}` in {LIST}")),
            None => Ok(()),
        }
    }

    /// Every id with the cases that passed for it, and last how many are proven.
    ///
    /// A case that also failed, in whatever configuration, proves nothing.
    pub fn proofs(&self, rows: &[Row]) -> String {
        let failed: BTreeSet<_> = rows.iter().filter(|row| row.outcome == Outcome::Failed).map(Row::key).collect();
        let mut proofs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.outcome == Outcome::Passed && !failed.contains(&row.key())) {
            for id in &row.ids {
                proofs.entry(id).or_default().insert(format!("{} ({})", row.name, row.tier));
            }
        }
        let mut text = String::new();
        for Requirement { id, text: what } in &self.0 {
            let cases = match proofs.get(id.as_str()) {
                Some(cases) => cases.iter().cloned().collect::<Vec<_>>().join(", "),
                None => "no passing case".to_owned(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{id:4} {cases}\n     {what}");
        }
        let proven = self.0.iter().filter(|requirement| proofs.contains_key(requirement.id.as_str())).count();
        let _ = writeln!(text, "{proven} of {} requirements have a passing case", self.0.len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::tier::Tier;
    use super::*;

    #[test]
    fn a_malformed_list_is_refused() {
        assert!(Requirements::parse("# comment\n\nK1 x\nP2 y\n").is_ok());
        for list in ["K1", "X1 x", "Kx x", "K1 x\nK1 y"] {
            assert!(Requirements::parse(list).is_err(), "{list}");
        }
    }

    #[test]
    fn an_id_is_proven_by_cases_that_passed_and_never_failed() {
        let row = |name: &str, id: &str, outcome| Row {
            ids: vec![id.to_owned()],
            ..Row::new(Tier::Guest, name, "microvm smp=1", outcome)
        };
        let known = Requirements::parse("K1 one\nK2 two\nK3 three\n").unwrap();
        let rows = [
            row("a", "K1", Outcome::Passed),
            row("b", "K2", Outcome::Passed),
            row("b", "K2", Outcome::Failed),
            row("c", "K3", Outcome::Skipped),
        ];
        let text = known.proofs(&rows);
        assert!(text.contains("K1   a (guest)\n     one"), "{text}");
        assert!(text.contains("K2   no passing case"), "{text}");
        assert!(text.ends_with("1 of 3 requirements have a passing case\n"), "{text}");
    }
}
