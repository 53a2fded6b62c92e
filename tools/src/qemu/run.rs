//! A run with one limit for the whole of it.

use std::time::Instant;

use super::config::Config;
use super::outcome::Outcome;
use super::session::{Message, Session, Step};
use crate::build::Image;

/// Boots `image`, passes all that it says to `sink`, and returns how it ended.
///
/// A run that takes longer than `config.timeout` is ended with [`Outcome::TimedOut`].
///
/// # Errors
/// If the machine cannot be built or QEMU cannot be started. How a started machine ended is no error.
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
            Step::Ended(outcome) => return Ok(outcome),
        }
    }
}
