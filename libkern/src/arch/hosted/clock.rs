//! The host's clock, or one that a test moves.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

static START: OnceLock<Instant> = OnceLock::new();

thread_local! {
    static FAKE: RefCell<Option<FakeClock>> = const { RefCell::new(None) };
}

/// Nanoseconds since the clock was first read, or what the thread's [`FakeClock`] says.
pub fn now_ns() -> u64 {
    FAKE.with_borrow(|fake| match fake {
        Some(clock) => clock.now_ns(),
        None => START.get_or_init(Instant::now).elapsed().as_nanos() as u64,
    })
}

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct FakeClock {
    ns: Arc<AtomicU64>,
}

impl FakeClock {
    /// What it says.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.ns.load(Ordering::SeqCst)
    }

    /// Moves it. Back is not a direction, and does nothing.
    pub fn advance_to(&self, ns: u64) {
        self.ns.fetch_max(ns, Ordering::SeqCst);
    }

    /// Makes it the calling thread's clock, and gives the one that it had, to be put back with [`leave`].
    pub fn enter(&self) -> Option<Self> {
        FAKE.replace(Some(self.clone()))
    }
}

/// Gives the calling thread the clock that it had before; none is the host's.
pub fn leave(before: Option<FakeClock>) {
    FAKE.set(before);
}
