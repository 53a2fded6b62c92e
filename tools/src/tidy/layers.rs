//! libkern's layers: a layer names only layers below it.
//!
//! The order is the table in ARCHITECTURE.md, section "Layers", top to bottom, so that what a reader is
//! told and what is enforced are one text. The only upward edge there is needs no exception here:
//! `arch` hands traps to a function that it declares `extern` and `entry` defines, and no import is involved.

use super::finding::Finding;
use super::modules::{Crate, Edge};

/// Where the table stands.
pub const TABLE: &str = "ARCHITECTURE.md";
/// The crate it orders.
pub const ROOT: &str = "libkern/src/lib.rs";

/// Reads the layers, top first, from the first column of the table under a heading "Layers".
pub fn parse_table(markdown: &str) -> Result<Vec<String>, &'static str> {
    let heading = |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim() == "Layers";
    let section = markdown.lines().skip_while(|line| !heading(line)).skip(1);
    let rows = section.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let mut layers = Vec::new();
    // The first two rows are the column titles and the rule under them.
    for row in rows.skip(2) {
        let cell = row.trim_matches('|').split('|').next().unwrap_or_default();
        let name = cell.trim().trim_matches('`');
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err("a row of the layer table does not begin with the name of a layer");
        }
        if layers.iter().any(|layer| layer == name) {
            return Err("the layer table names a layer twice");
        }
        layers.push(name.to_owned());
    }
    if layers.is_empty() { Err("there is no table under a heading \"Layers\"") } else { Ok(layers) }
}

/// Holds every edge of the crate against the order.
pub fn check(layers: &[String], krate: &Crate, edges: &[Edge]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rank = |name: &String| layers.iter().position(|layer| layer == name);
    for module in krate.modules.iter().filter(|module| module.path.len() == 1) {
        if rank(&module.path[0]).is_none() {
            let message = format!("layer `{}` has no row in {TABLE}", module.path[0]);
            findings.push(Finding::at("layers", &module.file, 1, message));
        }
    }
    for edge in edges {
        let (from, to) = (&krate.modules[edge.from], &krate.modules[edge.to]);
        // The crate's root is its table of contents and may name every layer.
        let Some(layer) = from.path.first() else {
            continue;
        };
        let message = match to.path.first() {
            None => format!("`{layer}` names `{}`, which the crate's root defines", edge.written),
            Some(target) => match (rank(layer), rank(target)) {
                (Some(here), Some(there)) if there < here => {
                    format!("`{layer}` names `{}` of `{target}`, a layer above it", edge.written)
                }
                _ => continue,
            },
        };
        findings.push(Finding::at("layers", &from.file, edge.line, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::source::Tree;
    use super::*;

    const DOCUMENT: &str = "# Roost\n\n## Layers\n\nProse.\n\n| Layer | Invariant |\n|---|---|\n\
                            | `entry` | x |\n| `mem` | y |\n| `sync` | z |\n\n## Next\n| `no` | n |\n";

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let (sources, _) = Tree::of(files).parse();
        let by_path = sources.iter().map(|source| (source.path.as_str(), source)).collect();
        let (krate, _) = Crate::read("libkern/src/lib.rs", &by_path);
        let layers = parse_table(DOCUMENT).unwrap();
        check(&layers, &krate, &krate.edges(&by_path)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_is_read_from_its_section_only() {
        assert_eq!(parse_table(DOCUMENT).unwrap(), ["entry", "mem", "sync"]);
        assert!(parse_table("# Roost\n").is_err());
        assert!(parse_table("## Layers\n| a | b |\n|---|---|\n| `x` | |\n| `x` | |\n").is_err());
    }

    #[test]
    fn naming_a_layer_below_is_allowed() {
        let found = findings(&[
            ("libkern/src/lib.rs", "pub mod entry; pub mod mem; pub mod sync; pub use entry::boot;"),
            ("libkern/src/entry.rs", "use crate::mem::heap; use crate::sync::Lock; pub fn boot() {}"),
            ("libkern/src/mem.rs", "use crate::sync::Lock; pub fn heap() {}"),
            ("libkern/src/sync.rs", "pub struct Lock;"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn naming_a_layer_above_is_an_error_with_its_place() {
        let found = findings(&[
            ("libkern/src/lib.rs", "pub mod mem; pub mod sync;"),
            ("libkern/src/mem.rs", "pub fn heap() {}"),
            ("libkern/src/sync.rs", "fn f() {\n    crate::mem::heap();\n}"),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("libkern/src/sync.rs:2:"), "{found:?}");
        assert!(found[0].contains("`mem`, a layer above"), "{found:?}");
    }

    #[test]
    fn going_through_a_reexport_at_the_root_hides_nothing() {
        let found = findings(&[
            ("libkern/src/lib.rs", "pub mod mem; pub mod sync; pub use mem::heap;"),
            ("libkern/src/mem.rs", "pub fn heap() {}"),
            ("libkern/src/sync.rs", "use super::heap;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_layer_the_table_does_not_know_is_an_error() {
        let found = findings(&[("libkern/src/lib.rs", "mod odd;"), ("libkern/src/odd.rs", "")]);
        assert!(found[0].contains("layer `odd` has no row"), "{found:?}");
    }
}
