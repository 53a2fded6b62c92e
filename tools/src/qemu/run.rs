//! A run with one limit for the whole of it.

use std::time::Instant;

use super::config::Config;
use super::outcome::Outcome;
use super::screen::Screen;
use super::session::{Message, Session, Step};
use crate::build::Image;

/// Boots `image`, passes all that it says to `sink`, and returns how it ended.
///
/// A run that takes longer than `config.timeout` is ended with [`Outcome::TimedOut`].
///
/// # Errors
/// If the machine cannot be built, QEMU cannot be started, or the picture of its screen cannot be had. How a started machine ended is no error.
pub fn run(
    image: &Image,
    config: &Config,
    sink: &mut dyn FnMut(Message) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let mut session = Session::start(image, config)?;
    let deadline = config.timeout.map(|timeout| Instant::now() + timeout);
    loop {
        match session.next(deadline)? {
            Step::Message(message) => sink(message)?,
            Step::Late => session.stop(),
            Step::Ended(outcome) => {
                if let (Screen::Picture(file), false) = (&config.screen, matches!(outcome, Outcome::QemuFailed { .. }))
                {
                    let why =
                        session.refused().first().map_or("the run ended before it could be taken", String::as_str);
                    anyhow::ensure!(file.is_file(), "there is no picture in {}: {why}", file.display());
                }
                return Ok(outcome);
            }
        }
    }
}
