//! How a crate got among an application's dependencies.

use std::collections::VecDeque;

use cargo_metadata::{DependencyKind, Metadata, PackageId};

use crate::build::Package;

/// The dependencies of an application.
pub struct Tree<'m> {
    metadata: &'m Metadata,
    root: PackageId,
}

impl<'m> Tree<'m> {
    /// The dependencies of `package`; `None` if `metadata` is not about it.
    pub fn new(metadata: &'m Metadata, package: &Package) -> Option<Self> {
        let is_root = |p: &&cargo_metadata::Package| p.manifest_path.as_std_path() == package.manifest;
        let root = metadata.packages.iter().find(is_root)?.id.clone();
        Some(Self { metadata, root })
    }

    /// Whether a crate is one of the application's own.
    pub fn is_root(&self, krate: &str) -> bool {
        self.metadata[&self.root].targets.iter().any(|target| target.name.replace('-', "_") == krate)
    }

    /// The shortest way from the application to a crate: the packages on it, both ends included.
    fn path_to(&self, krate: &str) -> Option<Vec<&PackageId>> {
        let nodes = &self.metadata.resolve.as_ref()?.nodes;
        let mut paths = VecDeque::from([vec![&self.root]]);
        let mut seen = vec![&self.root];
        while let Some(path) = paths.pop_front() {
            let node = nodes.iter().find(|node| Some(&&node.id) == path.last())?;
            for dependency in &node.deps {
                let is_linked = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Build);
                if !is_linked || seen.contains(&&dependency.pkg) {
                    continue;
                }
                seen.push(&dependency.pkg);
                let longer: Vec<_> = path.iter().copied().chain([&dependency.pkg]).collect();
                if self.lib_name(&dependency.pkg).as_deref() == Some(krate) {
                    return Some(longer);
                }
                paths.push_back(longer);
            }
        }
        None
    }

    /// The name of a package's library as rustc knows it.
    fn lib_name(&self, id: &PackageId) -> Option<String> {
        let targets = &self.metadata[id].targets;
        targets.iter().find(|target| target.is_lib() || target.is_rlib()).map(|t| t.name.replace('-', "_"))
    }

    fn features(&self, id: &PackageId) -> Vec<String> {
        let nodes = self.metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        nodes.filter(|node| node.id == *id).flat_map(|node| node.features.iter().map(ToString::to_string)).collect()
    }
}

/// The crate to blame, and how it got in.
pub struct Culprit {
    /// Its name as its users write it.
    pub name: String,
    /// The packages from the application's dependency to it.
    via: Vec<String>,
    /// Whether a feature of it named `std` is on.
    feature_std: bool,
}

impl Culprit {
    /// The crate that rustc calls `krate`.
    pub fn find(tree: Option<&Tree>, krate: &str) -> Self {
        let path = tree.and_then(|tree| tree.path_to(krate).map(|path| (tree, path)));
        let Some((tree, path)) = path else {
            return Self { name: krate.to_owned(), via: Vec::new(), feature_std: false };
        };
        let mut via: Vec<_> = path[1..].iter().map(|id| tree.metadata[*id].name.to_string()).collect();
        let name = via.pop().unwrap_or_else(|| krate.to_owned());
        let feature_std = path.last().is_some_and(|id| tree.features(id).iter().any(|feature| feature == "std"));
        Self { name, via, feature_std }
    }

    /// How it got in, as the end of a sentence.
    pub fn path(&self, package: &Package) -> String {
        let links: Vec<_> = self.via.iter().rev().map(|name| format!("`{name}`")).collect();
        match links[..] {
            [] => format!(".\n`{}` asks for it.", package.name),
            _ => format!(".\n`{}` asks for it through {}.", package.name, links.join(", through ")),
        }
    }

    /// What to do about it.
    pub fn step(&self, otherwise: &str) -> String {
        let asker = self.via.last().map_or("your Cargo.toml".to_owned(), |name| format!("`{name}`"));
        if self.feature_std {
            format!(
                "\nIts feature `std` is on: have {asker} ask for it with `default-features = false`, \
                 or use {otherwise}."
            )
        } else {
            format!("\nLook for a feature of it to leave out (`default-features = false`), or use {otherwise}.")
        }
    }
}
