//! Which paths a file names: in `use`, in code, in types, and inside macro arguments.
//!
//! `syn` leaves the arguments of a macro as tokens, and `println!("{}", crate::time::now())` is as much
//! a reference to `time` as any, so there the paths are picked from the token stream.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, UseTree, Visibility};

use super::cfg;

/// A path that a module names.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The inline modules around it, outermost first.
    pub within: Vec<String>,
    pub segments: Vec<String>,
    pub line: usize,
}

/// A name that a `use` at module level gives to something else.
#[derive(Clone, Debug)]
pub struct Alias {
    pub within: Vec<String>,
    /// `None` for a glob.
    pub name: Option<String>,
    pub target: Vec<String>,
}

/// All that one file names.
#[derive(Default)]
pub struct References {
    pub paths: Vec<Reference>,
    pub aliases: Vec<Alias>,
    within: Vec<String>,
    function_depth: usize,
}

impl References {
    /// Collects from a file, code that exists only in tests excluded.
    pub fn of(file: &syn::File) -> Self {
        let mut references = Self::default();
        references.visit_file(file);
        references
    }

    fn refer(&mut self, segments: Vec<String>, line: usize) {
        self.paths.push(Reference { within: self.within.clone(), segments, line });
    }

    fn import(&mut self, tree: &UseTree, prefix: &[String], reexport: bool, line: usize) {
        let extended = |name: &syn::Ident| {
            let mut path = prefix.to_vec();
            // `use a::{self}` names `a`.
            if name != "self" || path.is_empty() {
                path.push(name.to_string());
            }
            path
        };
        let (name, target) = match tree {
            UseTree::Path(step) => {
                let mut path = prefix.to_vec();
                path.push(step.ident.to_string());
                return self.import(&step.tree, &path, reexport, line);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|item| self.import(item, prefix, reexport, line));
            }
            UseTree::Glob(_) => (None, prefix.to_vec()),
            UseTree::Name(name) => {
                let target = extended(&name.ident);
                (target.last().cloned(), target)
            }
            UseTree::Rename(rename) => (Some(rename.rename.to_string()), extended(&rename.ident)),
        };
        // A re-export is a table of contents, not a need: who takes the name through it is charged with
        // the module that defines it.
        if !reexport {
            self.refer(target.clone(), line);
        }
        if self.function_depth == 0 {
            self.aliases.push(Alias { within: self.within.clone(), name, target });
        }
    }

    /// The paths in a macro's tokens: `a::b`, `crate::a::b`, `$crate::a::b`, at any depth.
    fn tokens(&mut self, stream: TokenStream) {
        let tokens: Vec<_> = stream.into_iter().collect();
        let colons = |at: usize| is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':');
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut segments = vec![first.to_string()];
                    while colons(at + 1) {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else {
                            break;
                        };
                        segments.push(next.to_string());
                        at += 3;
                    }
                    if segments.len() > 1 {
                        self.refer(segments, first.span().start().line);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

impl<'ast> Visit<'ast> for References {
    fn visit_item(&mut self, item: &'ast Item) {
        if !cfg::test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.within.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.within.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let reexport = !matches!(item.vis, Visibility::Inherited);
        let line = item.use_token.span.start().line;
        self.import(&item.tree, &[], reexport, line);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !cfg::test_only(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.function_depth += 1;
        visit::visit_block(self, block);
        self.function_depth -= 1;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.refer(segments, line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        visit::visit_macro(self, invocation);
        self.tokens(invocation.tokens.clone());
    }

    // `#[cfg(test)]`, `#[derive(Debug)]`: not paths into the crate.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    // The path in `pub(in a::b)` is a boundary, not a reference.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// The attributes of an item of any kind.
pub fn attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let references = References::of(&syn::parse_file(text).unwrap());
        references.paths.iter().map(|reference| reference.segments.join("::")).collect()
    }

    #[test]
    fn every_leaf_of_a_use_is_a_path() {
        assert_eq!(
            paths("use crate::a::{self, b::C, d::{E as F, *}};"),
            ["crate::a", "crate::a::b::C", "crate::a::d::E", "crate::a::d"]
        );
    }

    #[test]
    fn inline_paths_count_in_code_types_and_macro_arguments() {
        let text = r#"
            fn f(x: crate::t::T) { super::g::h(); println!("{}", crate::m::n(y::z::<u8>())); }
            macro_rules! m { ($e:expr) => { $crate::deep::call($e) } }
        "#;
        let found = paths(text);
        for wanted in ["crate::t::T", "super::g::h", "crate::m::n", "y::z", "crate::deep::call"] {
            assert!(found.contains(&wanted.to_owned()), "{wanted} not in {found:?}");
        }
    }

    #[test]
    fn code_that_exists_only_in_tests_is_passed_over() {
        assert!(paths("#[cfg(test)] mod tests { use crate::entry::boot; }").is_empty());
        assert!(paths("#[cfg(test)] use crate::entry::boot;").is_empty());
    }

    #[test]
    fn a_reexport_is_an_alias_and_no_path() {
        let references = References::of(&syn::parse_file("pub use self::a::B;").unwrap());
        assert!(references.paths.is_empty());
        assert_eq!(references.aliases[0].name.as_deref(), Some("B"));
    }
}
