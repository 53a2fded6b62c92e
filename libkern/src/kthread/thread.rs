//! What a kthread is: a suspended call stack, and what there is to say about it.
//!
//! ```text
//!             take            launched                blocks, yields
//!   Pooled ----------> New ------------> Active: runs <----------------> sleeps
//!     ^                                   |   ^           launched
//!     |  joined or detached, and left     |   | consumed
//!     +------------- Ended <--------------+   |
//!     |                          ends     v   |
//!     +---------------------------------- Spare
//!            a newer spare came           (left for ever by a launch)
//! ```
//!
//! `take`: `pool`. `launched`, `blocks`, `consumed`, left: `switch`. `ends`, joined: `spawn`. A kthread that runs the idle
//! loop is Active like any other; it has no more of a struct than they.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::contain::Contained;
use super::dump::Place;
use super::sync::AbortSlot;
use super::wait::WaitLock;
use crate::arch::core_block::StackBounds;
use crate::kmsg::Message;
use crate::mem::stack::KernelStack;

/// The longest name that is kept whole, in bytes.
const NAME_LEN: usize = 23;

/// What a kthread is. Of one that is Active, its core's word and what it waits for say more (`dump`): changing a state at
/// every switch would be two more stores there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Kept for later, with its stack.
    Pooled,
    /// Made, and not launched yet.
    New,
    /// Running or asleep.
    Active,
    /// Kept by a core for the next time that something blocks there.
    Spare,
    /// At its end, and not joined yet.
    Ended,
}

/// How a kthread's end is told to whoever joins it.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) has_ended: bool,
    pub(super) is_detached: bool,
    pub(super) joiner: Option<Sleeper>,
}

/// A call stack.
///
/// # Invariants
/// Made by `pool::create`, and lives until `pool` destroys it. While it runs, its core and it alone use the cells; while it
/// sleeps they are whoever's who has it from the queue it sleeps in; else its owner's.
#[repr(C, align(64))]
pub(crate) struct Kthread {
    /// First, so that a launch message's address is its kthread's.
    pub(super) launch: UnsafeCell<Message>,
    /// The stack pointer, while it does not run.
    pub(super) sp: Cell<usize>,
    pub(super) bounds: StackBounds,
    /// The core that it runs on or ran on last.
    pub(super) core: Cell<u32>,
    pub(super) state: AtomicU8,
    /// What it waits for.
    pub(super) wait: Cell<Wait>,
    /// Ticks of the clock since when; 0 if only for its turn.
    pub(super) since: AtomicU64,
    /// What `since` was when a sleep was reported as too long.
    pub(super) reported: AtomicU64,
    pub(super) name: Cell<Name>,
    pub(super) id: u64,
    pub(super) ending: WaitLock<Ending>,
    pub(super) abort: AbortSlot,
    /// What it finds when it panics, if it is to end alone; see `contain`. On its stack.
    pub(super) contained: Cell<Option<NonNull<Contained>>>,
    /// What it was made to run; see `spawn`.
    pub(super) work: Cell<Option<super::spawn::Work>>,
    /// The next one in the pool, or in a list of those that go.
    pub(super) next: Cell<Option<NonNull<Kthread>>>,
    pub(super) place: Place,
    pub(super) stack: KernelStack,
}

// SAFETY: the type's invariant says who uses the cells when; handing over is under a lock or by a message.
unsafe impl Sync for Kthread {}
// SAFETY: it is no core's.
unsafe impl Send for Kthread {}

impl Kthread {
    pub(super) fn new(stack: KernelStack, id: u64) -> Self {
        let (lo, hi) = stack.bounds();
        Self {
            launch: UnsafeCell::new(Message::new(super::switch::launch)),
            sp: Cell::new(0),
            bounds: StackBounds { lo, hi },
            core: Cell::new(0),
            state: AtomicU8::new(State::Pooled as u8),
            wait: Cell::new(Wait::NOTHING),
            since: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            name: Cell::new(Name::EMPTY),
            id,
            ending: WaitLock::new(Ending::default()),
            abort: AbortSlot::new(),
            contained: Cell::new(None),
            work: Cell::new(None),
            next: Cell::new(None),
            place: Place::new(),
            stack,
        }
    }

    /// The message that launches it.
    #[inline(always)]
    pub(super) fn message(&self) -> NonNull<Message> {
        // SAFETY: the address of a field.
        unsafe { NonNull::new_unchecked(self.launch.get()) }
    }

    #[inline(always)]
    pub(super) fn set_state(&self, state: State) {
        // Relaxed: a word for dumps.
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Pooled,
            1 => State::New,
            2 => State::Active,
            3 => State::Spare,
            _ => State::Ended,
        }
    }

    /// Bytes of its stack.
    pub(super) fn stack_len(&self) -> usize {
        self.bounds.hi - self.bounds.lo
    }
}

/// A kthread that sleeps or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sleeper(pub(super) NonNull<Kthread>);

// SAFETY: what it leads to is shared by the protocol of the queue that it is in.
unsafe impl Send for Sleeper {}
// SAFETY: as above.
unsafe impl Sync for Sleeper {}

impl Sleeper {
    /// A number that no other kthread has while this one lives; neither 0 nor odd.
    #[inline(always)]
    pub(crate) fn addr(self) -> usize {
        self.0.addr().get()
    }

    /// Where the kthread can be asked to give up what it waits for.
    pub(crate) fn abort_slot(&self) -> &AbortSlot {
        // SAFETY: alive while it sleeps or runs, and so while somebody has this of it.
        &unsafe { self.0.as_ref() }.abort
    }
}

/// The kthread's name, or its number.
impl fmt::Display for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: as in `abort_slot`.
        let kthread = unsafe { self.0.as_ref() };
        match kthread.name.get().as_str() {
            "" => write!(f, "kthread {}", kthread.id),
            name => f.write_str(name),
        }
    }
}

/// What a sleeper waits for, for dumps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// The kind of object.
    pub(crate) kind: &'static str,
    /// Its address, or its number; 0 if that is its own time.
    pub(crate) object: usize,
}

impl Wait {
    pub(super) const NOTHING: Wait = Wait { kind: "nothing", object: 0 };

    /// Whether the kthread waits for a moment that it chose itself.
    pub(super) fn is_for_time(self) -> bool {
        self.object == 0
    }
}

/// A short name, cut at a character's end: its length and its bytes. Three words, and copied as such, being one array.
#[derive(Clone, Copy)]
#[repr(align(8))]
pub(crate) struct Name([u8; 1 + NAME_LEN]);

impl Name {
    pub(super) const EMPTY: Name = Name([0; 1 + NAME_LEN]);

    pub(crate) fn new(name: &str) -> Self {
        let len = name.floor_char_boundary(NAME_LEN);
        let mut bytes = [0; 1 + NAME_LEN];
        bytes[0] = len as u8;
        bytes[1..=len].copy_from_slice(&name.as_bytes()[..len]);
        Name(bytes)
    }

    pub(super) fn as_str(&self) -> &str {
        let [len, bytes @ ..] = &self.0;
        core::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or("?")
    }
}
