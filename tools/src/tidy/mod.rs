//! `cargo roost tidy`: the conventions of the tree, made executable.
//!
//! Each rule is one module and a pure function of the files; none needs a build. What a rule finds is an
//! error: there is no list of exceptions, and a rule that needs one should be another rule.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::test::requirements;
use crate::workspace::Workspace;

mod cfg;
mod cycles;
mod finding;
mod hygiene;
mod ids;
mod layers;
mod modules;
mod references;
mod safety;
mod sizes;
mod source;

use finding::Finding;
use modules::Crate;
use source::{Source, Tree};

/// Check what no compiler checks: the order of the layers, import cycles, SAFETY comments, sizes of
/// files, requirement ids, stray paths and host names, and the top of the tree.
#[derive(clap::Args)]
pub struct Args {
    /// Do not print the sizes of files and functions.
    #[arg(long)]
    quiet: bool,
}

/// Checks the workspace around the current directory. Fails if anything was found.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let root = Workspace::find()?.root;
    let tree = Tree::of_checkout(&root)?;
    let (sources, mut findings) = tree.parse();
    let sizes = sizes::measure(&sources);
    findings.extend(sizes::check(&sizes[0]));
    findings.extend(hygiene::check_contents(&tree));
    findings.extend(hygiene::check_top_level(&tree));
    findings.extend(imports(&tree, &sources));
    findings.extend(sources.iter().flat_map(safety::check));
    findings.extend(requirement_ids(&tree, &sources));

    if !args.quiet {
        println!("{}\n{}", sizes[0], sizes[1]);
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", tree.files.len(), findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Layers and cycles, for every crate of the tree.
fn imports(tree: &Tree, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let by_path: BTreeMap<_, _> = sources.iter().map(|source| (source.path.as_str(), source)).collect();
    let table = tree.files.get(layers::TABLE).map_or(Err("there is no such file"), |text| layers::parse_table(text));
    let layer_order = table.unwrap_or_else(|error| {
        findings.push(Finding::at("layers", layers::TABLE, 1, error));
        Vec::new()
    });
    for root in by_path.keys().filter(|path| is_crate_root(path)) {
        let (krate, missing) = Crate::read(root, &by_path);
        let edges = krate.edges(&by_path);
        findings.extend(missing);
        findings.extend(cycles::check(&krate, &edges));
        if krate.root == layers::ROOT && !layer_order.is_empty() {
            findings.extend(layers::check(&layer_order, &krate, &edges));
        }
    }
    findings
}

/// `src/lib.rs`, `src/main.rs` and `src/bin/*.rs` of any package.
fn is_crate_root(path: &str) -> bool {
    let in_binaries = path.rsplit_once('/').is_some_and(|(directory, _)| directory.ends_with("src/bin"));
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || in_binaries
}

fn requirement_ids(tree: &Tree, sources: &[Source]) -> Vec<Finding> {
    let list = tree.files.get(requirements::LIST);
    let known = match list.map(|text| requirements::Requirements::parse(text)) {
        Some(Ok(known)) => known,
        Some(Err(error)) => return vec![Finding::at("ids", requirements::LIST, 1, error)],
        None => {
            return vec![Finding::at("ids", requirements::LIST, 1, "there is no such file")];
        }
    };
    sources.iter().flat_map(|source| ids::check(source, &known)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_by_convention() {
        assert!(is_crate_root("libkern/src/lib.rs"));
        assert!(is_crate_root("tests/fatal/src/bin/stack_overflow.rs"));
        assert!(!is_crate_root("libkern/src/mem/mod.rs"));
        assert!(!is_crate_root("tests/fatal/src/bin/helper/inner.rs"));
    }
}
