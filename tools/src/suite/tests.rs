//! Suites of a few hundred bytes: what they say is written out, and whether they say it depends on what they
//! are told to skip.

use std::io::Write as _;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::boot::{BOOT, END};
use super::console::share_out;
use super::plan::SKIP;
use super::*;
use crate::build::Kind;
use crate::host;
use crate::qemu::tiny::{CONTROL, EXIT, Guest, SERIAL};
use crate::qemu::{Accel, Size};

fn machine() -> Config {
    Config { smp: 1, mem: Size::mib(16), accel: Accel::Tcg, ..Config::default() }
}

fn plan() -> Plan {
    Plan { case_timeout: Duration::from_secs(5), ..Plan::default() }
}

fn image(guest: Guest) -> (NamedTempFile, Image) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&guest.image(2)).unwrap();
    let image = Image { path: file.path().to_owned(), name: "tiny".into(), kind: Kind::Suite, end: 0 };
    (file, image)
}

fn says(control: &str) -> Guest {
    Guest::default().write(CONTROL, control.as_bytes())
}

/// Name, verdict and console of each result, or the error; `None` without QEMU.
fn results(guest: Guest, plan: &Plan) -> Option<anyhow::Result<Vec<(String, Verdict, String)>>> {
    if host::find::on_path("qemu-system-x86_64").is_none() {
        eprintln!("skipped: there is no qemu-system-x86_64");
        return None;
    }
    let (_file, image) = image(guest);
    let results = run(&image, &machine(), plan, &mut |_| {});
    Some(
        results.map(|results| {
            results.into_iter().map(|result| (result.case.name, result.verdict, result.console)).collect()
        }),
    )
}

fn failed(message: &str) -> Verdict {
    Verdict::Failed(message.to_owned())
}

fn row(name: &str, verdict: Verdict, console: &str) -> (String, Verdict, String) {
    (name.to_owned(), verdict, console.to_owned())
}

#[test]
fn every_verdict_is_reported_with_its_figures() {
    let guest = says("suite 3\ncase a ids=K1,M2 long\nmetric cost 3 instructions\nok 1500000000\n")
        .write(CONTROL, b"case b\nfailed 1 != 2\ncase c\nskipped needs two cores\ndone\nexit 1\n")
        .write(EXIT, &[1])
        .halt();
    if host::find::on_path("qemu-system-x86_64").is_none() {
        return;
    }
    let (_file, image) = image(guest);
    let mut steps = Vec::new();
    let results = run(&image, &machine(), &plan(), &mut |progress| {
        steps.push(match progress {
            Progress::Booted(cases) => format!("booted {cases}"),
            Progress::Started(case) => format!("started {}", case.name),
            Progress::Console(_) => "console".into(),
            Progress::Finished(result) => format!("finished {}", result.case.name),
        });
    })
    .unwrap();
    let [a, b, c] = &results[..] else { panic!("{results:?}") };
    assert_eq!((&a.verdict, a.seconds, a.case.long), (&Verdict::Passed, 1.5, true));
    assert_eq!(a.case.ids, ["K1", "M2"]);
    assert!(matches!(&a.measured[..], [Event::Metric { value, .. }] if *value == 3.0));
    assert_eq!(b.verdict, failed("1 != 2"));
    assert_eq!(c.verdict, Verdict::Skipped("needs two cores".into()));
    let expected = ["booted 3", "started a", "finished a", "started b", "finished b", "started c", "finished c"];
    assert_eq!(steps, expected);
}

#[test]
fn the_suite_is_booted_again_behind_a_case_that_takes_it_down() {
    let third = says("suite 1\ncase c\nok 1\ndone\nexit 1\n").write(EXIT, &[1]);
    let second = says("suite 2\ncase b\n").write(SERIAL, b"about to die\n").triple_fault();
    let first = says("suite 3\ncase a\npanic broken\n").write(SERIAL, b"broken\n").write(EXIT, &[101]);
    let guest = Guest::default().if_told(b'2', third.halt());
    let guest = guest.if_told(b'1', second).if_told(0, first.halt());
    let Some(results) = results(guest, &plan()) else { return };
    assert_eq!(
        results.unwrap(),
        [
            row("a", failed("panicked: broken"), "broken\n"),
            row("b", failed("the machine died without a panic message, probably by a triple fault"), "about to die\n"),
            row("c", Verdict::Passed, ""),
        ]
    );
}

