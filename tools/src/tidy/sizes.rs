//! How long files and functions are: reported always, and a file beyond [`MAX_FILE_LINES`] fails.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::finding::Finding;
use super::source::Source;

/// No file is longer. (One of 400 already wants a reason.)
pub const MAX_FILE_LINES: usize = 800;
/// How many of the largest are named.
const NAMED: usize = 5;

/// The lengths of one kind of thing.
pub struct Sizes {
    kind: &'static str,
    /// Lines and place, longest first.
    longest_first: Vec<(usize, String)>,
}

impl Sizes {
    fn new(kind: &'static str, mut lines: Vec<(usize, String)>) -> Self {
        lines.sort_by(|a, b| b.cmp(a));
        Self { kind, longest_first: lines }
    }

    /// The smallest length that at least `percent` percent of the things do not exceed.
    fn percentile(&self, percent: usize) -> usize {
        let count = self.longest_first.len();
        let rank = (count * percent).div_ceil(100).max(1);
        self.longest_first.get(count.wrapping_sub(rank)).map_or(0, |&(lines, _)| lines)
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, median, p90) = (self.longest_first.len(), self.percentile(50), self.percentile(90));
        write!(f, "{count} {}: median {median} lines, p90 {p90}; the longest:", self.kind)?;
        for (lines, place) in self.longest_first.iter().take(NAMED) {
            write!(f, "\n  {lines:5} {place}")?;
        }
        Ok(())
    }
}

/// Measures files and functions.
pub fn measure(sources: &[Source]) -> [Sizes; 2] {
    let files = sources.iter().map(|source| (source.text.lines().count(), source.path.clone()));
    let mut functions = Functions { path: "", lines: Vec::new() };
    for source in sources {
        functions.path = &source.path;
        functions.visit_file(&source.ast);
    }
    [Sizes::new("files", files.collect()), Sizes::new("functions", functions.lines)]
}

/// Files beyond the limit.
pub fn check(files: &Sizes) -> Vec<Finding> {
    let too_long = files.longest_first.iter().take_while(|&&(lines, _)| lines > MAX_FILE_LINES);
    let finding = |(lines, path): &(usize, String)| {
        let message = format!("{lines} lines; the limit is {MAX_FILE_LINES}: divide it along its concepts");
        Finding::at("sizes", path, *lines, message)
    };
    too_long.map(finding).collect()
}

struct Functions<'a> {
    path: &'a str,
    lines: Vec<(usize, String)>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line + 1 - first;
        self.lines.push((lines, format!("{}:{first} {}", self.path, signature.ident)));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Tree;
    use super::*;

    #[test]
    fn percentiles_are_lengths_that_occur() {
        let lines = (1..=10).map(|lines| (lines, String::new())).collect();
        let sizes = Sizes::new("things", lines);
        assert_eq!((sizes.percentile(50), sizes.percentile(90)), (5, 9));
        assert_eq!(Sizes::new("things", Vec::new()).percentile(50), 0);
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let (sources, _) = Tree::of(&[("x.rs", "/// Doc.\n#[inline]\nfn f(\n    x: u8,\n) {\n}\n")]).parse();
        let [files, functions] = measure(&sources);
        assert_eq!(files.percentile(50), 6);
        assert_eq!(functions.longest_first, [(4, "x.rs:3 f".to_owned())]);
    }

    #[test]
    fn a_file_beyond_the_limit_is_a_finding() {
        let long = "\n".repeat(MAX_FILE_LINES + 1);
        let (sources, _) = Tree::of(&[("x.rs", &long), ("y.rs", "fn f() {}")]).parse();
        assert_eq!(check(&measure(&sources)[0]).len(), 1);
    }
}
