//! The guest's command line: words separated by blanks, protected by double quotes and backslashes.

/// Joins `words` to a command line that the guest splits into the same words again.
pub fn join<I>(words: I) -> String
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        push_quoted(&mut line, word.as_ref());
    }
    line
}

fn push_quoted(line: &mut String, word: &str) {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\\');
    if !word.is_empty() && word.chars().all(plain) {
        line.push_str(word);
        return;
    }
    line.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_plain() {
        assert_eq!(join(["roost.log=info", "--", "-v", "a,b"]), "roost.log=info -- -v a,b");
        assert_eq!(join(Vec::<String>::new()), "");
    }

    #[test]
    fn blanks_quotes_and_backslashes_are_protected() {
        assert_eq!(join(["two words", ""]), r#""two words" """#);
        assert_eq!(join([r#"say "hi""#, r"c:\x"]), r#""say \"hi\"" "c:\\x""#);
        assert_eq!(join(["tab\there"]), "\"tab\there\"");
    }
}
