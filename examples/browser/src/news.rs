//! What the main kthread hears.

use alloc::string::String;

use libkern::dev::keyboard::Key;
use libkern::proc::SharedRegion;

use crate::fate::Fate;

/// What the main kthread is told.
pub enum Event {
    /// Something about a tab.
    Tab(usize, News),
    /// A key was pressed.
    Key(Key),
}

/// What happens in a tab.
pub enum News {
    /// A renderer has begun.
    Loading,
    /// The page has a title; what a renderer says is made of letters already.
    Titled(String),
    /// The pixels are drawn, which may be changed by the renderer at any moment.
    Drawn(SharedRegion),
    /// There is no renderer any more, and whether there will be another one soon.
    Ended {
        /// What became of it.
        fate: Fate,
        /// Whether the page is loaded again by itself.
        again: bool,
    },
}
