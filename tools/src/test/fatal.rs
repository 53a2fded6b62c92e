//! The images of `tests/fatal`: each must die, and how is in `tests/fatal.toml`.
//!
//! Dying well is a feature with requirements of its own: the right sentence on the console, the right exit
//! status, no other words. An image that dies in silence, or of a triple fault, fails whatever it was for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::configuration::Configuration;
use super::console::symbolised;
use super::context::{Context, FATAL};
use super::pool::Job;
use super::report::{Outcome, Row};
use super::tier::Tier;
use crate::build::Image;
use crate::qemu::{self, Message};

/// The package, relative to the workspace.
const PACKAGE: &str = "tests/fatal";
/// The expectations.
pub const FILE: &str = "tests/fatal.toml";

/// The expected deaths, by the program's name.
pub type Deaths = BTreeMap<String, Death>;

/// How a program must die.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// Requirements this proves.
    #[serde(default)]
    pub ids: Vec<String>,
    /// What the first line of the panic contains. Without it the program must exit by itself.
    panic: Option<String>,
    /// The exit code. A panic's is 101.
    #[serde(default = "panic_code")]
    exit: u8,
    /// What the console shows, in this order, addresses already turned into places.
    #[serde(default)]
    console: Vec<String>,
    /// What it shows once and no more.
    #[serde(default)]
    once: Vec<String>,
    /// What it never shows.
    #[serde(default)]
    never: Vec<String>,
    /// The package that the program is of, which has its name; one of [`PACKAGE`]'s if there is none.
    package: Option<String>,
    /// The image's arguments.
    #[serde(default)]
    args: Vec<String>,
    /// Whether the machine has a screen.
    #[serde(default)]
    screen: bool,
    /// What is on it in the end: colours, `rrggbb`, by place, `x,y`.
    #[serde(default)]
    pixels: BTreeMap<String, String>,
    /// The machines; one core on microvm if there are none.
    #[serde(default)]
    on: Vec<Configuration>,
}

fn panic_code() -> u8 {
    101
}

/// Reads the expectations.
///
/// # Errors
/// If the file is not valid.
pub fn parse(text: &str) -> anyhow::Result<Deaths> {
    let mut deaths: Deaths = toml::from_str(text)?;
    for death in deaths.values_mut() {
        if death.on.is_empty() {
            death.on.push(Configuration::default());
        }
        for configuration in &death.on {
            configuration.check()?;
        }
    }
    Ok(deaths)
}

/// Builds the images and returns their boots. A program without expectations, and expectations without a
/// program, are rows that failed.
///
/// # Errors
/// If there is no such package, or the expectations are not valid.
pub fn jobs<'a>(
    context: &'a Context,
    stage: &dyn Fn(&str),
    each: &mut dyn FnMut(Row),
) -> anyhow::Result<Vec<Job<'a, Vec<Row>>>> {
    let mut deaths = parse(&context.workspace.read(FILE)?)?;
    let ids = deaths.values().flat_map(|death| &death.ids);
    context.requirements.check(ids).map_err(anyhow::Error::msg)?;
    let mut jobs: Vec<Job<'a, Vec<Row>>> = Vec::new();
    let broken = |name: &str, why: String| Row::failed(Tier::Guest, row_name(name), "none", why);
    for program in names(context, &deaths)? {
        let death = deaths.remove(&program);
        if !context.wants(&row_name(&program)) {
            continue;
        }
        let Some(death) = death else {
            each(broken(&program, format!("{FILE} does not say how it must die")));
            continue;
        };
        stage(&format!("building the fatal image {program}"));
        let package = death.package.clone().unwrap_or_else(|| PACKAGE.to_owned());
        let death = Arc::new(death);
        for configuration in death.on.iter().filter(|configuration| context.wants_on(configuration)).cloned() {
            let image = match context.build(&package, &program, configuration.profile) {
                Ok(image) => image,
                Err(error) => {
                    each(broken(&program, format!("{error:#}")));
                    break;
                }
            };
            let (death, weight) = (Arc::clone(&death), configuration.weight());
            let limit = context.limit(&configuration);
            jobs.push(Job { weight, work: Box::new(move || vec![run(&image, &death, &configuration, limit)]) });
        }
    }
    for name in deaths.keys().filter(|name| context.wants(&row_name(name))) {
        each(broken(name, format!("{FILE} describes it, but there is no such program")));
    }
    Ok(jobs)
}