#[test]
fn a_case_that_hangs_fails_and_the_rest_still_runs() {
    let second = says("suite 1\ncase b\nok 1\ndone\nexit 0\n").write(EXIT, &[0]).halt();
    let first = says("suite 2\ncase a\n").halt();
    let guest = Guest::default().if_told(b'1', second).if_told(0, first);
    let plan = Plan { case_timeout: Duration::from_secs(2), ..plan() };
    let Some(results) = results(guest, &plan) else { return };
    assert_eq!(results.unwrap(), [row("a", failed("it took longer than 2 s"), ""), row("b", Verdict::Passed, ""),]);
}

#[test]
fn silence_is_a_failure() {
    for (control, name, message) in [
        (
            "suite 1\nexit 0\n",
            BOOT,
            "the suite ended outside any case: it exited with code 0 and without an end marker",
        ),
        ("exit 0\n", BOOT, "the suite ended outside any case: it exited with code 0 and without an end marker"),
        ("suite 0\ndone\npanic too late\n", END, "the suite ended after its last case: panicked: too late"),
    ] {
        let Some(results) = results(says(control).write(EXIT, &[0]).halt(), &plan()) else { return };
        assert_eq!(results.unwrap(), [row(name, failed(message), "")], "{control}");
    }
}

#[test]
fn a_suite_that_ends_between_two_cases_is_gone_on_with() {
    let second = says("suite 1\ncase b\nok 1\ndone\nexit 0\n").write(EXIT, &[0]).halt();
    let first = says("suite 2\ncase a\nok 1\n").write(SERIAL, b"why\n").triple_fault();
    let guest = Guest::default().if_told(b'1', second).if_told(0, first);
    let Some(results) = results(guest, &plan()) else { return };
    let death = "the suite ended outside any case: \
                 the machine died without a panic message, probably by a triple fault";
    assert_eq!(
        results.unwrap(),
        [row("a", Verdict::Passed, ""), row(END, failed(death), "why\n"), row("b", Verdict::Passed, ""),]
    );
}

#[test]
fn a_suite_that_would_run_for_ever_is_stopped() {
    let Some(results) = results(says("suite 1\ncase a\n").triple_fault(), &plan()) else { return };
    let error = results.unwrap_err().to_string();
    assert!(error.contains("`a` a second time") && error.contains(SKIP), "{error}");
}

#[test]
fn a_limit_ends_the_run_early() {
    let guest = says("suite 2\ncase a\nok 1\ncase b\nok 1\ndone\n").halt();
    let plan = Plan { limit: Some(1), ..plan() };
    let Some(results) = results(guest, &plan) else { return };
    assert_eq!(results.unwrap(), [row("a", Verdict::Passed, "")]);
}

#[test]
fn a_list_is_taken_only_if_it_is_complete() {
    let complete = says("suite 2\ncase a\ncase b ids=K1\ndone\nexit 0\n").write(EXIT, &[0]).halt();
    let cut = says("suite 2\ncase a\n").triple_fault();
    if host::find::on_path("qemu-system-x86_64").is_none() {
        return;
    }
    let (_file, image_complete) = image(complete);
    let cases = list(&image_complete, &machine(), &plan()).unwrap();
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let (_file, image_cut) = image(cut);
    let error = list(&image_cut, &machine(), &plan()).unwrap_err().to_string();
    assert!(error.contains("did not list its cases"), "{error}");
}

#[test]
fn the_console_is_shared_out_by_the_lines_that_end_a_case() {
    let result = |name: &str| CaseResult {
        case: Case { name: name.to_owned(), ..Case::default() },
        verdict: Verdict::Passed,
        seconds: 0.0,
        console: String::new(),
        measured: Vec::new(),
    };
    let consoles = |console: &str, names: &[&str]| {
        let mut results: Vec<_> = names.iter().map(|name| result(name)).collect();
        share_out(console, &mut results);
        results.into_iter().map(|result| result.console).collect::<Vec<_>>()
    };
    let console = "booting\none\ntest a ... ok\ntest ab ... ok\ntwo\nthree\ntest b ... FAILED: x\nfour\n";
    assert_eq!(consoles(console, &["a", "ab", "b"]), ["booting\none\n", "", "two\nthree\nfour\n"]);
    assert_eq!(consoles("one\ntest a ... ok\npanic\n  #0", &["a", "b"]), ["one\n", "panic\n  #0"]);
    assert_eq!(consoles("no lines", &["a", "b"]), ["", "no lines"]);
    assert_eq!(consoles("nobody\n", &[]), Vec::<String>::new());
}

#[test]
fn options_come_before_the_words_that_are_there_already() {
    let plan = Plan { filter: Some("a b".into()), long: true, ..Plan::default() };
    assert_eq!(
        prepend(plan.options(3), "roost.log=debug"),
        "\"roost.test=a b\" roost.test.long roost.test.skip=3 roost.log=debug"
    );
    assert_eq!(prepend(Plan::default().options(0), ""), "");
}
