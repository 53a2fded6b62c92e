//! Mutants: patches that each break one protocol, and the test that must notice.
//!
//! A patch in `tests/mutants/` begins with lines that name the case and say what is broken:
//!
//! ```text
//! Must-fail: libkern::sync::ring::model::nothing_is_lost [model]
//! Why: without the fence the consumer may read the slot before it is written
//! ```
//!
//! A case that boots runs on all its machines, unless a line names one, as in `On: microvm smp=2 x2apic`.
//!
//! Each is applied to a copy of the tracked files, in which only that case is run, by this same program. A
//! mutant that the case survives is a hole in the tests; a patch that no longer applies, a mutant that does
//! not compile, and a case that fails in the unpatched copy too prove nothing and fail as well.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::context::MUTANTS;
use super::report::{Outcome, Report, Row};
use super::tier::Tier;
use crate::workspace::Workspace;

/// Where the patches are, relative to the workspace.
const DIRECTORY: &str = "tests/mutants";

/// A patch and the case that must fail under it.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    name: String,
    patch: PathBuf,
    case: String,
    tier: Tier,
    /// The only machine to boot on.
    on: Option<String>,
    why: String,
}

impl Mutant {
    fn parse(patch: &Path, text: &str) -> anyhow::Result<Self> {
        let header = text.lines().take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "));
        let mut must_fail = None;
        let (mut on, mut why) = (None, None);
        for line in header {
            if let Some(value) = line.strip_prefix("Must-fail:") {
                must_fail = Some(value.trim());
            } else if let Some(value) = line.strip_prefix("On:") {
                on = Some(value.trim().to_owned());
            } else if let Some(value) = line.strip_prefix("Why:") {
                why = Some(value.trim().to_owned());
            }
        }
        let (Some(must_fail), Some(why)) = (must_fail, why) else {
            bail!("{} needs the lines `Must-fail: CASE [TIER]` and `Why: REASON`", patch.display());
        };
        let (case, tier) = match must_fail.split_once(" [") {
            Some((case, tier)) => {
                let tier = tier.trim_end_matches(']');
                (case, Tier::from_str(tier, false).map_err(|_| anyhow::anyhow!("there is no tier `{tier}`"))?)
            }
            None => (must_fail, Tier::Host),
        };
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, patch: patch.to_owned(), case: case.to_owned(), tier, on, why })
    }

    /// What is run for it: the same for all that differ by their patches alone.
    fn run(&self) -> (Tier, &str, Option<&str>) {
        (self.tier, &self.case, self.on.as_deref())
    }
}

/// Runs every mutant whose name contains the filter, and hands a row for each to `each`.
///
/// The copy stays in the target directory, so that a later run compiles little. What is compiled in it lies where all else
/// does: cargo tells packages apart by where they are, and what they depend on is there already.
///
/// # Errors
/// If a patch has no valid header, or the copy cannot be made.
pub fn run(workspace: &Workspace, filter: Option<&str>, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let wanted = |mutant: &Mutant| filter.is_none_or(|filter| row_name(mutant).contains(filter));
    let mutants: Vec<_> = read(&workspace.root.join(DIRECTORY))?.into_iter().filter(wanted).collect();
    if mutants.is_empty() {
        return Ok(());
    }
    let place = workspace.target.join("mutants");
    let copy = Copy { root: place.join("tree"), target: workspace.target.clone(), report: place.join("report.json") };
    copy.refresh(&workspace.root)?;
    // All of these before any patch: then one build serves them.
    let mut healthy: HashMap<_, Run> = HashMap::new();
    for mutant in &mutants {
        if let Entry::Vacant(entry) = healthy.entry(mutant.run()) {
            entry.insert(copy.run_case(mutant, None)?);
        }
    }
    for mutant in &mutants {
        let started = Instant::now();
        let verdict = copy.judge(mutant, &healthy[&mutant.run()])?;
        let seconds = started.elapsed().as_secs_f64();
        each(Row { seconds, ..verdict });
    }
    Ok(())
}

/// The names under which [`run`] would report.
///
/// # Errors
/// If a patch has no valid header.
pub fn list(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    Ok(read(&workspace.root.join(DIRECTORY))?.iter().map(row_name).collect())
}

fn row_name(mutant: &Mutant) -> String {
    format!("{MUTANTS}::{}", mutant.name)
}

