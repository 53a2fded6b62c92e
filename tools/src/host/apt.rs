//! Installing on Debian and Ubuntu, where the release's own QEMU may be too old.
//!
//! Debian's backports then have a newer one. Whether they do is only known after the package lists were
//! read, so the plan is made in steps: read the lists, look at what is offered, add the backports if
//! that may help, look again, and take the addition back if it did not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::execute::Executor;
use super::find::{GOOD_QEMU, OLDEST_QEMU, Version};
use super::packages::Manager;
use super::plan::Step;
use super::sources::{self, Derived, Entry, Format};
use super::tool::Tool;

const SOURCES_DIRECTORY: &str = "/etc/apt/sources.list.d";
/// How long another program may hold apt's lists before we give up.
const LISTS_LOCK_TIMEOUT: Duration = Duration::from_mins(5);

/// A version of a package that some suite offers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Offer {
    version: Version,
    suite: String,
}

/// Where to take QEMU from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// The release's own. The version is unknown where the lists were never read.
    Release(Option<Version>),
    /// The suite of backports, which has this version.
    Backports(String, Version),
}

/// Installs the packages of `tools`.
///
/// # Errors
/// What failed, as apt said it, or that no usable QEMU is to be had.
pub fn install(tools: &[Tool], executor: &Executor) -> Result<()> {
    update(executor)?;
    let mut rest = tools.to_vec();
    if let Some(position) = tools.iter().position(|&tool| tool == Tool::Qemu) {
        rest.remove(position);
        install_qemu(executor)?;
    }
    if rest.is_empty() {
        return Ok(());
    }
    let step = install_step(Manager::Apt.install_command(), &rest, None);
    let names: Vec<_> = rest.iter().map(|tool| tool.name()).collect();
    executor.run(&format!("Installing {}", names.join(", ")), &step)
}

fn install_qemu(executor: &Executor) -> Result<()> {
    let mut choice = choose(&offers()?);
    if !choice.is_good() {
        choice = with_backports_added(choice, executor)?;
    }
    let (suite, version) = match &choice {
        Choice::Release(version) => (None, *version),
        Choice::Backports(suite, version) => (Some(suite.as_str()), Some(*version)),
    };
    let Some(version) = version else {
        bail!("apt offers no package `qemu-system-x86`; is its source of packages configured?");
    };
    if version < OLDEST_QEMU {
        bail!(
            "this system's QEMU is {version}, and Roost needs {OLDEST_QEMU} or later; \
             install a newer one by hand, so that `qemu-system-x86_64` is on the path"
        );
    }
    let from = suite.map_or(String::new(), |suite| format!(" from {suite}"));
    let step = install_step(Manager::Apt.install_command(), &[Tool::Qemu], suite);
    executor.run(&format!("Installing QEMU {version}{from}"), &step)
}

/// Adds the backports' entry if there is one to add, and chooses again.
fn with_backports_added(choice: Choice, executor: &Executor) -> Result<Choice> {
    let Some((write, remove)) = backports_steps() else {
        return Ok(choice);
    };
    let Step::Write { path, .. } = &write else {
        return Ok(choice);
    };
    let doing = format!("The release's QEMU is older than {GOOD_QEMU}: adding its backports ({})", path.display());
    executor.run(&doing, &write)?;
    let result = update(executor).and_then(|()| Ok(choose(&offers()?)));
    match result {
        Ok(newer @ Choice::Backports(..)) => Ok(newer),
        // No such suite, or nothing new in it: leave the system as it was.
        Ok(_) | Err(_) => {
            executor.run("The backports have no newer one: removing them", &remove)?;
            update(executor)?;
            Ok(choice)
        }
    }
}

/// What a person would have to type, as far as it is known without reading the lists anew.
#[must_use]
pub fn plan(tools: &[Tool]) -> Vec<Step> {
    let mut steps = vec![];
    let mut suite = None;
    if tools.contains(&Tool::Qemu) {
        match choose(&offers().unwrap_or_default()) {
            Choice::Backports(name, _) => suite = Some(name),
            Choice::Release(Some(version)) if version < GOOD_QEMU => {
                if let (Some((write, _)), Some(codename)) = (backports_steps(), codename()) {
                    steps.push(write);
                    suite = Some(format!("{codename}-backports"));
                }
            }
            Choice::Release(_) => {}
        }
    }
    steps.push(Step::run(["apt-get", "update"]));
    let command = Manager::Apt.command_to_type();
    if let Some(suite) = suite {
        let rest: Vec<_> = tools.iter().copied().filter(|&tool| tool != Tool::Qemu).collect();
        steps.push(install_step(command, &[Tool::Qemu], Some(&suite)));
        if !rest.is_empty() {
            steps.push(install_step(command, &rest, None));
        }
    } else {
        steps.push(install_step(command, tools, None));
    }
    steps
}

