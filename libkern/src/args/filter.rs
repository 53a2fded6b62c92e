//! Which log records are wanted.

use heapless::Vec;
use log::{Level, LevelFilter};

/// How many targets may have a level of their own.
pub const MAX_TARGETS: usize = 8;

/// A level for everything, and levels for some targets.
///
/// Written as levels and `target=level` separated by commas: `warn,libkern::mem=debug`. A target is a module's path and
/// stands for the modules below it too; the longest that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter<'a> {
    default: LevelFilter,
    targets: Vec<(&'a str, LevelFilter), MAX_TARGETS>,
}

impl LogFilter<'_> {
    /// Warnings and errors.
    pub const fn new() -> Self {
        Self { default: LevelFilter::Warn, targets: Vec::new() }
    }

    /// Whether a record of this level from this target is wanted. Without targets of their own this is one comparison.
    pub fn enabled(&self, level: Level, target: &str) -> bool {
        level <= self.level_of(target)
    }

    /// The greatest level that any target has, for [`log::set_max_level`].
    pub fn max_level(&self) -> LevelFilter {
        let targets = self.targets.iter().map(|(_, level)| *level);
        targets.fold(self.default, Ord::max)
    }

    fn level_of(&self, target: &str) -> LevelFilter {
        let fitting = self.targets.iter().filter(|(prefix, _)| is_within(target, prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.default, |(_, level)| *level)
    }
}

impl<'a> LogFilter<'a> {
    /// Takes in what `text` says on top of what was said before.
    ///
    /// # Errors
    ///
    /// The first piece of the text that is neither a level nor `target=level`, or for which there is no room; all
    /// others count.
    pub fn add(&mut self, text: &'a str) -> Result<(), &'a str> {
        let mut wrong = None;
        for piece in text.split(',').filter(|piece| !piece.is_empty()) {
            if self.add_piece(piece).is_none() {
                wrong = wrong.or(Some(piece));
            }
        }
        wrong.map_or(Ok(()), Err)
    }

    fn add_piece(&mut self, piece: &'a str) -> Option<()> {
        let Some((target, level)) = piece.split_once('=') else {
            self.default = level(piece)?;
            return Some(());
        };
        let level = self::level(level)?;
        let known = self.targets.iter_mut().find(|(known, _)| *known == target);
        match known {
            Some(known) => known.1 = level,
            None => self.targets.push((target, level)).ok()?,
        }
        Some(())
    }
}

impl Default for LogFilter<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Kept out of line because its two callers would both be made large.
#[inline(never)]
fn level(name: &str) -> Option<LevelFilter> {
    name.parse().ok()
}

/// Whether the module `target` is `prefix` or below it.
fn is_within(target: &str, prefix: &str) -> bool {
    let below = target.strip_prefix(prefix);
    below.is_some_and(|below| below.is_empty() || below.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> LogFilter<'_> {
        let mut filter = LogFilter::new();
        filter.add(text).expect("all of it is right");
        filter
    }

    #[test]
    fn warnings_are_wanted_if_nothing_is_said() {
        let filter = filter("");
        assert!(filter.enabled(Level::Warn, "any"));
        assert!(!filter.enabled(Level::Info, "any"));
        assert_eq!(filter.max_level(), LevelFilter::Warn);
    }

    #[test]
    fn the_longest_target_decides() {
        let filter = filter("error,libkern=info,libkern::mem=trace,libkern::mem::heap=off");
        assert_eq!(filter.level_of("app"), LevelFilter::Error);
        assert_eq!(filter.level_of("libkern"), LevelFilter::Info);
        assert_eq!(filter.level_of("libkern::sched"), LevelFilter::Info);
        assert_eq!(filter.level_of("libkern::mem::frames"), LevelFilter::Trace);
        assert_eq!(filter.level_of("libkern::mem::heap"), LevelFilter::Off);
        assert_eq!(filter.max_level(), LevelFilter::Trace);
    }

    #[test]
    fn a_target_stands_for_whole_modules() {
        let filter = filter("off,lib=info");
        assert!(filter.enabled(Level::Info, "lib::x"));
        assert!(!filter.enabled(Level::Info, "libkern"));
    }

    #[test]
    fn a_later_level_replaces_an_earlier_one() {
        let filter = filter("a=info,INFO,a=debug,warn");
        assert_eq!(filter.level_of("a"), LevelFilter::Debug);
        assert_eq!(filter.level_of("b"), LevelFilter::Warn);
    }

    #[test]
    fn wrong_pieces_are_named_and_right_ones_count() {
        let mut filter = LogFilter::new();
        assert_eq!(filter.add("inof,a=debug,b=,c"), Err("inof"));
        assert_eq!(filter.level_of("a"), LevelFilter::Debug);
        assert_eq!(filter.level_of("b"), LevelFilter::Warn);
    }

    #[test]
    fn one_target_too_many_is_named() {
        let mut filter = LogFilter::new();
        assert_eq!(filter.add("a=off,b=off,c=off,d=off,e=off,f=off,g=off,h=off,i=off"), Err("i=off"));
        assert_eq!(filter.add("h=info"), Ok(()));
    }
}