fn read(directory: &Path) -> anyhow::Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in directory.read_dir().into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            mutants.push(Mutant::parse(&path, &std::fs::read_to_string(&path)?)?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

/// How a case ended.
struct Run {
    /// `None` if it did not run.
    outcome: Option<Outcome>,
    /// What was printed.
    said: String,
    /// How long the longest of its boots took.
    seconds: f64,
}

impl Run {
    /// How long a mutant may take that this would be without its patch, in seconds: many hang, and are not waited for as
    /// long as a case that has no other to be compared with.
    fn patience(&self) -> u64 {
        15 + (5.0 * self.seconds) as u64
    }
}

/// The copy of the tree in which mutants live.
struct Copy {
    root: PathBuf,
    target: PathBuf,
    /// Where a run leaves its rows.
    report: PathBuf,
}

impl Copy {
    /// Makes the copy equal to the tracked files of `original`, touching only files that differ.
    fn refresh(&self, original: &Path) -> anyhow::Result<()> {
        let listed = Command::new("git")
            .current_dir(original)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .context("git could not be run; mutants are made from the tracked files")?;
        let listed = String::from_utf8(listed.stdout)?;
        let tracked: Vec<_> = listed.split_terminator('\0').collect();
        for path in files_below(&self.root)? {
            if !tracked.iter().any(|tracked| Path::new(tracked) == path) {
                std::fs::remove_file(self.root.join(path))?;
            }
        }
        for path in tracked {
            copy_file(&original.join(path), &self.root.join(path)).with_context(|| format!("cannot copy {path}"))?;
        }
        Ok(())
    }

    /// Runs the mutant's case with the patch. `healthy` is how it ended without.
    fn judge(&self, mutant: &Mutant, healthy: &Run) -> anyhow::Result<Row> {
        let row = |outcome, message: String| {
            let row = Row::new(Tier::Long, row_name(mutant), mutant.tier.to_string(), outcome);
            Row { message, ..row }
        };
        if healthy.outcome != Some(Outcome::Passed) {
            let message = format!("{} does not pass without the patch", mutant.case);
            return Ok(Row { output: healthy.said.clone(), ..row(Outcome::Failed, message) });
        }
        if let Err(said) = self.apply(mutant, &[])? {
            return Ok(Row { output: said, ..row(Outcome::Failed, "the patch does not apply".to_owned()) });
        }
        let after = self.run_case(mutant, Some(healthy.patience()));
        if let Err(said) = self.apply(mutant, &["--reverse"])? {
            bail!("the patch {} cannot be taken back: {said}", mutant.name);
        }
        let Run { outcome, said: output, .. } = after?;
        Ok(match outcome {
            Some(Outcome::Failed) => row(Outcome::Passed, format!("{} fails", mutant.case)),
            Some(_) => row(Outcome::Failed, format!("{} does not notice: {}", mutant.case, mutant.why)),
            None => Row { output, ..row(Outcome::Failed, "the mutant does not build or the case is gone".to_owned()) },
        })
    }

    /// Runs the mutant's case in the copy as it is, for `limit` seconds at most.
    fn run_case(&self, mutant: &Mutant, limit: Option<u64>) -> anyhow::Result<Run> {
        let _ = std::fs::remove_file(&self.report);
        // By what runs, not by its path: the tests before may have had cargo put another program there.
        let output = Command::new("/proc/self/exe")
            .current_dir(&self.root)
            .args(["roost", "test", &mutant.case, "--tier", &mutant.tier.to_string(), "--report"])
            .arg(&self.report)
            .args(mutant.on.iter().flat_map(|on| ["--on", on]))
            .args(limit.iter().flat_map(|limit| ["--limit".to_owned(), limit.to_string()]))
            .env("CARGO_TARGET_DIR", &self.target)
            // Each build differs from the last by a few lines: so incrementally, which CI turns off as it builds
            // everything once, and in an optimised image not all of it as one, which takes a minute each time.
            .env_remove("CARGO_INCREMENTAL")
            .env("CARGO_PROFILE_RELEASE_INCREMENTAL", "true")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .stdin(Stdio::null())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let rows = Report::read(&self.report).map(|report| report.rows).unwrap_or_default();
        let seconds = rows.iter().map(|row| row.seconds).fold(0.0, f64::max);
        let mut outcomes = rows.iter().filter(|row| row.name == mutant.case).map(|row| row.outcome);
        let outcome = match outcomes.clone().find(|&outcome| outcome == Outcome::Failed) {
            Some(failed) => Some(failed),
            None => outcomes.next(),
        };
        Ok(Run { outcome, said: String::from_utf8_lossy(&said).into_owned(), seconds })
    }

    /// Applies the patch; what git says where it does not fit.
    fn apply(&self, mutant: &Mutant, options: &[&str]) -> anyhow::Result<Result<(), String>> {
        let output = Command::new("git")
            .current_dir(&self.root)
            .args(["apply", "--whitespace=nowarn"])
            .args(options)
            .arg(&mutant.patch)
            // The copy may lie inside the checkout; git would take paths as the checkout's and skip them all.
            .env("GIT_CEILING_DIRECTORIES", self.root.parent().unwrap_or(&self.root))
            .output()?;
        Ok(if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) })
    }
}

