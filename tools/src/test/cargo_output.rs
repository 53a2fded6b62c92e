//! Reads what `cargo nextest` and `cargo test` say about each test.
//!
//! A test is named by its binary and its path, `libkern::mem::tests::x`, whichever of the two ran it.

use serde::Deserialize;

use super::report::{Outcome, Row};
use super::tier::Tier;

/// A line of nextest's `libtest-json` output.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    name: Option<String>,
    #[serde(default)]
    exec_time: f64,
    #[serde(default)]
    stdout: String,
}

/// The row in a line of nextest's output; `None` for a line that ends no test.
pub fn nextest_line(line: &str, tier: Tier) -> Option<Row> {
    let message: Message = serde_json::from_str(line).ok()?;
    let outcome = match message.event.as_str() {
        "ok" => Outcome::Passed,
        "failed" | "timeout" => Outcome::Failed,
        "ignored" => Outcome::Skipped,
        _ => return None,
    };
    if message.kind != "test" {
        return None;
    }
    // `package::binary$path`; the binary alone is what `cargo test` shows too.
    let full = message.name?;
    let (binary, path) = full.split_once('$').unwrap_or(("", &full));
    let binary = binary.rsplit("::").next().unwrap_or(binary);
    let row = Row::new(tier, name(binary, path), tier.to_string(), outcome);
    Some(Row { seconds: message.exec_time, output: message.stdout, ..row })
}

/// Reads `cargo test`'s output, standard error mixed in, line by line.
#[derive(Default)]
pub struct Libtest {
    binary: String,
    /// Name and text of the failure that is being shown.
    failure: Option<(String, String)>,
    /// Rows of failures, by name, waiting for what the test printed.
    failed: Vec<Row>,
}

impl Libtest {
    /// The row in a line, if it ends a test that did not fail. Failures come from
    /// [`finish`](Self::finish), with what they printed.
    pub fn line(&mut self, line: &str, tier: Tier) -> Option<Row> {
        if let Some(binary) = running(line) {
            self.binary = binary;
        }
        if let Some(test) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.end_failure();
            self.failure = Some((name(&self.binary, test), String::new()));
        } else if line == "failures:" || line.starts_with("test result:") {
            self.end_failure();
        } else if let Some((_, text)) = &mut self.failure {
            text.push_str(line);
            text.push('\n');
        }
        let (test, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        // `test x - should panic ... ok`
        let test = test.strip_suffix(" - should panic").unwrap_or(test);
        let outcome = match result.split([',', ' ']).next()? {
            "ok" => Outcome::Passed,
            "FAILED" => Outcome::Failed,
            "ignored" => Outcome::Skipped,
            _ => return None,
        };
        let row = Row::new(tier, name(&self.binary, test), tier.to_string(), outcome);
        if outcome == Outcome::Failed {
            self.failed.push(row);
            return None;
        }
        Some(row)
    }

    /// The name in a line of `--list`.
    pub fn listed(&mut self, line: &str) -> Option<String> {
        if let Some(binary) = running(line) {
            self.binary = binary;
        }
        Some(name(&self.binary, line.strip_suffix(": test")?))
    }

    fn end_failure(&mut self) {
        if let Some((name, text)) = self.failure.take()
            && let Some(row) = self.failed.iter_mut().find(|row| row.name == name)
        {
            row.output = text;
        }
    }

    /// The tests that failed.
    pub fn finish(mut self) -> Vec<Row> {
        self.end_failure();
        self.failed
    }
}

/// The binary that a line of `cargo test` says is run next.
fn running(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(library) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{library} documentation"));
    }
    // `Running unittests src/lib.rs (target/debug/deps/libkern-0123456789abcdef)`
    let path = line.strip_prefix("Running ")?.rsplit_once('(')?.1.strip_suffix(')')?;
    let file = path.rsplit('/').next()?;
    Some(file.rsplit_once('-').map_or(file, |(stem, _)| stem).to_owned())
}

fn name(binary: &str, path: &str) -> String {
    format!("{}::{path}", binary.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_names_lose_the_package() {
        let line = r#"{"type":"test","event":"ok","name":"roost-tools::cargo-roost$tidy::tests::x","exec_time":0.5}"#;
        let row = nextest_line(line, Tier::Host).unwrap();
        assert_eq!(
            (row.name.as_str(), row.outcome, row.seconds),
            ("cargo_roost::tidy::tests::x", Outcome::Passed, 0.5)
        );
        let failed = r#"{"type":"test","event":"failed","name":"a::a$t","exec_time":0.1,"stdout":"why"}"#;
        let row = nextest_line(failed, Tier::Host).unwrap();
        assert_eq!((row.outcome, row.output.as_str()), (Outcome::Failed, "why"));
    }

    #[test]
    fn lines_that_end_no_test_are_no_rows() {
        for line in [
            "",
            "Compiling x",
            r#"{"type":"suite","event":"ok","passed":3}"#,
            r#"{"type":"test","event":"started","name":"a::a$t"}"#,
        ] {
            assert!(nextest_line(line, Tier::Host).is_none(), "{line}");
        }
    }

    #[test]
    fn cargo_test_is_read_with_its_failures() {
        let output = "\
     Running unittests src/main.rs (target/debug/deps/cargo_roost-3a930bbcc3a86895)

running 4 tests
test a::good ... ok
test a::bad ... FAILED
test a::later ... ignored, needs a disk
test a::panics - should panic ... ok

failures:

---- a::bad stdout ----
thread panicked at a.rs:1
left: 1


failures:
    a::bad

test result: FAILED. 2 passed; 1 failed
   Doc-tests libkern
test libkern/src/lib.rs - args (line 3) ... ok
";
        let mut libtest = Libtest::default();
        let mut rows: Vec<_> = output.lines().filter_map(|line| libtest.line(line, Tier::Host)).collect();
        rows.extend(libtest.finish());
        let found: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.outcome)).collect();
        assert_eq!(
            found,
            [
                ("cargo_roost::a::good", Outcome::Passed),
                ("cargo_roost::a::later", Outcome::Skipped),
                ("cargo_roost::a::panics", Outcome::Passed),
                ("libkern documentation::libkern/src/lib.rs - args (line 3)", Outcome::Passed),
                ("cargo_roost::a::bad", Outcome::Failed),
            ]
        );
        assert!(rows[4].output.contains("left: 1"), "{:?}", rows[4].output);
    }
}
