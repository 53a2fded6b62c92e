//! Whose console text is whose.

use super::result::CaseResult;

/// Gives each case of a boot its part of the console: up to the line that ends it. What no such line follows is
/// the last one's, which took the machine down before it could write one.
pub fn share_out(console: &str, results: &mut [CaseResult]) {
    let mut rest = console;
    for result in &mut *results {
        let marker = format!("test {} ... ", result.case.name);
        let mut lines = rest.split_inclusive('\n').scan(0, |end, line| {
            let start = *end;
            *end += line.len();
            Some((start, *end, line))
        });
        if let Some((start, end, _)) = lines.find(|(.., line)| line.starts_with(&marker)) {
            result.console = rest[..start].to_owned();
            rest = &rest[end..];
        }
    }
    if let Some(last) = results.last_mut() {
        last.console.push_str(rest);
    }
}
