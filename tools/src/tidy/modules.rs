//! The modules of a crate, and which of them defines what a path names.
//!
//! A path leads through re-exports to the module that *defines* the name; that module is what the path
//! depends on. So a parent that re-exports its children is a table of contents and closes no cycle,
//! and `crate::Name` in a layer counts as a reference to the layer that `Name` comes from.
//!
//! This is not the compiler's resolution: names that macros generate are unknown here, and a path that
//! cannot be followed further is charged to the last module it certainly passes through.

use std::collections::{BTreeMap, BTreeSet};

use super::cfg;
use super::finding::Finding;
use super::references::{Alias, Reference, References, attributes};
use super::source::Source;

/// Index into [`Crate::modules`].
pub type ModuleId = usize;

/// How many re-exports a path may lead through; more is a loop of globs.
const MAX_HOPS: usize = 16;

/// One compilation target: a library, or a program with the modules it declares.
pub struct Crate {
    /// The root's file, which also names the crate in findings.
    pub root: String,
    pub modules: Vec<Module>,
}

/// A module, in a file of its own or inline.
pub struct Module {
    pub path: Vec<String>,
    pub file: String,
    children: BTreeMap<String, ModuleId>,
    items: BTreeSet<String>,
    aliases: Vec<Alias>,
}

/// File `from` names something that file `to` defines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Edge {
    pub from: ModuleId,
    pub to: ModuleId,
    pub line: usize,
    /// The path as written.
    pub written: String,
}

impl Crate {
    /// Reads the module tree that starts in the file `root`.
    pub fn read(root: &str, sources: &BTreeMap<&str, &Source>) -> (Self, Vec<Finding>) {
        let mut tree = Self { root: root.to_owned(), modules: Vec::new() };
        let mut findings = Vec::new();
        tree.add_file(&[], root, parent(root), sources, &mut findings);
        tree.export_macros(sources);
        (tree, findings)
    }

    fn add_file(
        &mut self,
        path: &[String],
        file: &str,
        directory: &str,
        sources: &BTreeMap<&str, &Source>,
        findings: &mut Vec<Finding>,
    ) -> Option<ModuleId> {
        let source = sources.get(file)?;
        let id = self.add(path, file);
        let references = References::of(&source.ast);
        self.declare(id, &source.ast.items, directory, sources, findings);
        for alias in references.aliases {
            let module = self.inner(id, &alias.within);
            self.modules[module].aliases.push(alias);
        }
        Some(id)
    }

    fn add(&mut self, path: &[String], file: &str) -> ModuleId {
        self.modules.push(Module {
            path: path.to_vec(),
            file: file.to_owned(),
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            aliases: Vec::new(),
        });
        self.modules.len() - 1
    }

    /// Notes what a module defines, and descends into the modules it declares.
    fn declare(
        &mut self,
        id: ModuleId,
        items: &[syn::Item],
        directory: &str,
        sources: &BTreeMap<&str, &Source>,
        findings: &mut Vec<Finding>,
    ) {
        for item in items.iter().filter(|item| !cfg::test_only(attributes(item))) {
            let syn::Item::Mod(module) = item else {
                self.modules[id].items.extend(defined_name(item));
                continue;
            };
            let name = module.ident.to_string();
            let mut path = self.modules[id].path.clone();
            path.push(name.clone());
            let below = join(directory, &name);
            let child = if let Some((_, content)) = &module.content {
                let file = self.modules[id].file.clone();
                let child = self.add(&path, &file);
                self.declare(child, content, &below, sources, findings);
                Some(child)
            } else {
                let named = path_attribute(&module.attrs).map(|named| beside(&self.modules[id].file, &named));
                let candidates = match &named {
                    // Modules below such a file lie beside it.
                    Some(file) => vec![(file.clone(), parent(file).to_owned())],
                    None => ["{}.rs", "{}/mod.rs"].map(|file| (file.replace("{}", &below), below.clone())).to_vec(),
                };
                let mut candidates = candidates.iter();
                candidates.find_map(|(file, below)| self.add_file(&path, file, below, sources, findings))
            };
            if let Some(child) = child {
                self.modules[id].children.insert(name, child);
            } else {
                let line = module.ident.span().start().line;
                let message = format!("module `{name}` has neither {below}.rs nor {below}/mod.rs");
                findings.push(Finding::at("modules", &self.modules[id].file, line, message));
            }
        }
    }