/// The names of all images.
///
/// # Errors
/// If there is no such package.
pub fn list(context: &Context) -> anyhow::Result<Vec<(Tier, String)>> {
    let names = names(context, &parse(&context.workspace.read(FILE)?)?)?;
    let names = names.into_iter().map(|program| row_name(&program));
    Ok(names.filter(|name| context.wants(name)).map(|name| (Tier::Guest, name)).collect())
}

/// The names of the package's programs, and of those that expectations fetch from elsewhere.
fn names(context: &Context, deaths: &Deaths) -> anyhow::Result<Vec<String>> {
    let mut names = context.workspace.programs(PACKAGE)?;
    names.extend(deaths.iter().filter(|(_, death)| death.package.is_some()).map(|(name, _)| name.clone()));
    Ok(names)
}

fn row_name(program: &str) -> String {
    format!("{FATAL}::{program}")
}

fn run(image: &Image, death: &Death, configuration: &Configuration, limit: Duration) -> Row {
    let started = Instant::now();
    let mut console = Vec::new();
    let append = qemu::join_words(&death.args);
    let mut config = qemu::Config { timeout: Some(limit), append, ..configuration.to_qemu() };
    // Kept until the picture has been looked at.
    let mut directory = None;
    let mut file = PathBuf::new();
    if death.screen {
        directory = tempfile::tempdir().ok();
        file = directory.as_ref().map_or(file, |directory| directory.path().join("screen.ppm"));
        let by_qemu = config.boot == qemu::Boot::Kernel;
        config = qemu::Config {
            ramfb: by_qemu,
            vga: !by_qemu,
            monitor: true,
            screen: qemu::Screen::Picture(file.clone()),
            ..config
        };
    }
    let ended = qemu::run(image, &config, &mut |message| {
        if let Message::Console(bytes) = message {
            console.extend(bytes);
        }
        Ok(())
    });
    let console = symbolised(&image.path, &String::from_utf8_lossy(&console));
    let verdict = match ended {
        Ok(outcome) => death.judge(&outcome, &console).and_then(|()| death.judge_picture(&file)),
        Err(error) => Err(format!("{error:#}")),
    };
    drop(directory);
    let row = Row::new(Tier::Guest, row_name(&image.name), configuration.to_string(), Outcome::Passed);
    let row = Row { seconds: started.elapsed().as_secs_f64(), ids: death.ids.clone(), ..row };
    match verdict {
        Ok(()) => row,
        Err(message) => Row { outcome: Outcome::Failed, message, output: console, ..row },
    }
}

impl Death {
    /// Whether the picture in `file` has the right colours.
    fn judge_picture(&self, file: &Path) -> Result<(), String> {
        if self.pixels.is_empty() {
            return Ok(());
        }
        let bytes = fs::read(file).map_err(|error| format!("there is no picture: {error}"))?;
        let picture = Picture::parse(&bytes).ok_or("the picture is no PPM")?;
        for (place, colour) in &self.pixels {
            let found = picture.colour(place).ok_or_else(|| format!("{place} is not in the picture"))?;
            if found != *colour {
                return Err(format!("the pixel at {place} is {found}, not {colour}"));
            }
        }
        Ok(())
    }

    fn judge(&self, outcome: &qemu::Outcome, console: &str) -> Result<(), String> {
        match (outcome, &self.panic) {
            (qemu::Outcome::Panicked { message }, Some(wanted)) if message.contains(wanted) => {}
            (qemu::Outcome::Panicked { message }, Some(wanted)) => {
                return Err(format!("it panicked with `{message}`, not with `{wanted}`"));
            }
            (qemu::Outcome::Panicked { message }, None) => return Err(format!("it panicked: {message}")),
            (qemu::Outcome::Exited(_), None) => {}
            (qemu::Outcome::Exited(code), Some(_)) => return Err(format!("it lived and exited with {code}")),
            (qemu::Outcome::Died, _) => return Err("it died without a word, probably of a triple fault".to_owned()),
            (other, _) => return Err(format!("it ended otherwise: {other:?}")),
        }
        if outcome.exit_code() != self.exit {
            return Err(format!("it ended with code {}, not {}", outcome.exit_code(), self.exit));
        }
        let mut rest = console;
        for wanted in &self.console {
            match rest.split_once(wanted.as_str()) {
                Some((_, after)) => rest = after,
                None => return Err(format!("the console does not show `{wanted}`, or not in order")),
            }
        }
        if let Some(text) = self.once.iter().find(|text| console.matches(text.as_str()).count() != 1) {
            return Err(format!("the console does not show `{text}` once"));
        }
        match self.never.iter().find(|unwanted| console.contains(unwanted.as_str())) {
            Some(unwanted) => Err(format!("the console shows `{unwanted}`")),
            None => Ok(()),
        }
    }
}

