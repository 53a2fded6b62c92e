//! Which requirements the tests prove that cargo runs: `tests/proves.toml`.
//!
//! A guest case carries its ids in the image. A host test is a function and can carry nothing, so its ids
//! stand on a list, by the test's name; a name on it that no test has is a failure.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::report::Row;
use super::tier::Tier;

/// Where the list stands, relative to the workspace.
const FILE: &str = "tests/proves.toml";

/// The list, and which of its names have shown up.
pub struct Proofs {
    ids: BTreeMap<String, Vec<String>>,
    seen: BTreeSet<String>,
}

impl Proofs {
    /// Reads the list.
    ///
    /// # Errors
    /// If it is not valid or names requirements that do not exist.
    pub fn read(context: &Context) -> anyhow::Result<Self> {
        let ids: BTreeMap<String, Vec<String>> = toml::from_str(&context.workspace.read(FILE)?)?;
        context.requirements.check(ids.values().flatten()).map_err(anyhow::Error::msg)?;
        Ok(Self { ids, seen: BTreeSet::new() })
    }

    /// What the test of this name proves.
    pub fn of(&mut self, name: &str) -> Vec<String> {
        let Some((name, ids)) = self.ids.get_key_value(name) else { return Vec::new() };
        self.seen.insert(name.clone());
        ids.clone()
    }

    /// A failure for each name on the list that no test had.
    pub fn unclaimed(&self) -> Vec<Row> {
        let missing = self.ids.keys().filter(|name| !self.seen.contains(*name));
        let row = |name: &String| {
            Row::failed(Tier::Host, name, Tier::Host.to_string(), format!("{FILE} names it, but there is no such test"))
        };
        missing.map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_test_is_a_failure() {
        let ids = [("a::b", "K1"), ("a::c", "K2")].map(|(name, id)| (name.to_owned(), vec![id.to_owned()]));
        let mut proofs = Proofs { ids: ids.into(), seen: BTreeSet::new() };
        assert_eq!(proofs.of("a::b"), ["K1"]);
        assert!(proofs.of("a::d").is_empty());
        let missing = proofs.unclaimed();
        assert_eq!((missing.len(), missing[0].name.as_str()), (1, "a::c"));
    }
}