    /// `#[macro_export]` puts a macro at the crate's root, whatever module defines it.
    fn export_macros(&mut self, sources: &BTreeMap<&str, &Source>) {
        for id in 1..self.modules.len() {
            let Some(source) = sources.get(self.modules[id].file.as_str()) else {
                continue;
            };
            for item in &source.ast.items {
                let syn::Item::Macro(definition) = item else {
                    continue;
                };
                let exported = definition.attrs.iter().any(|attr| attr.path().is_ident("macro_export"));
                if let (true, Some(name)) = (exported, &definition.ident) {
                    let name = name.to_string();
                    let mut target = vec!["crate".to_owned()];
                    target.extend(self.modules[id].path.iter().cloned());
                    target.push(name.clone());
                    self.modules[0].aliases.push(Alias { within: Vec::new(), name: Some(name), target });
                }
            }
        }
    }

    fn inner(&self, id: ModuleId, within: &[String]) -> ModuleId {
        within.iter().fold(id, |id, name| self.modules[id].children.get(name).copied().unwrap_or(id))
    }

    /// Every reference from one file of the crate to another.
    pub fn edges(&self, sources: &BTreeMap<&str, &Source>) -> Vec<Edge> {
        let mut edges = BTreeMap::new();
        for file_module in self.file_modules() {
            let Some(source) = sources.get(self.modules[file_module].file.as_str()) else {
                continue;
            };
            for reference in References::of(&source.ast).paths {
                let Reference { within, segments, line } = reference;
                let written = segments.join("::");
                for target in self.start(self.inner(file_module, &within), &segments, MAX_HOPS) {
                    let to = self.file_module_of(target);
                    if to != file_module {
                        // The first mention is enough.
                        edges.entry((file_module, to)).or_insert_with(|| Edge {
                            from: file_module,
                            to,
                            line,
                            written: written.clone(),
                        });
                    }
                }
            }
        }
        edges.into_values().collect()
    }

    /// The modules that have a file of their own: the first of each file.
    fn file_modules(&self) -> Vec<ModuleId> {
        let mut seen = BTreeSet::new();
        (0..self.modules.len()).filter(|&id| seen.insert(self.modules[id].file.as_str())).collect()
    }

    fn file_module_of(&self, id: ModuleId) -> ModuleId {
        let file = &self.modules[id].file;
        self.modules.iter().position(|module| module.file == *file).unwrap_or(id)
    }

    /// Resolves a path as written in `module`; empty where it leads out of the crate.
    fn start(&self, module: ModuleId, segments: &[String], hops: usize) -> BTreeSet<ModuleId> {
        let Some((first, rest)) = segments.split_first() else {
            return BTreeSet::new();
        };
        match first.as_str() {
            "crate" => self.walk(0, rest, hops),
            "self" => self.walk(module, rest, hops),
            "super" => {
                let path = &self.modules[module].path;
                let parent = path.split_last().and_then(|(_, parent)| self.at(parent));
                parent.map_or_else(BTreeSet::new, |parent| {
                    // `super::super` goes on from there; anything else is a name in it.
                    match rest.first().map(String::as_str) {
                        Some("super") => self.start(parent, rest, hops),
                        _ => self.walk(parent, rest, hops),
                    }
                })
            }
            name => {
                let here = &self.modules[module];
                let child = here.children.contains_key(name);
                let alias = here.aliases.iter().any(|alias| alias.name.as_deref() == Some(name));
                if child || alias { self.walk(module, segments, hops) } else { BTreeSet::new() }
            }
        }
    }

    /// Follows `segments` from inside `module` to the modules that define what they name.
    fn walk(&self, module: ModuleId, segments: &[String], hops: usize) -> BTreeSet<ModuleId> {
        let here = &self.modules[module];
        let Some((name, rest)) = segments.split_first() else {
            return BTreeSet::from([module]);
        };
        if let Some(&child) = here.children.get(name) {
            return self.walk(child, rest, hops);
        }
        let itself = BTreeSet::from([module]);
        if here.items.contains(name) || hops == 0 {
            return itself;
        }
        let through = |alias: &Alias, tail: &[String]| {
            let path: Vec<_> = alias.target.iter().chain(tail).cloned().collect();
            // `use x::x` in a module: the alias must not lead back to itself.
            if path == segments { BTreeSet::new() } else { self.start(module, &path, hops - 1) }
        };
        let named: Vec<_> = here.aliases.iter().filter(|alias| alias.name.as_ref() == Some(name)).collect();
        if !named.is_empty() {
            // A name from another crate resolves to nothing: no edge.
            return named.into_iter().flat_map(|alias| through(alias, rest)).collect();
        }
        let globs = here.aliases.iter().filter(|alias| alias.name.is_none());
        let found: BTreeSet<_> = globs
            .flat_map(|glob| self.start(module, &glob.target, hops - 1))
            .filter(|&target| target != module && self.offers(target, name))
            .flat_map(|target| self.walk(target, segments, hops - 1))
            .collect();
        if found.is_empty() { itself } else { found }
    }

