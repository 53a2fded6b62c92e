//! Sessions with guests of a few hundred bytes.

use std::io::Write as _;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::*;
use crate::build::{Image, Kind};
use crate::host;
use tiny::{CONTROL, EXIT, Guest, SERIAL};

/// How long any of these may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Whether there is a QEMU to test with.
fn qemu_is_here() -> bool {
    let is_here = host::find::on_path("qemu-system-x86_64").is_some();
    if !is_here {
        eprintln!("skipped: there is no qemu-system-x86_64");
    }
    is_here
}

fn image(guest: Guest) -> (NamedTempFile, Image) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&guest.image(1)).unwrap();
    let image = Image { path: file.path().to_owned(), name: "tiny".into(), kind: Kind::Application, end: 0 };
    (file, image)
}

fn config(machine: Machine) -> Config {
    Config { machine, smp: 1, mem: Size::mib(16), accel: Accel::Tcg, timeout: Some(LIMIT), ..Config::default() }
}

/// Console text, events and end of a run.
fn outcome_of(guest: Guest, config: &Config) -> (String, Vec<Event>, Outcome) {
    let (_file, image) = image(guest);
    let (mut console, mut events) = (Vec::new(), Vec::new());
    let outcome = run(&image, config, &mut |message| {
        match message {
            Message::Console(bytes) => console.extend(bytes),
            Message::Event(event) => events.push(event),
        }
        Ok(())
    })
    .unwrap();
    (String::from_utf8(console).unwrap(), events, outcome)
}

#[test]
fn console_events_and_exit_code_arrive_from_every_board() {
    if !qemu_is_here() {
        return;
    }
    for machine in [Machine::Microvm, Machine::Q35, Machine::Pc] {
        let guest = Guest::default()
            .write(CONTROL, b"boot pvh\n")
            .write(SERIAL, b"hello\n")
            .write(CONTROL, b"main 12\nexit 7\n")
            .write(EXIT, &[7])
            .halt();
        let (console, events, outcome) = outcome_of(guest, &config(machine));
        assert_eq!(console, "hello\n", "{machine}");
        assert_eq!(events, [Event::Boot("pvh".into()), Event::Main { nanoseconds: 12 }, Event::Exit(7)], "{machine}");
        assert_eq!(outcome, Outcome::Exited(7), "{machine}");
    }
}

#[test]
fn a_machine_without_a_serial_port_still_reports() {
    if !qemu_is_here() {
        return;
    }
    for machine in [Machine::Microvm, Machine::Q35] {
        let guest = Guest::default().write(SERIAL, b"lost").write(CONTROL, b"exit 200\n").write(EXIT, &[127]);
        let config = Config { serial: false, ..config(machine) };
        let (console, events, outcome) = outcome_of(guest.halt(), &config);
        assert_eq!((console.as_str(), events.as_slice()), ("", &[Event::Exit(200)][..]));
        assert_eq!(outcome, Outcome::Exited(200));
    }
}

#[test]
fn every_end_is_told_from_the_others() {
    if !qemu_is_here() {
        return;
    }
    let panic =
        Guest::default().write(CONTROL, b"panic it broke\n").write(SERIAL, b"it broke\n").write(EXIT, &[101]).halt();
    let message = "it broke".to_owned();
    let reboot = Guest::default().write(CONTROL, b"reboot\n").triple_fault();
    let short = Config { timeout: Some(Duration::from_millis(500)), ..config(Machine::Microvm) };
    let usual = config(Machine::Microvm);
    for (guest, config, expected) in [
        (panic, &usual, Outcome::Panicked { message }),
        (reboot, &usual, Outcome::Rebooted),
        (Guest::default().triple_fault(), &usual, Outcome::Died),
        (Guest::default().write(EXIT, &[3]).halt(), &usual, Outcome::Exited(3)),
        (Guest::default().halt(), &short, Outcome::TimedOut),
    ] {
        let (_, _, outcome) = outcome_of(guest, config);
        assert_eq!(outcome, expected);
    }
}

#[test]
fn what_qemu_complains_about_is_passed_on() {
    if !qemu_is_here() {
        return;
    }
    let config = Config { extra: vec!["-device".into(), "no-such-thing".into()], ..config(Machine::Microvm) };
    let (_, _, outcome) = outcome_of(Guest::default().halt(), &config);
    let Outcome::QemuFailed { stderr } = outcome else { panic!("{outcome:?}") };
    assert!(stderr.contains("no-such-thing"), "{stderr}");
}

#[test]
fn what_was_said_before_a_deadline_is_kept_and_the_guest_runs_on() {
    if !qemu_is_here() {
        return;
    }
    let (_file, image) = image(Guest::default().write(SERIAL, b"> ").halt());
    let mut session = Session::start(&image, &config(Machine::Microvm)).unwrap();
    let mut console = Vec::new();
    let soon = || Some(Instant::now() + Duration::from_millis(300));
    while console != b"> " {
        match session.next(soon()).unwrap() {
            Step::Message(Message::Console(bytes)) => console.extend(bytes),
            Step::Late => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(session.next(soon()).unwrap(), Step::Late);
    session.stop();
    assert_eq!(session.next(None).unwrap(), Step::Ended(Outcome::TimedOut));
}

#[test]
fn a_control_channel_full_of_events_loses_none() {
    if !qemu_is_here() {
        return;
    }
    let mut guest = Guest::default();
    let names: Vec<_> = (0..200).map(|n| format!("{n:020}")).collect();
    for name in &names {
        guest = guest.write(CONTROL, format!("case {name}\n").as_bytes());
    }
    let (_, events, _) = outcome_of(guest.write(EXIT, &[1]).halt(), &config(Machine::Microvm));
    let seen: Vec<_> = events
        .into_iter()
        .map(|event| match event {
            Event::Case(case) => case.name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, names);
}

#[test]
fn a_machine_that_cannot_be_is_refused_before_qemu_is_asked() {
    let base = Config::default();
    for (config, hint) in [
        (Config { smp: 0, ..base.clone() }, "1 to 288"),
        (Config { smp: 289, ..base.clone() }, "1 to 288"),
        (Config { smp: 256, ..base.clone() }, "--machine q35"),
        (Config { boot: "grub-bios".parse().unwrap(), ..base.clone() }, "--machine q35"),
    ] {
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
    }
    Config { smp: 288, machine: Machine::Q35, ..base }.check().unwrap();
}
