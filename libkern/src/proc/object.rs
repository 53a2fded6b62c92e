//! What handles name.

use alloc::sync::Arc;
use core::fmt;

use super::channel::ChannelEnd;
use super::child::Child;
use super::file::{Console, File};
use super::region::SharedRegion;

/// Something that a process can be passed. Clones are the same thing.
#[derive(Clone)]
pub enum Object {
    /// An end of a channel.
    Channel(ChannelEnd),
    /// Memory.
    Region(SharedRegion),
    /// The console.
    Console(Console),
    /// Something of the application's.
    File(Arc<dyn File>),
    /// Control over a process.
    Child(Child),
}

macro_rules! from {
    ($($kind:ident($thing:ty))+) => {
        $(impl From<$thing> for Object {
            fn from(thing: $thing) -> Object {
                Object::$kind(thing)
            }
        })+
    };
}

from! { Channel(ChannelEnd) Region(SharedRegion) Console(Console) File(Arc<dyn File>) Child(Child) }

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Channel(end) => end.fmt(f),
            Object::Region(region) => region.fmt(f),
            Object::Console(console) => console.fmt(f),
            Object::File(_) => f.write_str("File"),
            Object::Child(child) => child.fmt(f),
        }
    }
}