    fn offers(&self, module: ModuleId, name: &str) -> bool {
        let module = &self.modules[module];
        module.items.contains(name)
            || module.children.contains_key(name)
            || module.aliases.iter().any(|alias| alias.name.as_deref().is_none_or(|alias| alias == name))
    }

    fn at(&self, path: &[String]) -> Option<ModuleId> {
        self.modules.iter().position(|module| module.path == path)
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

fn parent(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The file that `#[path]` names.
fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    let value =
        attributes.iter().find(|attribute| attribute.path().is_ident("path"))?.meta.require_name_value().ok()?;
    match &value.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// A file named as it is seen from the directory of another.
fn beside(file: &str, named: &str) -> String {
    let mut parts: Vec<_> = parent(file).split('/').filter(|part| !part.is_empty()).collect();
    for part in named.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn defined_name(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::TraitAlias(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::source::Tree;
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let (sources, findings) = Tree::of(files).parse();
        assert!(findings.is_empty());
        let by_path = sources.iter().map(|source| (source.path.as_str(), source)).collect();
        let (tree, findings) = Crate::read(files[0].0, &by_path);
        assert!(findings.is_empty());
        let name = |id: ModuleId| tree.modules[id].path.join("::");
        tree.edges(&by_path).iter().map(|edge| format!("{} -> {}", name(edge.from), name(edge.to))).collect()
    }

    #[test]
    fn a_path_through_a_reexport_depends_on_the_definer() {
        let found = edges(&[
            ("a/src/lib.rs", "pub mod mem; pub mod user; pub use mem::Heap;"),
            ("a/src/mem.rs", "mod heap; mod frames; pub use self::heap::Heap; pub use frames::*;"),
            ("a/src/mem/heap.rs", "pub struct Heap; fn f() { super::frame_size(); }"),
            ("a/src/mem/frames.rs", "pub fn frame_size() {}"),
            ("a/src/user.rs", "use crate::Heap; fn g(h: crate::mem::Heap) {}"),
        ]);
        assert_eq!(found, ["mem::heap -> mem::frames", "user -> mem::heap"]);
    }

    #[test]
    fn super_is_resolved_from_inline_modules_too() {
        let found = edges(&[
            ("a/src/lib.rs", "mod x; mod y;"),
            ("a/src/x.rs", "mod inner { use super::super::y::Y; }"),
            ("a/src/y.rs", "pub struct Y;"),
        ]);
        assert_eq!(found, ["x -> y"]);
    }

    #[test]
    fn an_exported_macro_belongs_to_the_module_that_defines_it() {
        let found = edges(&[
            ("a/src/lib.rs", "mod console; mod user;"),
            ("a/src/console.rs", "#[macro_export] macro_rules! println { () => {} }"),
            ("a/src/user.rs", "fn f() { crate::println!(); }"),
        ]);
        assert_eq!(found, ["user -> console"]);
    }

    #[test]
    fn a_file_named_by_its_path_is_found() {
        let found = edges(&[
            ("a/tests/src/main.rs", "mod borrowed;"),
            ("a/tests/src/borrowed.rs", "#[path = \"../../lib/src/x.rs\"] mod x; #[path = \"./z.rs\"] mod z;"),
            ("a/lib/src/x.rs", "mod y; use super::z::Z;"),
            ("a/lib/src/y.rs", "use super::X;"),
            ("a/tests/src/z.rs", "pub struct Z;"),
        ]);
        assert_eq!(found, ["borrowed::x -> borrowed::z", "borrowed::x::y -> borrowed::x"]);
    }

    #[test]
    fn names_of_other_crates_are_no_edges() {
        let found = edges(&[
            ("a/src/lib.rs", "mod x; mod y; pub use core::fmt;"),
            ("a/src/x.rs", "use core::fmt::Write; use spin::Mutex; fn f() { Mutex::new(()); }"),
            ("a/src/y.rs", "use crate::fmt::Debug;"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_module_without_a_file_is_reported() {
        let (sources, _) = Tree::of(&[("a/src/lib.rs", "mod gone;")]).parse();
        let by_path = sources.iter().map(|source| (source.path.as_str(), source)).collect();
        assert_eq!(Crate::read("a/src/lib.rs", &by_path).1.len(), 1);
    }
}
