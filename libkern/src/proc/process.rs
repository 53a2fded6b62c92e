//! The process.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::Ordering;

use mcp_abi::call::CallSet;
use mcp_abi::handle::Handle;
use mcp_abi::process::{Data, Registers, VcoreSlot};

use super::current::SLICE_NS;
use super::event::Alarm;
use super::exit::Exit;
use super::fault::Handler;
use super::image::BuildId;
use super::object::Object;
use super::state::State;
use super::table::Table;
use crate::arch::user::Context;
use crate::kthread::{Name, Sleeper};
use crate::kthread::sync::Completion;
use crate::mem::space::Space;
use crate::sync::{IrqSpinLock, SpinLock};

/// What stays of a process when it is gone, and what its parent has of it.
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) name: String,
    /// What kthreads are called that work for it.
    pub(super) kthread_name: Name,
    pub(super) exit: IrqSpinLock<Option<Exit>>,
    /// At the fault that it died of: one, if it died of one and there was memory. Not with how it ended, which is copied
    /// about for all.
    pub(super) registers: IrqSpinLock<Vec<Registers>>,
    /// Complete once everything that the process had is free.
    pub(super) gone: Completion,
}

impl Record {
    /// Notes the registers at a fault. Where there is no memory for that, the report does without them.
    pub(super) fn keep(&self, registers: Registers) {
        let mut kept = Vec::new();
        if kept.try_reserve_exact(1).is_ok() {
            kept.push(registers);
        }
        *self.registers.lock() = kept;
    }
}

/// An isolated process.
///
/// # Invariants
/// The context is its core's while it is on one, and nobody's else. `next` is the ready queue's. Page pointers are to
/// pages of the space that are pinned.
pub struct Proc {
    /// First, so that its frames are free before anybody is told that the process is gone.
    pub(super) space: Space,
    pub(super) record: Arc<Record>,
    pub(super) slot: *const VcoreSlot,
    pub(super) data: *const Data,
    pub(super) handles: SpinLock<Table<Object>>,
    /// Whether it was passed any.
    pub(super) has_handles: bool,
    pub(super) load_offset: usize,
    /// Its program's.
    pub(super) build_id: Option<BuildId>,
    pub(super) arena: Range<usize>,
    /// The calls that it was given.
    pub(super) allowed: CallSet,
    pub(super) on_denied: OnDenied,
    /// How long it may be on a core, in nanoseconds.
    pub(super) limit_ns: u64,
    pub(super) context: UnsafeCell<Context>,
    /// Where it goes on after a fault.
    pub(super) handler: Handler,
    /// The next in the ready queue.
    pub(super) next: Cell<*const Proc>,
    pub(super) alarm: Alarm,
    pub(super) inner: IrqSpinLock<Inner>,
    /// Last.
    pub(super) _announcement: Announcement,
}

// SAFETY: the invariants say who uses what; the rest is shared by type.
unsafe impl Send for Proc {}
// SAFETY: as above.
unsafe impl Sync for Proc {}

/// What happens to a process that makes a call it was not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDenied {
    /// The call fails, and nothing else happens.
    #[default]
    Fail,
    /// It dies.
    Kill,
}

/// A call that has blocked: a place in its process's list.
///
/// # Invariants
/// Used under the process's lock, or by its kthread before it is in the list and after.
pub(super) struct Blocked {
    /// The process, to which it refers.
    pub(super) proc: *const Proc,
    /// The call's address, or 0 for a fault.
    pub(super) call: usize,
    pub(super) sleeper: Sleeper,
    pub(super) next: Cell<*const Blocked>,
}

/// For the way in of system calls, which is assembly.
pub(crate) mod offsets {
    pub(crate) const ALLOWED: usize = core::mem::offset_of!(super::Proc, allowed);
}