fn install_step(command: &[&'static str], tools: &[Tool], suite: Option<&str>) -> Step {
    let packages = tools.iter().flat_map(|&tool| Manager::Apt.packages(tool).iter().copied());
    let from = suite.map(|suite| ["-t", suite]);
    Step::run(command.iter().copied().chain(from.into_iter().flatten()).chain(packages))
}

/// Reads the package lists, waiting while another program does.
pub fn update(executor: &Executor) -> Result<()> {
    let step = Step::run(["apt-get", "update", "-oAcquire::Retries=3"]);
    let start = Instant::now();
    loop {
        let result = executor.run("Reading the package lists", &step);
        // apt waits for dpkg's lock if asked to, but not for that of its lists.
        let is_locked = matches!(&result, Err(error) if error.to_string().contains("/lists/lock"));
        if !is_locked || start.elapsed() > LISTS_LOCK_TIMEOUT {
            return result;
        }
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// The steps that add and remove the backports, unless they are there already or cannot be derived.
fn backports_steps() -> Option<(Step, Step)> {
    let codename = codename()?;
    let entries = system_entries();
    if sources::has_suite(&entries, &format!("{codename}-backports")) {
        return None;
    }
    let Derived { format, text } = sources::backports(&entries, &codename)?;
    let path = Path::new(SOURCES_DIRECTORY).join("roost-backports").with_extension(format.extension());
    let remove = Step::Remove(path.clone());
    Some((Step::Write { path, text }, remove))
}

fn system_entries() -> Vec<Entry> {
    let directory = std::fs::read_dir(SOURCES_DIRECTORY);
    let mut files: Vec<PathBuf> = directory.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.insert(0, "/etc/apt/sources.list".into());
    let entries_of = |path: PathBuf| {
        let format = Format::of_extension(path.extension()?.to_str()?)?;
        Some(sources::parse(&std::fs::read_to_string(path).ok()?, format))
    };
    files.into_iter().filter_map(entries_of).flatten().collect()
}

fn codename() -> Option<String> {
    parse_codename(&std::fs::read_to_string("/etc/os-release").ok()?)
}

fn parse_codename(os_release: &str) -> Option<String> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|value| value.trim_matches('"').to_owned())
        .filter(|value| !value.is_empty())
}

fn offers() -> Result<Vec<Offer>> {
    let output =
        Command::new("apt-cache").args(["madison", "qemu-system-x86"]).output().context("cannot run apt-cache")?;
    Ok(parse_offers(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines of `apt-cache madison`: `package | version | uri suite/component arch Packages`.
fn parse_offers(text: &str) -> Vec<Offer> {
    let parse = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (_package, version, source) = (columns.next()?, columns.next()?, columns.next()?);
        let suite = source.split_whitespace().nth(1)?.split('/').next()?;
        Some(Offer { version: Version::of_package(version)?, suite: suite.to_owned() })
    };
    text.lines().filter_map(parse).collect()
}

/// The release's own QEMU if it is good, else a better one from the backports.
fn choose(offers: &[Offer]) -> Choice {
    let newest = |backports: bool| {
        offers.iter().filter(|offer| offer.suite.ends_with("-backports") == backports).max_by_key(|offer| offer.version)
    };
    let own = newest(false).map(|offer| offer.version);
    match newest(true) {
        Some(offer) if own.is_none_or(|own| own < GOOD_QEMU && offer.version > own) => {
            Choice::Backports(offer.suite.clone(), offer.version)
        }
        _ => Choice::Release(own),
    }
}

impl Choice {
    fn is_good(&self) -> bool {
        match self {
            Self::Release(version) => version.is_some_and(|version| version >= GOOD_QEMU),
            Self::Backports(..) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "\
qemu-system-x86 | 1:10.0.2+ds-2~bpo12+1 | http://mirror.test/debian bookworm-backports/main amd64 Packages
qemu-system-x86 | 1:7.2+dfsg-7+deb12u18 | http://mirror.test/debian bookworm/main amd64 Packages
qemu-system-x86 | 1:7.2+dfsg-7+deb12u15 | http://mirror.test/security bookworm-security/main amd64 Packages
";

    fn offer(suite: &str, major: u32, minor: u32) -> Offer {
        Offer { version: Version::new(major, minor), suite: suite.into() }
    }

    #[test]
    fn the_backports_are_chosen_where_the_release_is_too_old() {
        let offers = parse_offers(BOTH);
        assert_eq!(offers.len(), 3);
        let chosen = choose(&offers);
        assert_eq!(chosen, Choice::Backports("bookworm-backports".into(), Version::new(10, 0)));
        assert!(chosen.is_good());
    }

    #[test]
    fn the_release_is_chosen_where_it_is_good_or_alone() {
        let both = [offer("trixie", 10, 0), offer("trixie-backports", 11, 0)];
        assert_eq!(choose(&both), Choice::Release(Some(Version::new(10, 0))));
        let alone = [offer("noble", 8, 2), offer("noble-updates", 8, 2)];
        assert_eq!(choose(&alone), Choice::Release(Some(Version::new(8, 2))));
        assert!(!choose(&alone).is_good());
        assert_eq!(choose(&[]), Choice::Release(None));
    }

    #[test]
    fn the_codename_is_read_with_and_without_quotes() {
        assert_eq!(parse_codename("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(), Some("bookworm"));
        assert_eq!(parse_codename("VERSION_CODENAME=\"noble\"\n").as_deref(), Some("noble"));
        assert_eq!(parse_codename("VERSION_CODENAME=\n"), None);
    }

    #[test]
    fn packages_from_another_suite_are_asked_for_by_its_name() {
        let step = install_step(&["apt-get"], &[Tool::Qemu], Some("bookworm-backports"));
        let Step::Run(words) = step else { panic!("runs a program") };
        assert!(words.ends_with(&["-t", "bookworm-backports", "qemu-system-x86"].map(String::from)), "{words:?}");
    }
}
