//! Runs a program to its end and keeps what it says.

use std::collections::BTreeMap;

use anyhow::bail;

use crate::build::Image;
use crate::qemu::{self, Config, Event, Message, Outcome};

/// The CPU of every machine on which something is compared. It has no fast string instructions, so that copying and
/// clearing show up as the instructions they are and not as one; and no x2APIC, whose timer QEMU 10 cannot access under a
/// clock that counts instructions (it gives up with `Bad icount read`).
pub const CPU: &str = "max,-erms,-fsrm,-x2apic";

/// What a program says of itself: amounts and their units by name.
pub type Metrics = BTreeMap<String, (f64, String)>;

/// Runs `image` on the machine `config` and returns its metrics.
///
/// # Errors
/// If the run does not end with exit code 0, or says that something failed; with what was on the console.
pub fn run(image: &Image, config: &Config) -> anyhow::Result<Metrics> {
    let mut console = Vec::new();
    let mut failure = None;
    let mut metrics = Metrics::new();
    let outcome = qemu::run(image, config, &mut |message| {
        match message {
            Message::Console(bytes) => console.extend(bytes),
            Message::Event(Event::Failed(why)) => failure = Some(why),
            Message::Event(Event::Metric { name, value, unit }) => {
                metrics.insert(name, (value, unit));
            }
            Message::Event(_) => {}
        }
        Ok(())
    })?;
    if outcome != Outcome::Exited(0) || failure.is_some() {
        let why = failure.or_else(|| outcome.sentence()).unwrap_or_else(|| format!("{outcome:?}"));
        bail!("{} did not end well: {why}\n{}", image.name, String::from_utf8_lossy(&console));
    }
    Ok(metrics)
}
