//! The programs of `tests/refused`: none may compile, each for the one reason that it marks.
//!
//! What the compiler refuses is part of the library's interface, and as easily lost as any other: one type that is sent too
//! far, one bound too few. A program that only fails to compile would prove little, since a renamed function makes it fail
//! too. So each marks the line that is wrong with words of the compiler's message, and there must be no other error.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::Stdio;

use anyhow::Context as _;
use cargo_metadata::Message;
use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel};

use super::context::{Context, REFUSED};
use super::report::{Outcome, Row};
use super::tier::Tier;

/// The package, relative to the workspace.
const PACKAGE: &str = "tests/refused";

/// What begins a mark, to the end of its line.
const MARK: &str = "//~ ";

/// Something wrong with a line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    line: usize,
    text: String,
}

/// Compiles all programs, and has a row for each that is wanted.
///
/// # Errors
/// If cargo cannot be run, or there is no such package.
pub fn run(context: &Context, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let programs: Vec<_> = names(context)?.into_iter().filter(|program| context.wants(&row_name(program))).collect();
    if programs.is_empty() {
        return Ok(());
    }
    let mut complaints = compile(context)?;
    for program in programs {
        let source = context.workspace.read(&format!("{PACKAGE}/src/bin/{program}.rs"))?;
        let found = complaints.remove(&program).unwrap_or_default();
        let row = Row::new(Tier::Host, row_name(&program), Tier::Host.to_string(), Outcome::Passed);
        each(match judge(&marks(&source), &found) {
            Ok(()) => row,
            Err(message) => Row { outcome: Outcome::Failed, message, ..row },
        });
    }
    Ok(())
}

/// The names under which [`run`] would report.
///
/// # Errors
/// If there is no such package.
pub fn list(context: &Context) -> anyhow::Result<Vec<(Tier, String)>> {
    let names = names(context)?.into_iter().map(|program| row_name(&program));
    Ok(names.filter(|name| context.wants(name)).map(|name| (Tier::Host, name)).collect())
}

fn names(context: &Context) -> anyhow::Result<Vec<String>> {
    if context.wants_group(REFUSED) { context.workspace.programs(PACKAGE) } else { Ok(Vec::new()) }
}

fn row_name(program: &str) -> String {
    format!("{REFUSED}::{program}")
}

/// What the compiler says against each program.
fn compile(context: &Context) -> anyhow::Result<BTreeMap<String, Vec<Complaint>>> {
    let mut command = context.workspace.cargo();
    command.args(["check", "--quiet", "--keep-going", "--message-format", "json", "--package", REFUSED]);
    command.args(["--bins", "--features", "programs"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut cargo = command.spawn().context("cargo could not be run")?;
    let mut complaints: BTreeMap<String, Vec<Complaint>> = BTreeMap::new();
    for message in Message::parse_stream(BufReader::new(cargo.stdout.take().expect("it is piped"))) {
        if let Message::CompilerMessage(message) = message.context("cannot read what cargo says")?
            && let Some(complaint) = complaint(&message.message)
        {
            complaints.entry(message.target.name).or_default().push(complaint);
        }
    }
    cargo.wait().context("cannot wait for cargo")?;
    Ok(complaints)
}

/// An error, but for the last one, which counts the others.
fn complaint(diagnostic: &Diagnostic) -> Option<Complaint> {
    let primary = diagnostic.spans.iter().find(|span| span.is_primary)?;
    let is_error = diagnostic.level == DiagnosticLevel::Error;
    let text = diagnostic.rendered.clone().unwrap_or_else(|| diagnostic.message.clone());
    is_error.then_some(Complaint { line: primary.line_start, text })
}

fn marks(source: &str) -> Vec<Complaint> {
    let line = |(number, line): (usize, &str)| {
        let (_, text) = line.split_once(MARK)?;
        Some(Complaint { line: number, text: text.trim().to_owned() })
    };
    (1..).zip(source.lines()).filter_map(line).collect()
}

fn judge(marked: &[Complaint], found: &[Complaint]) -> Result<(), String> {
    let [mark] = marked else { return Err(format!("it marks {} lines, not one", marked.len())) };
    match found {
        [] => Err("it compiles".to_owned()),
        [one] if one.line == mark.line && one.text.contains(&mark.text) => Ok(()),
        [one] => Err(format!("not `{}` in line {}, but in line {}: {}", mark.text, mark.line, one.line, one.text)),
        [first, ..] => Err(format!("{} errors, the first in line {}: {}", found.len(), first.line, first.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(line: usize, text: &str) -> Complaint {
        Complaint { line, text: text.to_owned() }
    }

    #[test]
    fn a_mark_is_the_rest_of_its_line() {
        assert_eq!(marks("fn a() {\n    b(); //~ no such function \n}\n"), [complaint(2, "no such function")]);
    }

    #[test]
    fn a_program_is_refused_for_the_reason_that_it_marks_and_for_no_other() {
        let marked = [complaint(2, "not sent")];
        assert_eq!(judge(&marked, &[complaint(2, "error: it is not sent there")]), Ok(()));
        assert_eq!(judge(&marked, &[]), Err("it compiles".to_owned()));
        for found in [vec![complaint(3, "not sent")], vec![complaint(2, "not found")]] {
            assert!(judge(&marked, &found).is_err());
        }
        assert!(judge(&marked, &[complaint(2, "not sent"), complaint(3, "not found")]).is_err());
        assert!(judge(&[], &[complaint(2, "not sent")]).is_err());
    }
}
