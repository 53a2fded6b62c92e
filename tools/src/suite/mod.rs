//! Drives a test suite: boots it, follows its cases, boots it again behind each case that took it down.
//!
//! A suite's cases run in one boot, in order, because a boot per case would cost more than the cases do. A case
//! that panics, hangs or kills the machine ends that boot. It has failed; the suite is booted again and told
//! to skip all that is behind it. Silence is no success: a boot that ends without the suite's end marker, or
//! a case without a result, is a failure of its own.
//!
//! Console and control channel are two streams, and the console is buffered in the guest besides, so what was
//! on the console *when* a case ended says little. The guest ends each case with a line on the console (`test
//! NAME ... ok`); by these lines the text of a boot is shared out among its cases once the boot is over.

use anyhow::bail;

use crate::build::Image;
use crate::qemu::{self, Case, Config, Event, Message, Session};
use boot::{Boot, End};

mod boot;
mod console;
mod plan;
mod result;
#[cfg(test)]
mod tests;

pub use plan::{CASE_TIMEOUT, Plan};
pub use result::{CaseResult, Progress, Verdict};

/// Runs the suite in `image` on the machine `config` and tells `sink` how it goes.
///
/// Returns a result per case, in order, and one more for each boot that ended wrongly outside any case. Blocks.
///
/// # Errors
/// If the image cannot be booted at all, or the user interrupts. A suite that fails is no error.
pub fn run(
    image: &Image,
    config: &Config,
    plan: &Plan,
    sink: &mut dyn FnMut(Progress),
) -> anyhow::Result<Vec<CaseResult>> {
    let mut results: Vec<CaseResult> = Vec::new();
    let mut run = 0;
    while plan.limit.is_none_or(|limit| run < limit) {
        let options = plan.options(plan.skip + run);
        let config = Config { append: prepend(options, &config.append), ..config.clone() };
        let session = Session::start(image, &config)?;
        let first = results.len();
        let mut boot = Boot::new(&mut results, sink);
        let end = boot.follow(session, plan.case_timeout, plan.limit.map(|limit| limit - run))?;
        let (progress, console) = (boot.run, boot.console);
        console::share_out(&String::from_utf8_lossy(&console), &mut results[first..]);
        run += progress;
        match end {
            End::Broken if progress > 0 => {}
            // A suite that dies before its first case would do so for ever.
            End::Broken | End::Finished => break,
        }
    }
    Ok(results)
}

/// The cases in `image` that match the plan, without running any.
///
/// # Errors
/// If the image cannot be booted, or does not list its cases to the end.
pub fn list(image: &Image, config: &Config, plan: &Plan) -> anyhow::Result<Vec<Case>> {
    let mut options = plan.options(plan.skip);
    options.push("roost.test.list".to_owned());
    let config =
        Config { append: prepend(options, &config.append), timeout: Some(plan.case_timeout), ..config.clone() };
    let (mut cases, mut done) = (Vec::new(), false);
    let outcome = qemu::run(image, &config, &mut |message| {
        match message {
            Message::Event(Event::Case(case)) => cases.push(case),
            Message::Event(Event::Done) => done = true,
            _ => {}
        }
        Ok(())
    })?;
    if !done {
        bail!("`{}` did not list its cases: {}", image.name, boot::reason(&outcome, plan.case_timeout));
    }
    Ok(cases)
}

fn prepend(options: Vec<String>, append: &str) -> String {
    let options = qemu::join_words(options);
    [options.as_str(), append].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