/// What a process's lock protects.
pub(super) struct Inner {
    pub(super) state: State,
    /// The core it is on.
    pub(super) core: Option<usize>,
    /// How often it has been given a core.
    pub(super) turns: u64,
    /// How long it was on one, in nanoseconds, until `since_ns` of the clock; and since then, if it is on one.
    pub(super) run_ns: u64,
    pub(super) since_ns: u64,
    /// How long its turn lasts, or what is left of it, in nanoseconds.
    pub(super) turn_left_ns: u64,
    /// How many work for it: the core that it is on, kthreads, a message with the rest of a batch.
    pub(super) busy: usize,
    /// Calls that have blocked, by the first's address.
    pub(super) blocked: *const Blocked,
    /// How many there are, and of those behind in a batch that is done later.
    pub(super) blocked_count: usize,
    /// How it ends, once it is dying.
    pub(super) exit: Option<Exit>,
    /// Events that were put into the ring of vcore 0: what the process sees is a copy.
    pub(super) events_put: u32,
    /// Whether its reference to itself is given up.
    pub(super) is_over: bool,
}

impl Inner {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Created,
            core: None,
            turns: 0,
            run_ns: 0,
            since_ns: 0,
            turn_left_ns: SLICE_NS,
            busy: 0,
            blocked: ptr::null(),
            blocked_count: 0,
            exit: None,
            events_put: 0,
            is_over: false,
        }
    }

    /// Counts the time until `now_ns` of the clock, which is on a core.
    pub(super) fn count_time(&mut self, now_ns: u64) {
        self.run_ns += now_ns - self.since_ns;
        self.since_ns = now_ns;
    }

    /// Whether it has died and nobody works for it. Says so once.
    pub(super) fn ends_now(&mut self) -> bool {
        let ends = self.state.is_dying() && self.busy == 0 && !self.is_over;
        self.is_over |= ends;
        ends
    }
}

/// Tells those who wait that the process is gone.
pub(super) struct Announcement(pub(super) Arc<Record>);

impl Drop for Announcement {
    fn drop(&mut self) {
        self.0.gone.complete();
    }
}

impl Proc {
    /// Its number, which no other process of this boot has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.record.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Which calls it was given.
    #[inline(always)]
    pub(crate) fn allowed(&self) -> &CallSet {
        &self.allowed
    }

    /// Its address space.
    #[inline(always)]
    pub(crate) fn space(&self) -> &Space {
        &self.space
    }

    /// Where it maps what it does not say a place for.
    pub(crate) fn arena(&self) -> Range<usize> {
        self.arena.clone()
    }

    /// What happens if it makes another one.
    pub(crate) fn on_denied(&self) -> OnDenied {
        self.on_denied
    }

    /// The page of its vcore 0, which it can write.
    pub(super) fn slot(&self) -> &VcoreSlot {
        // SAFETY: pinned as long as the space is there; nothing in it is touched but by atomics and volatile copies.
        unsafe { &*self.slot }
    }

    /// Shows the process whether the other end of a channel is closed.
    pub(super) fn show_closed(&self, handle: Handle, is_closed: bool) {
        // SAFETY: pinned as long as the space is there, and touched by atomics only.
        let words = unsafe { &(*self.data).closed };
        let (word, bit) = (&words[handle.index() / 64], 1 << (handle.index() % 64));
        // Release: what the other end did before. Partner: the process's load.
        match is_closed {
            true => word.fetch_or(bit, Ordering::Release),
            false => word.fetch_and(!bit, Ordering::Release),
        };
    }

    /// A reference of one's own.
    ///
    /// # Safety
    /// The caller's reference is to a process that somebody else refers to, and so is alive.
    pub(crate) unsafe fn to_arc(&self) -> Arc<Proc> {
        // SAFETY: processes are made in an `Arc`; the caller's word.
        unsafe {
            Arc::increment_strong_count(self);
            Arc::from_raw(self)
        }
    }

    /// Its state, as it is or was a moment ago.
    #[must_use]
    pub fn state(&self) -> State {
        self.inner.lock().state
    }
}

impl fmt::Debug for Proc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proc").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}
