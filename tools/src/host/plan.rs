//! What has to be done to the system, as data: to be run, or to be printed for a person to run.

use std::path::PathBuf;

use super::privilege::Privilege;

/// One act that changes the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run a program.
    Run(Vec<String>),
    /// Write a file.
    Write { path: PathBuf, text: String },
    /// Remove a file that a `Write` made.
    Remove(PathBuf),
}

impl Step {
    /// Runs `words`.
    pub fn run<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Run(words.into_iter().map(String::from).collect())
    }

    /// The program and arguments that do this with `privilege`, and what they read from standard input.
    #[must_use]
    pub fn command(&self, privilege: Privilege) -> (Vec<String>, Option<&str>) {
        let (words, input) = match self {
            Self::Run(words) => (words.clone(), None),
            Self::Write { path, text } => (vec!["tee".into(), path.display().to_string()], Some(text.as_str())),
            Self::Remove(path) => (vec!["rm".into(), "-f".into(), path.display().to_string()], None),
        };
        let prefix = privilege.prefix().iter().copied().map(String::from);
        (prefix.chain(words).collect(), input)
    }

    /// The same as a line for a shell.
    #[must_use]
    pub fn shell(&self, privilege: Privilege) -> String {
        let (words, input) = self.command(privilege);
        let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
        match input {
            Some(text) => format!("{} <<'EOF'\n{}\nEOF", words.join(" "), text.trim_end()),
            None => words.join(" "),
        }
    }
}

/// A word as a shell reads it back.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_print_as_commands_to_type() {
        let run = Step::run(["apt-get", "install", "-y", "a package"]);
        assert_eq!(run.shell(Privilege::Sudo), "sudo apt-get install -y 'a package'");
        let write = Step::Write { path: "/etc/x".into(), text: "A: b\n".into() };
        assert_eq!(write.shell(Privilege::Root), "tee /etc/x <<'EOF'\nA: b\nEOF");
    }

    #[test]
    fn quotes_survive_quoting() {
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
