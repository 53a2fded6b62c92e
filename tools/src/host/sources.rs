//! Where apt gets packages from, and the entry for backports that follows from it.
//!
//! A Debian or Ubuntu mirror has the suite `<codename>-backports` beside `<codename>`. So the entry that
//! we need is the one the system has for its release, with the suite's name changed: the same mirror,
//! the same keys, the same proxies. No mirror's name is known here. Both of apt's formats are read,
//! and the derived entry is written in the format of the original.

/// apt's two formats, named by the ending of their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One entry a line, `.list`.
    List,
    /// Stanzas of fields, `.sources`.
    Sources,
}

impl Format {
    /// The format of a file with this ending, if apt reads it at all.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "list" => Some(Self::List),
            "sources" => Some(Self::Sources),
            _ => None,
        }
    }

    /// The ending of its files.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Sources => "sources",
        }
    }
}

/// An enabled source of binary packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    format: Format,
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    /// Everything else that was said about it, as it was written: options in brackets, or fields.
    rest: String,
}

/// An entry to add: what to write, and in which format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The format of `text`, which decides the file's name.
    pub format: Format,
    /// The file's content.
    pub text: String,
}

/// All enabled entries for binary packages in a file. What apt would refuse is left out.
#[must_use]
pub fn parse(text: &str, format: Format) -> Vec<Entry> {
    match format {
        Format::List => text.lines().filter_map(parse_line).collect(),
        Format::Sources => stanzas(text).iter().filter_map(|stanza| parse_stanza(stanza)).collect(),
    }
}

/// Whether one of the entries has the suite.
#[must_use]
pub fn has_suite(entries: &[Entry], suite: &str) -> bool {
    entries.iter().any(|entry| entry.has_suite(suite))
}

/// The entry for the release's backports, derived from the release's own.
///
/// Other vendors may serve a suite with the release's codename too. The distribution's own mirror is the
/// one that also has `<codename>-updates`, or failing that the one with a component called `main`.
#[must_use]
pub fn backports(entries: &[Entry], codename: &str) -> Option<Derived> {
    let updates = format!("{codename}-updates");
    let has_updates = |uris: &[String]| entries.iter().any(|other| other.has_suite(&updates) && other.uris == uris);
    entries
        .iter()
        .filter(|entry| entry.has_suite(codename) && entry.components.iter().any(|c| c == "main"))
        .filter(|entry| !entry.uris.iter().any(|uri| uri.starts_with("cdrom:")))
        // `max_by_key` takes the last of equals, and apt prefers the first.
        .rev()
        .max_by_key(|entry| has_updates(&entry.uris))
        .map(|entry| entry.with_suite(&format!("{codename}-backports")))
}

impl Entry {
    fn has_suite(&self, suite: &str) -> bool {
        self.suites.iter().any(|own| own == suite)
    }

    fn with_suite(&self, suite: &str) -> Derived {
        let uris = self.uris.join(" ");
        let components = self.components.join(" ");
        let rest = &self.rest;
        let body = match self.format {
            Format::List => {
                let options = if rest.is_empty() { String::new() } else { format!("[{rest}] ") };
                format!("deb {options}{uris} {suite} {components}\n")
            }
            Format::Sources => format!("Types: deb\nURIs: {uris}\nSuites: {suite}\nComponents: {components}\n{rest}"),
        };
        Derived {
            format: self.format,
            text: format!("# Added by `cargo roost` for a newer QEMU. Safe to remove.\n{body}"),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

/// `deb [option=value ...] uri suite component...`
fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with(char::is_whitespace))?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = words(rest).into_iter();
    Some(Entry {
        format: Format::List,
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        rest: options.trim().to_owned(),
    })
}

/// A field's name, and its value with continuation lines as they were written.
type Field = (String, String);

fn stanzas(text: &str) -> Vec<Vec<Field>> {
    let mut stanzas: Vec<Vec<Field>> = vec![vec![]];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(stanza) = stanzas.last_mut() else {
            break;
        };
        if line.trim().is_empty() {
            stanzas.push(vec![]);
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            stanza.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    stanzas
}

fn parse_stanza(stanza: &[Field]) -> Option<Entry> {
    let field = |wanted: &str| {
        stanza.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    let is_no = |value: &str| ["no", "false", "0", "off"].contains(&value);
    if field("Enabled").is_some_and(is_no) || !words(field("Types")?).contains(&"deb".into()) {
        return None;
    }
    let rewritten = ["Types", "URIs", "Suites", "Components", "Enabled"];
    let is_kept = |name: &str| !name.starts_with("X-") && !rewritten.iter().any(|own| own.eq_ignore_ascii_case(name));
    let rest =
        stanza.iter().filter(|(name, _)| is_kept(name)).map(|(name, value)| format!("{name}: {value}\n")).collect();
    Some(Entry {
        format: Format::Sources,
        uris: words(field("URIs")?),
        suites: words(field("Suites")?),
        components: words(field("Components")?),
        rest,
    })
}

#[cfg(test)]
mod tests;
