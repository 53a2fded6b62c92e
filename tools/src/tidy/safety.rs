//! Every use of `unsafe` has its contract or its proof.
//!
//! `unsafe fn` and `unsafe trait` state the contract under `# Safety` in their documentation; an unsafe
//! block and an `unsafe impl` prove theirs in a `// SAFETY:` comment right above. Clippy
//! checks most of that, but not inside macros and not for private functions.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Lit, Meta, Safety};

use super::finding::Finding;
use super::source::Source;

/// Holds one file against the rule.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut rule =
        Rule { path: &source.path, lines: source.text.lines().collect(), statement: 0, findings: Vec::new() };
    rule.visit_file(&source.ast);
    rule.findings
}

struct Rule<'a> {
    path: &'a str,
    lines: Vec<&'a str>,
    /// First line of the innermost statement or item around: the comment may stand above it.
    statement: usize,
    findings: Vec<Finding>,
}

impl Rule<'_> {
    fn demand_proof(&mut self, line: usize, what: &str) {
        if !self.proven_at(line) && !self.proven_at(self.statement) {
            let message = format!("{what} without a `// SAFETY:` comment above it");
            self.findings.push(Finding::at("safety", self.path, line, message));
        }
    }

    fn demand_contract(&mut self, attributes: &[Attribute], line: usize, what: &str) {
        if !attributes.iter().any(|attribute| doc_line(attribute).is_some_and(|doc| doc.trim() == "# Safety")) {
            let message = format!("{what} without a `# Safety` section in its documentation");
            self.findings.push(Finding::at("safety", self.path, line, message));
        }
    }

    /// Whether the comment lines right above `line` (attributes may stand between) hold a proof.
    fn proven_at(&self, line: usize) -> bool {
        let above = self.lines.iter().take(line.saturating_sub(1)).rev().map(|line| line.trim_start());
        above
            .take_while(|line| line.starts_with("//") || line.starts_with("#["))
            .any(|line| line.starts_with("// SAFETY:"))
    }

    fn within<T>(&mut self, line: usize, visit: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.statement, line);
        let result = visit(self);
        self.statement = outer;
        result
    }

    /// Unsafe blocks among a macro's tokens.
    fn tokens(&mut self, stream: TokenStream) {
        let mut tokens = stream.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(word) if word == "unsafe" => {
                    let block = |next: &TokenTree| matches!(next, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
                    if tokens.peek().is_some_and(block) {
                        self.demand_proof(word.span().start().line, "an unsafe block in a macro");
                    }
                }
                _ => {}
            }
        }
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident("doc") => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Rule<'_> {
    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        self.within(statement.span().start().line, |rule| visit::visit_stmt(rule, statement));
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        self.within(item.span().start().line, |rule| visit::visit_item(rule, item));
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.demand_proof(block.unsafe_token.span.start().line, "an unsafe block");
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(word) = &item.unsafety {
            self.demand_proof(word.span.start().line, "an unsafe impl");
        }
        for inner in &item.items {
            // A method of a trait has the trait's contract.
            if let (syn::ImplItem::Fn(function), None) = (inner, &item.trait_)
                && let Safety::Unsafe(word) = &function.sig.safety
            {
                let what = format!("unsafe fn `{}`", function.sig.ident);
                self.demand_contract(&function.attrs, word.span.start().line, &what);
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if let Safety::Unsafe(word) = &item.sig.safety {
            let what = format!("unsafe fn `{}`", item.sig.ident);
            self.demand_contract(&item.attrs, word.span.start().line, &what);
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if let Some(word) = &item.unsafety {
            let what = format!("unsafe trait `{}`", item.ident);
            self.demand_contract(&item.attrs, word.span.start().line, &what);
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Safety::Unsafe(word) = &item.sig.safety {
            let what = format!("unsafe fn `{}`", item.sig.ident);
            self.demand_contract(&item.attrs, word.span.start().line, &what);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.tokens(invocation.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Tree;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let (sources, parse) = Tree::of(&[("x.rs", text)]).parse();
        assert!(parse.is_empty(), "{parse:?}");
        check(&sources[0]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_block_needs_its_proof_right_above() {
        assert_eq!(findings("fn f() {\n    unsafe { g() }\n}").len(), 1);
        assert_eq!(findings("fn f() {\n    // SAFETY: far\n\n    unsafe { g() }\n}").len(), 1);
        assert_eq!(findings("fn f() {\n    // SAFETY: x holds\n    // and y\n    unsafe { g() }\n}").len(), 0);
    }

    #[test]
    fn the_proof_may_stand_above_the_statement_or_the_constant() {
        assert_eq!(findings("fn f() {\n    // SAFETY: s\n    let x =\n        unsafe { g() };\n}").len(), 0);
        assert_eq!(findings("// SAFETY: s\n#[used]\nstatic X: u8 =\n    unsafe { g() };\n").len(), 0);
        assert_eq!(findings("// SAFETY: s\nfn f() {\n    h();\n    unsafe { g() }\n}").len(), 1);
    }

    #[test]
    fn macros_hide_nothing() {
        assert_eq!(findings("fn f() {\n    assert!(unsafe { g() });\n}").len(), 1);
        assert_eq!(findings("macro_rules! m { () => {\n    // SAFETY: s\n    unsafe { g() }\n} }").len(), 0);
    }

    #[test]
    fn impls_need_a_proof() {
        assert_eq!(findings("unsafe impl Send for X {}").len(), 1);
        assert_eq!(findings("// SAFETY: s\nunsafe impl Send for X {}").len(), 0);
    }

    #[test]
    fn functions_and_traits_need_a_contract() {
        assert_eq!(findings("unsafe fn f() {}\nunsafe trait T { unsafe fn g(); }").len(), 3);
        assert_eq!(findings("impl X { unsafe fn f() {} }\nimpl T for X { unsafe fn g() {} }").len(), 1);
        assert_eq!(findings("/// F.\n///\n/// # Safety\n///\n/// None.\nunsafe fn f() {}").len(), 0);
    }
}
