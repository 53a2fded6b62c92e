//! Requirement ids on test cases exist.

use syn::visit::{self, Visit};
use syn::{Expr, Lit, Meta};

use super::finding::Finding;
use super::source::Source;
use crate::test::requirements::Requirements;

/// Holds the ids in every `#[…test(ids = ["K1", …])]` of the file against the list.
pub fn check(source: &Source, known: &Requirements) -> Vec<Finding> {
    let mut rule = Rule { path: &source.path, known, findings: Vec::new() };
    rule.visit_file(&source.ast);
    rule.findings
}

struct Rule<'a> {
    path: &'a str,
    known: &'a Requirements,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Rule<'_> {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        visit::visit_attribute(self, attribute);
        let Meta::List(list) = &attribute.meta else {
            return;
        };
        if list.path.segments.last().is_none_or(|last| last.ident != "test") {
            return;
        }
        let arguments = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
        for argument in list.parse_args_with(arguments).into_iter().flatten() {
            let Meta::NameValue(pair) = argument else {
                continue;
            };
            let Expr::Array(array) = pair.value else {
                continue;
            };
            if !pair.path.is_ident("ids") {
                continue;
            }
            for element in &array.elems {
                let Expr::Lit(syn::ExprLit { lit: Lit::Str(id), .. }) = element else {
                    continue;
                };
                if !self.known.contains(&id.value()) {
                    let message = format!("there is no requirement `{}`", id.value());
                    self.findings.push(Finding::at("ids", self.path, id.span().start().line, message));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Tree;
    use super::*;

    #[test]
    fn an_id_that_is_not_on_the_list_is_found() {
        let text = "#[libkern::test(ids = [\"K1\", \"K99\"], long)]\nfn f() {}\n#[test]\nfn g() {}\n";
        let (sources, _) = Tree::of(&[("x.rs", text)]).parse();
        let known = Requirements::parse("K1 first\nM2 second\n").unwrap();
        let found = check(&sources[0], &known);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("`K99`"));
    }
}
