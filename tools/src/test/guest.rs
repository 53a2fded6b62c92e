//! The suites of `tests/guest`, on every machine of the matrix.
//!
//! What cases there are is asked of each suite first, on the smallest machine. A case on that list that has
//! no result in some configuration is a failure there: a guest that dies early loses no row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::configuration::{Configuration, Timing};
use super::console::symbolised;
use super::context::{Context, SUITES};
use super::image_file::ImageFile;
use super::matrix::Shield;
use super::pool::Job;
use super::report::{Outcome, Row};
use super::storm::Reported;
use super::tier::Tier;
use crate::build::{Image, Profile};
use crate::qemu::Case;
use crate::suite::{self, CaseResult, Plan, Verdict};

/// Programs of it that measure; `cargo roost bench` runs them.
const BENCHMARK_PREFIX: &str = "bench_";

/// A suite, built and asked for its cases.
struct Suite {
    name: String,
    images: HashMap<Profile, Image>,
    cases: Vec<Case>,
}

/// A suite on a machine.
#[derive(Clone)]
struct Boot {
    configuration: Configuration,
    tier: Tier,
}

/// Builds what the run needs, and returns the boots it comes to. Suites that do not build or do not list
/// their cases are rows at once.
///
/// # Errors
/// If there is no package of suites.
pub fn jobs<'a>(
    context: &'a Context,
    stage: &dyn Fn(&str),
    each: &mut dyn FnMut(Row),
) -> anyhow::Result<Vec<Job<'a, Vec<Row>>>> {
    let mut jobs = Vec::new();
    for name in suites(context)? {
        let boots = boots(context, &name);
        if boots.is_empty() {
            continue;
        }
        stage(&format!("building the suite {name}"));
        match prepare(context, name.clone(), &boots) {
            Ok(suite) => {
                let suite = Arc::new(suite);
                for boot in boots {
                    if suite.wanted(context, boot.tier).is_empty() {
                        continue;
                    }
                    let (suite, weight) = (Arc::clone(&suite), boot.configuration.weight());
                    let work = Box::new(move || suite.run(context, &boot));
                    jobs.push(Job { weight, work });
                }
            }
            Err(error) => each(Row::failed(Tier::Guest, format!("{name}::<image>"), "none", format!("{error:#}"))),
        }
    }
    Ok(jobs)
}

/// The names of all cases that the run would consist of.
///
/// # Errors
/// If a suite cannot be built or booted.
pub fn list(context: &Context) -> anyhow::Result<Vec<(Tier, String)>> {
    let mut names = Vec::new();
    for name in suites(context)? {
        let boots = boots(context, &name);
        let Some(first) = boots.first() else { continue };
        let suite = prepare(context, name, std::slice::from_ref(first))?;
        let tiers = [Tier::Guest, Tier::Long].into_iter();
        for tier in tiers.filter(|tier| boots.iter().any(|boot| boot.tier == *tier)) {
            names.extend(suite.wanted(context, tier).into_iter().map(|case| (tier, suite.row_name(case))));
        }
    }
    Ok(names)
}

fn suites(context: &Context) -> anyhow::Result<Vec<String>> {
    let mut programs = context.workspace.programs(SUITES)?;
    programs.retain(|name| !name.starts_with(BENCHMARK_PREFIX) && context.wants_group(name));
    Ok(programs)
}

fn boots(context: &Context, suite: &str) -> Vec<Boot> {
    let tiers = [Tier::Guest, Tier::Long].into_iter().filter(|&tier| context.runs(tier));
    let configurations = tiers.flat_map(|tier| {
        let configurations = context.matrix.configurations(suite, tier).into_iter();
        let wanted = configurations.filter(|configuration| context.wants_on(configuration));
        wanted.map(move |configuration| Boot { configuration, tier })
    });
    configurations.collect()
}

fn prepare(context: &Context, name: String, boots: &[Boot]) -> anyhow::Result<Suite> {
    let mut images = HashMap::new();
    for boot in boots {
        let profile = boot.configuration.profile;
        if let Entry::Vacant(entry) = images.entry(profile) {
            entry.insert(context.build(SUITES, &name, profile)?);
        }
    }
    let plan = Plan { long: true, ..Plan::default() };
    let smallest = Configuration::default().to_qemu();
    let cases = match images.values().next() {
        Some(image) => suite::list(image, &smallest, &plan)?,
        None => Vec::new(),
    };
    Ok(Suite { name, images, cases })
}

