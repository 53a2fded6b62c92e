//! The kernel's options, typed.

use core::fmt;

use super::filter::LogFilter;

/// Where console output goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleChoice {
    /// Only to the serial port.
    Serial,
    /// Only to the screen.
    Framebuffer,
    /// To both, so far as they are there.
    #[default]
    Both,
}

/// What a test suite is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestOptions<'a> {
    /// Run the cases whose name contains this.
    pub filter: Option<&'a str>,
    /// Of these, skip so many.
    pub skip: usize,
    /// List the cases instead of running them.
    pub list: bool,
    /// Run those that take long, too.
    pub long: bool,
}

/// The options on the command line, with defaults for those that are not there.
///
/// `'a` is the life of the [`CommandLine`](super::CommandLine) from which they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// `roost.log=FILTER`: which log records are printed.
    pub log: LogFilter<'a>,
    /// `roost.console=serial|framebuffer|both`.
    pub console: ConsoleChoice,
    /// `roost.test=FILTER`, `roost.test.skip=N`, `roost.test.list`, `roost.test.long`.
    pub test: TestOptions<'a>,
}

impl<'a> Options<'a> {
    /// Takes in one option, `word` being what follows `roost.`.
    pub(super) fn set(&mut self, word: &'a str) -> Result<(), Problem<'a>> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let wrong = |wanted| Problem::Value { name, value, wanted };
        match (name, value) {
            ("log", Some(text)) => self.log.add(text).map_err(|piece| Problem::LogFilter { piece })?,
            ("log", None) => return Err(wrong("a level, or target=level")),
            ("console", Some("serial")) => self.console = ConsoleChoice::Serial,
            ("console", Some("framebuffer")) => self.console = ConsoleChoice::Framebuffer,
            ("console", Some("both")) => self.console = ConsoleChoice::Both,
            ("console", _) => return Err(wrong("serial, framebuffer or both")),
            ("test", Some(_)) => self.test.filter = value,
            ("test", None) => return Err(wrong("a part of a test's name")),
            ("test.skip", _) => {
                let skip = value.and_then(|value| value.parse().ok());
                self.test.skip = skip.ok_or(wrong("a number"))?;
            }
            ("test.list", None) => self.test.list = true,
            ("test.long", None) => self.test.long = true,
            ("test.list" | "test.long", Some(_)) => return Err(wrong("nothing")),
            _ => return Err(Problem::Unknown { name }),
        }
        Ok(())
    }
}

/// Something on the command line that is not as it should be, and is as if it were not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem<'a> {
    /// The line is longer than there is room for; the rest was cut off.
    TooLong,
    /// There is no such option.
    Unknown {
        /// Its name behind `roost.`.
        name: &'a str,
    },
    /// A value is missing, wrong, or one too many.
    Value {
        /// The option's name behind `roost.`.
        name: &'a str,
        /// What it was given.
        value: Option<&'a str>,
        /// What it takes.
        wanted: &'static str,
    },
    /// A piece of `roost.log` that is no level and no `target=level`, or a target too many.
    LogFilter {
        /// The piece.
        piece: &'a str,
    },
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the command line is too long and was cut"),
            Self::Unknown { name } => write!(f, "unknown option roost.{name}"),
            Self::Value { name, value, wanted } => {
                write!(f, "roost.{name} takes {wanted}")?;
                match value {
                    Some(value) => write!(f, ", not \"{value}\""),
                    None => Ok(()),
                }
            }
            Self::LogFilter { piece } => {
                write!(f, "roost.log: \"{piece}\" is no level, or one target too many")
            }
        }
    }
}

impl core::error::Error for Problem<'_> {}

#[cfg(test)]
mod tests {
    use super::super::CommandLine;
    use super::*;

    /// Splits a line for as long as the tests run.
    fn split(line: &str) -> CommandLine<'static> {
        CommandLine::split(line, vec![0; line.len() + 1].leak())
    }

    #[test]
    fn every_option_is_read() {
        let line = split(
            "x roost.log=debug roost.console=serial roost.test=heap roost.test.skip=12 \
             roost.test.list roost.test.long y",
        );
        let options = line.options();
        let test = TestOptions { filter: Some("heap"), skip: 12, list: true, long: true };
        assert_eq!(options.test, test);
        assert_eq!(options.console, ConsoleChoice::Serial);
        assert_eq!(options.log.max_level(), log::LevelFilter::Debug);
        assert_eq!(line.problems().count(), 0);
        assert_eq!(line.args().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn defaults_hold_for_the_rest() {
        let line = split("a b -- roost.console=serial");
        assert_eq!(line.options(), Options::default());
    }

    #[test]
    fn the_last_of_two_wins() {
        let line = split("roost.console=serial roost.console=framebuffer");
        assert_eq!(line.options().console, ConsoleChoice::Framebuffer);
    }

    #[test]
    fn what_is_misspelt_is_named_and_without_effect() {
        let line = split(
            "roost.colour roost.console=tape roost.console roost.test.skip=-1 roost.test.skip \
             roost.test.list=no roost.log=loud,debug roost.log roost.test roost.",
        );
        let problems: Vec<_> = line.problems().map(|problem| problem.to_string()).collect();
        assert_eq!(
            problems,
            [
                "unknown option roost.colour",
                "roost.console takes serial, framebuffer or both, not \"tape\"",
                "roost.console takes serial, framebuffer or both",
                "roost.test.skip takes a number, not \"-1\"",
                "roost.test.skip takes a number",
                "roost.test.list takes nothing, not \"no\"",
                "roost.log: \"loud\" is no level, or one target too many",
                "roost.log takes a level, or target=level",
                "roost.test takes a part of a test's name",
                "unknown option roost.",
            ]
        );
        let options = line.options();
        assert_eq!((options.console, options.test), Default::default());
        assert_eq!(options.log.max_level(), log::LevelFilter::Debug);
    }
}
