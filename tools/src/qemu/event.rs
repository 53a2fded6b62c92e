//! What a guest says about itself on the control channel: one ASCII line per event.
//!
//! The console is for people and the control channel is for this tool, so that no program output, however odd,
//! can be mistaken for a result. A line that is not understood is kept, never dropped: a report that shows it
//! says more than one that silently lacks it.

/// An event, in the order in which the guest wrote it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The console is up; the word names the boot protocol (`pvh` or `multiboot2`).
    Boot(String),
    /// The application's `main` is about to run, this long after reset by the TSC.
    Main {
        /// Time since reset.
        nanoseconds: u64,
    },
    /// The application ended with this exit code.
    Exit(u8),
    /// The guest asked for a reboot.
    Reboot,
    /// A panic is being printed on the console; this is its first line.
    Panic(String),
    /// A test suite begins and has this many cases.
    Suite {
        /// Cases that match the filter.
        cases: usize,
    },
    /// A case begins, or exists, if the suite was asked for a list.
    Case(Case),
    /// The current case passed.
    Passed {
        /// How long the case took on the guest's clock.
        nanoseconds: u64,
    },
    /// The current case failed.
    Failed(String),
    /// The current case does not apply in this configuration.
    Skipped(String),
    /// A measured figure.
    Metric {
        /// What was measured.
        name: String,
        /// How much it was.
        value: f64,
        /// Of what.
        unit: String,
    },
    /// A race storm watches the instructions from `start` to before `end`.
    Window {
        /// Which window, for storms with several.
        name: String,
        /// Address of its first instruction.
        start: u64,
        /// Address after its last instruction.
        end: u64,
    },
    /// An instruction of a window that was interrupted.
    Hit {
        /// Which window.
        name: String,
        /// Address of the instruction.
        address: u64,
    },
    /// The guest asks for these keys, by QEMU's names, to be pressed together.
    Press(Vec<String>),
    /// The guest has drawn all that it draws unless somebody does something. A run for a picture ends with that.
    Drawn,
    /// A test suite ran to its end.
    Done,
    /// A line that is none of the above.
    Unknown(String),
}

/// A test case as the guest announces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Path of the function, without the crate.
    pub name: String,
    /// Requirements that it proves.
    pub ids: Vec<String>,
    /// Whether it belongs to the long tier.
    pub long: bool,
}

impl Event {
    /// Reads one line, without its line feed.
    pub fn parse(line: &str) -> Self {
        parse(line).unwrap_or_else(|| Self::Unknown(line.to_owned()))
    }
}

fn parse(line: &str) -> Option<Event> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split_whitespace();
    Some(match word {
        "boot" => Event::Boot(one(rest)?),
        "main" => Event::Main { nanoseconds: rest.parse().ok()? },
        "exit" => Event::Exit(rest.parse().ok()?),
        "reboot" if rest.is_empty() => Event::Reboot,
        "panic" => Event::Panic(rest.to_owned()),
        "suite" => Event::Suite { cases: rest.parse().ok()? },
        "case" => Event::Case(case(rest)?),
        "ok" => Event::Passed { nanoseconds: rest.parse().ok()? },
        "failed" => Event::Failed(rest.to_owned()),
        "skipped" => Event::Skipped(rest.to_owned()),
        "metric" => {
            let (name, value) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            Event::Metric { name, value, unit: words.collect::<Vec<_>>().join(" ") }
        }
        "window" => {
            let name = words.next()?.to_owned();
            Event::Window { name, start: hex(words.next()?)?, end: hex(words.next()?)? }
        }
        "hit" => Event::Hit { name: words.next()?.to_owned(), address: hex(words.next()?)? },
        "press" if !rest.is_empty() => Event::Press(words.map(str::to_owned).collect()),
        "drawn" if rest.is_empty() => Event::Drawn,
        "done" if rest.is_empty() => Event::Done,
        _ => return None,
    })
}

fn case(rest: &str) -> Option<Case> {
    let mut words = rest.split_whitespace();
    let mut case = Case { name: words.next()?.to_owned(), ..Case::default() };
    for word in words {
        if word == "long" {
            case.long = true;
        } else {
            let ids = word.strip_prefix("ids=")?;
            case.ids = ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        }
    }
    Some(case)
}

fn one(rest: &str) -> Option<String> {
    (!rest.is_empty() && !rest.contains(' ')).then(|| rest.to_owned())
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_protocol_is_understood() {
        let case = |name: &str, ids: &[&str], long| {
            let ids = ids.iter().map(|&id| id.to_owned()).collect();
            Event::Case(Case { name: name.to_owned(), ids, long })
        };
        for (line, event) in [
            ("boot pvh", Event::Boot("pvh".into())),
            ("main 1234567", Event::Main { nanoseconds: 1_234_567 }),
            ("exit 255", Event::Exit(255)),
            ("reboot", Event::Reboot),
            ("panic it broke: 3", Event::Panic("it broke: 3".into())),
            ("suite 12", Event::Suite { cases: 12 }),
            ("case a::b", case("a::b", &[], false)),
            ("case a::b ids=K1,M2", case("a::b", &["K1", "M2"], false)),
            ("case a::b ids=K1 long", case("a::b", &["K1"], true)),
            ("case a::b long", case("a::b", &[], true)),
            ("ok 17", Event::Passed { nanoseconds: 17 }),
            ("failed left != right", Event::Failed("left != right".into())),
            ("failed", Event::Failed(String::new())),
            ("skipped one core", Event::Skipped("one core".into())),
            (
                "metric alloc 38.5 instructions",
                Event::Metric { name: "alloc".into(), value: 38.5, unit: "instructions".into() },
            ),
            (
                "window send ffffffff80201000 ffffffff80201020",
                Event::Window { name: "send".into(), start: 0xffff_ffff_8020_1000, end: 0xffff_ffff_8020_1020 },
            ),
            ("hit send 0xffffffff80201004", Event::Hit { name: "send".into(), address: 0xffff_ffff_8020_1004 }),
            ("press shift a", Event::Press(vec!["shift".into(), "a".into()])),
            ("drawn", Event::Drawn),
            ("done", Event::Done),
        ] {
            assert_eq!(Event::parse(line), event, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_kept() {
        for line in [
            "",
            "exit",
            "exit 256",
            "exit -1",
            "exit 3 4",
            "done already",
            "case",
            "case a what",
            "hit w xyz",
            "oops",
            "main soon",
        ] {
            assert_eq!(Event::parse(line), Event::Unknown(line.into()), "{line}");
        }
    }
}