/// A picture as QEMU writes it: PPM, binary, three bytes a pixel.
struct Picture<'a> {
    width: usize,
    pixels: &'a [u8],
}

impl<'a> Picture<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut parts = bytes.splitn(4, u8::is_ascii_whitespace);
        let (magic, width, height) = (parts.next()?, parts.next()?, parts.next()?);
        let pixels = parts.next()?.strip_prefix(b"255\n")?;
        let number = |text| std::str::from_utf8(text).ok()?.parse::<usize>().ok();
        let (width, height) = (number(width)?, number(height)?);
        (magic == b"P6" && pixels.len() == width * height * 3).then_some(Self { width, pixels })
    }

    /// The colour at `x,y`, as `rrggbb`.
    fn colour(&self, place: &str) -> Option<String> {
        let (x, y) = place.split_once(',')?;
        let (x, y) = (x.parse::<usize>().ok().filter(|&x| x < self.width)?, y.parse::<usize>().ok()?);
        let [red, green, blue] = self.pixels.as_chunks().0.get(y * self.width + x)?;
        Some(format!("{red:02x}{green:02x}{blue:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_held_against_colours() {
        let picture = Picture::parse(b"P6\n2 1\n255\n\x00\x80\xff\x0a\x20\x30").expect("it is one");
        assert_eq!(picture.colour("0,0").as_deref(), Some("0080ff"));
        assert_eq!(picture.colour("1,0").as_deref(), Some("0a2030"));
        assert_eq!((picture.colour("2,0"), picture.colour("0,1"), picture.colour("0")), (None, None, None));
        assert!(Picture::parse(b"P6\n2 1\n255\n\x00").is_none() && Picture::parse(b"P5").is_none());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.ppm");
        fs::write(&file, b"P6\n1 1\n255\n\x01\x02\x03").unwrap();
        let judge = |text: &str| death(text).judge_picture(&file);
        assert_eq!(judge("pixels = { '0,0' = '010203' }"), Ok(()));
        assert!(judge("pixels = { '0,0' = '010204' }").unwrap_err().contains("010203"));
        assert!(judge("pixels = { '1,0' = '010203' }").is_err());
    }

    fn death(text: &str) -> Death {
        let mut deaths = parse(&format!("[image]\n{text}")).unwrap();
        deaths.remove("image").unwrap()
    }

    fn panicked(message: &str) -> qemu::Outcome {
        qemu::Outcome::Panicked { message: message.to_owned() }
    }

    #[test]
    fn the_right_panic_with_the_right_words_is_a_good_death() {
        let death = death("panic = 'overflow'\nconsole = ['one', 'two']\nnever = ['double fault']");
        assert_eq!(death.on, [Configuration::default()]);
        let judge = |message, console| death.judge(&panicked(message), console);
        assert_eq!(judge("stack overflow of main", "x one\ny two\n"), Ok(()));
        assert!(judge("page fault", "one two").is_err());
        assert!(judge("stack overflow", "two one").unwrap_err().contains("`two`"));
        assert!(judge("stack overflow", "one two double fault").is_err());
    }

    #[test]
    fn what_is_to_be_shown_once_is_not_shown_twice_or_never() {
        let death = death("exit = 0\nonce = ['one']");
        let judge = |console| death.judge(&qemu::Outcome::Exited(0), console);
        assert_eq!(judge("one two"), Ok(()));
        assert!(judge("one one").is_err() && judge("two").is_err());
    }

    #[test]
    fn silence_survival_and_the_wrong_code_are_bad_deaths() {
        let fatal = death("panic = 'x'");
        assert!(fatal.judge(&qemu::Outcome::Died, "x").unwrap_err().contains("triple fault"));
        assert!(fatal.judge(&qemu::Outcome::Exited(101), "x").unwrap_err().contains("lived"));
        assert!(fatal.judge(&qemu::Outcome::TimedOut, "x").is_err());
        let exits = death("exit = 3");
        assert_eq!(exits.judge(&qemu::Outcome::Exited(3), ""), Ok(()));
        assert!(exits.judge(&qemu::Outcome::Exited(0), "").is_err());
    }

    #[test]
    fn a_key_that_does_not_exist_is_refused() {
        assert!(parse("[image]\npanics = 'x'").is_err());
        assert!(parse("[image]\non = [{ smp = 0 }]").is_err());
    }
}