/// Makes `to` what `from` is, permissions included, and leaves it alone if it is that already, so that cargo sees no
/// change. A file that is tracked and gone is passed over.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to.parent().unwrap_or(to))?;
    if let Ok(target) = from.read_link() {
        if to.read_link().is_ok_and(|already| already == target) {
            return Ok(());
        }
        let _ = std::fs::remove_file(to);
        return std::os::unix::fs::symlink(target, to);
    }
    let Ok(contents) = std::fs::read(from) else { return Ok(()) };
    if std::fs::read(to).is_ok_and(|already| already == contents) {
        return Ok(());
    }
    std::fs::copy(from, to).map(drop)
}

/// Every file below `root`, relative to it; none if there is no such directory.
fn files_below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in root.join(&directory).read_dir().into_iter().flatten() {
            let entry = entry?;
            let path = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_case_tier_and_reason() {
        let text = "Must-fail: libkern::a::b [model]\nWhy: no fence\n\ndiff --git a/x b/x\nMust-fail: no\n";
        let mutant = Mutant::parse(Path::new("tests/mutants/drop-fence.patch"), text).unwrap();
        assert_eq!((mutant.name.as_str(), mutant.case.as_str()), ("drop-fence", "libkern::a::b"));
        assert_eq!((mutant.tier, mutant.why.as_str()), (Tier::Model, "no fence"));
        assert_eq!(mutant.run(), (Tier::Model, "libkern::a::b", None));
        let text = "Must-fail: suite_a::b [guest]\nOn: q35 smp=2 xapic\nWhy: no fence\n";
        let mutant = Mutant::parse(Path::new("x.patch"), text).unwrap();
        assert_eq!(mutant.run(), (Tier::Guest, "suite_a::b", Some("q35 smp=2 xapic")));
        for text in ["Why: x\n", "Must-fail: a\n", "Must-fail: a [nowhere]\nWhy: x\n"] {
            assert!(Mutant::parse(Path::new("x.patch"), text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_copy_has_permissions_and_links_and_is_left_alone_where_it_is_the_same() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("script"), "#!").unwrap();
        std::fs::set_permissions(at("script"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("script", at("link")).unwrap();
        for name in ["script", "link"] {
            copy_file(&at(name), &at("to").join(name)).unwrap();
        }
        let copied = std::fs::metadata(at("to/script")).unwrap();
        assert_eq!(copied.permissions().mode() & 0o777, 0o755);
        assert_eq!(at("to/link").read_link().unwrap(), Path::new("script"));
        copy_file(&at("script"), &at("to/script")).unwrap();
        assert_eq!(std::fs::metadata(at("to/script")).unwrap().modified().unwrap(), copied.modified().unwrap());
    }

    #[test]
    fn a_patch_is_applied_and_taken_back_in_the_copy() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name| directory.path().join(name);
        let copy = Copy { root: at("tree"), target: at("target"), report: at("report.json") };
        std::fs::create_dir_all(&copy.root).unwrap();
        std::fs::write(copy.root.join("x"), "one\n").unwrap();
        let patch = directory.path().join("m.patch");
        let text = "Must-fail: a::b\nWhy: it is two\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n+two\n";
        std::fs::write(&patch, text).unwrap();
        let mutant = Mutant::parse(&patch, text).unwrap();

        copy.apply(&mutant, &[]).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(copy.root.join("x")).unwrap(), "two\n");
        assert!(copy.apply(&mutant, &[]).unwrap().is_err(), "it is applied already");
        copy.apply(&mutant, &["--reverse"]).unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(copy.root.join("x")).unwrap(), "one\n");
    }
}
