//! Import cycles between the files of a crate. There are none.

use super::finding::Finding;
use super::modules::{Crate, Edge, ModuleId};

/// One finding for each knot of files that reach each other, showing the shortest way round its first.
pub fn check(krate: &Crate, edges: &[Edge]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let count = krate.modules.len();
    let mut reported = vec![false; count];
    for start in 0..count {
        if reported[start] {
            continue;
        }
        let Some(cycle) = shortest_way(start, start, count, edges) else {
            continue;
        };
        let leads = |from, to| shortest_way(from, to, count, edges).is_some();
        for (other, reported) in reported.iter_mut().enumerate() {
            *reported |= leads(start, other) && leads(other, start);
        }
        let name = |id: ModuleId| {
            let path = krate.modules[id].path.join("::");
            if path.is_empty() { "the crate's root".to_owned() } else { format!("`{path}`") }
        };
        let mut way = name(start);
        for edge in &cycle {
            way += &format!(" names {} (line {}: {})", name(edge.to), edge.line, edge.written);
            if edge.to != start {
                way += ", which";
            }
        }
        findings.push(Finding::at("cycles", &krate.modules[start].file, cycle[0].line, way));
    }
    findings
}

/// The edges, at least one, of the shortest way from `start` to `end`, by breadth-first search.
fn shortest_way(start: ModuleId, end: ModuleId, modules: usize, edges: &[Edge]) -> Option<Vec<&Edge>> {
    let mut came_by: Vec<Option<&Edge>> = vec![None; modules];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for edge in edges.iter().filter(|edge| edge.from == at) {
            if came_by[edge.to].is_none() {
                came_by[edge.to] = Some(edge);
                queue.push_back(edge.to);
            }
        }
    }
    let mut way = vec![came_by[end]?];
    while let Some(first) = way.last().filter(|edge| edge.from != start) {
        way.push(came_by[first.from]?);
    }
    way.reverse();
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::super::source::Tree;
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let (sources, _) = Tree::of(files).parse();
        let by_path = sources.iter().map(|source| (source.path.as_str(), source)).collect();
        let (krate, _) = Crate::read(files[0].0, &by_path);
        check(&krate, &krate.edges(&by_path)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_cycle_is_reported_once_with_the_way_round() {
        let found = findings(&[
            ("a/src/lib.rs", "mod x; mod y; mod z;"),
            ("a/src/x.rs", "use crate::y::Y; pub struct X;"),
            ("a/src/y.rs", "use crate::z::Z; pub struct Y;"),
            ("a/src/z.rs", "fn f() { crate::x::X; } pub struct Z;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`x` names `y`") && found[0].contains("which names `x`"), "{found:?}");
    }

    #[test]
    fn a_parent_and_its_child_may_not_need_each_other() {
        let found = findings(&[
            ("a/src/lib.rs", "mod x;"),
            ("a/src/x.rs", "mod inner; use inner::I; pub struct X(I);"),
            ("a/src/x/inner.rs", "use super::X; pub struct I;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_chain_and_a_table_of_contents_are_no_cycles() {
        let found = findings(&[
            ("a/src/lib.rs", "mod x; mod y; pub use x::X;"),
            ("a/src/x.rs", "mod inner; pub use inner::I; pub struct X;"),
            ("a/src/x/inner.rs", "use super::X; use crate::y::Y; pub struct I;"),
            ("a/src/y.rs", "pub struct Y;"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }
}