impl Suite {
    /// A case's name in the report: the suite, then the path in it.
    fn row_name(&self, case: &Case) -> String {
        let prefix = format!("{}::", self.name.replace('-', "_"));
        if case.name.starts_with(&prefix) { case.name.clone() } else { prefix + &case.name }
    }

    fn wanted(&self, context: &Context, tier: Tier) -> Vec<&Case> {
        let long = tier == Tier::Long;
        self.cases.iter().filter(|case| (long || !case.long) && context.wants(&self.row_name(case))).collect()
    }

    /// Boots the suite once, or as often as its cases take it down, and returns a row per case.
    fn run(&self, context: &Context, boot: &Boot) -> Vec<Row> {
        let wanted = self.wanted(context, boot.tier);
        let image = &self.images[&boot.configuration.profile];
        let plan = Plan {
            filter: self.guest_filter(context, &wanted),
            long: boot.tier == Tier::Long,
            case_timeout: context.limit(&boot.configuration),
            ..Plan::default()
        };
        let configuration = boot.configuration.to_string();
        let results = match suite::run(image, &boot.configuration.to_qemu(), &plan, &mut |_| {}) {
            Ok(results) => results,
            Err(error) => {
                let name = format!("{}::<boot>", self.name);
                return vec![Row::failed(boot.tier, name, configuration, format!("{error:#}"))];
            }
        };
        let mut rows = Vec::new();
        for result in &results {
            let row = self.row(result, image, boot.tier, &configuration);
            // The guest's filter may let more through than was asked for.
            if context.wants(&row.name) || row.outcome == Outcome::Failed {
                rows.push(row);
                if boot.configuration.timing != Timing::Free {
                    rows.extend(self.windows(result, image, boot, &context.matrix.shields));
                }
            }
        }
        for case in wanted {
            let name = self.row_name(case);
            if !rows.iter().any(|row| row.name == name) {
                let row = Row::failed(boot.tier, name, &configuration, "it did not run: the suite ended before it");
                rows.push(Row { ids: case.ids.clone(), ..row });
            }
        }
        rows
    }

    /// What to tell the guest, which knows cases by their path alone, so that it runs at least what is wanted.
    fn guest_filter(&self, context: &Context, wanted: &[&Case]) -> Option<String> {
        let filter = context.filter.as_deref()?;
        let after_suite = filter.split_once("::").map(|(_, rest)| rest);
        let candidates = [Some(filter), after_suite].into_iter().flatten();
        let mut sufficient = candidates.filter(|filter| wanted.iter().all(|case| case.name.contains(filter)));
        sufficient.next().filter(|filter| !filter.is_empty()).map(str::to_owned)
    }

    fn row(&self, result: &CaseResult, image: &Image, tier: Tier, configuration: &str) -> Row {
        let (outcome, message) = match &result.verdict {
            Verdict::Passed => (Outcome::Passed, String::new()),
            Verdict::Failed(why) => (Outcome::Failed, why.clone()),
            Verdict::Skipped(why) => (Outcome::Skipped, why.clone()),
        };
        let row = Row::new(tier, self.row_name(&result.case), configuration, outcome);
        let output = match outcome {
            Outcome::Failed => symbolised(&image.path, &result.console),
            _ => String::new(),
        };
        Row { seconds: result.seconds, ids: result.case.ids.clone(), message, output, ..row }
    }

    /// A row for each storm window of a case: all of its instructions must have been interrupted.
    fn windows(&self, result: &CaseResult, image: &Image, boot: &Boot, shields: &[Shield]) -> Vec<Row> {
        let mut reported = Reported::default();
        result.measured.iter().for_each(|event| reported.note(event));
        if reported.is_empty() {
            return Vec::new();
        }
        let (tier, configuration) = (boot.tier, boot.configuration.to_string());
        let case = self.row_name(&result.case);
        let account = || {
            let file = ImageFile::open(&image.path)?;
            let mine = shields.iter().filter(|shield| shield.suite == self.name);
            let shielded = mine.map(|shield| Ok(file.address(&shield.from)?..file.address(&shield.to)?));
            reported.account(&file, &shielded.collect::<anyhow::Result<Vec<_>>>()?)
        };
        match account() {
            Ok(coverages) => {
                let row = |coverage: &super::storm::Coverage| {
                    let outcome = if coverage.complete() { Outcome::Passed } else { Outcome::Failed };
                    let name = format!("{case}::window {}", coverage.name);
                    let row = Row::new(tier, name, &configuration, outcome);
                    Row { message: coverage.to_string(), ..row }
                };
                coverages.iter().map(row).collect()
            }
            Err(error) => vec![Row::failed(tier, format!("{case}::window"), configuration, format!("{error:#}"))],
        }
    }
}
