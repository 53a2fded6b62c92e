//! Names for packages.

use anyhow::{Result, bail};

/// What a crate cannot be called: Rust's keywords, and crates that every image has.
const TAKEN: [&str; 62] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "libkern",
    "libmcp",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "build",
    "deps",
    "examples",
    "incremental",
];

/// Whether a package may be called `name`.
///
/// cargo-generate turns other names into one of this form; saying so is clearer than doing it.
///
/// # Errors
/// Why not.
pub fn check(name: &str) -> Result<()> {
    if name.contains(['/', '\\']) {
        bail!("`{name}` is a path: go to the directory that it shall be in, and give the name only");
    }
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if let Some(c) = name.chars().find(|&c| !is_allowed(c)) {
        bail!("`{name}` cannot be a package's name here: `{c}` is not a lowercase letter, digit, `-` or `_`");
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        bail!("`{name}` cannot be a package's name: it does not begin with a letter");
    }
    if name.contains('-') && name.contains('_') {
        bail!("`{name}` has both `-` and `_` in it; use one of them");
    }
    if TAKEN.contains(&name.replace('-', "_").as_str()) {
        bail!("`{name}` cannot be a package's name: it means something else to Rust or to cargo");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["demo", "my-app", "my_app", "a1", "http-2", "tester"] {
            check(name).unwrap();
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused_with_the_reason() {
        for (name, reason) in [
            ("", "begin with a letter"),
            ("1st", "begin with a letter"),
            ("-x", "begin with a letter"),
            ("My-App", "`M`"),
            ("my app", "` `"),
            ("caf\u{e9}", "`\u{e9}`"),
            ("a.b", "`.`"),
            ("../up", "is a path"),
            ("a-b_c", "use one"),
            ("fn", "something else"),
            ("test", "something else"),
            ("core", "something else"),
            ("proc-macro", "something else"),
        ] {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }
}
