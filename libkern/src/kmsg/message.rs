//! The cache line that is a message.
//!
//! A link, a function, and words that the function knows how to read. Most are nodes of a cache with a closure in them
//! (`closure`). One that its owner embeds in something, such as a kthread's launch message, has a function that does not
//! give its memory back.

#[cfg(not(all(loom, test)))]
use core::hint::select_unpredictable;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::{self, NonNull};

use crate::sync::atomic::{AtomicPtr, Ordering};

/// Words that a closure may take without being boxed.
pub(super) const WORDS: usize = 5;

/// What a message's function is given, and what it may do.
///
/// # Safety
/// Called once for each time that the message was taken from a queue, on the core whose queue it was, with interrupts
/// off, and with that core's own. From then on the message is the function's.
pub(crate) type Run = unsafe fn(NonNull<Message>, Here);

/// What the running core has for messages, as an address: to whoever is given it, a word to be handed on. Goes stale like
/// a core's number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here(pub(super) NonNull<()>);

/// One cache line: a link, a function, words, whether it is a node of a cache, and when it began to wait.
///
/// # Invariants
/// While it is in a queue, `next` is [`unlinked`] until its sender has linked it; the rest is the queue's.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Message {
    pub(super) next: AtomicPtr<Message>,
    pub(super) run: Run,
    pub(super) words: [MaybeUninit<usize>; WORDS],
    /// Ticks of the clock when another core sent it, with [`NODE`] as the lowest bit.
    pub(super) since: u64,
}

/// Set in `since` of a node of a cache.
pub(super) const NODE: u64 = 1;

#[cfg(not(all(loom, test)))]
const _: () = assert!(size_of::<Message>() == 64, "a message is a cache line");

impl Message {
    /// A message that is not in a queue.
    pub(crate) fn new(run: Run) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), run, words: [const { MaybeUninit::uninit() }; WORDS], since: 0 }
    }

    /// Notes when it was sent.
    #[inline(always)]
    pub(super) fn stamp(&mut self, now_ticks: u64) {
        self.since = now_ticks & !NODE | self.since & NODE;
    }

    /// What it will call.
    pub(crate) fn run(&self) -> Run {
        self.run
    }
}

/// What `next` is from the exchange that publishes a message to the store that links it.
pub(super) fn unlinked() -> *mut Message {
    ptr::without_provenance_mut(1)
}

/// Messages in a row, of one core.
///
/// # Invariants
/// Each is linked by `next` to the one after it, the last one to null, and is the owner's of the list. `last` is the last
/// one if there is a first.
#[derive(Debug)]
pub(super) struct List {
    first: *mut Message,
    last: *mut Message,
}

// SAFETY: what is in the list is its owner's, whichever core that is on.
unsafe impl Send for List {}

impl List {
    /// Where the word is that is not zero if there is a message.
    #[allow(dead_code, reason = "for assembly, which the host has none of")]
    pub(super) const FIRST: usize = offset_of!(List, first);

    pub(super) const fn new() -> Self {
        Self { first: ptr::null_mut(), last: ptr::null_mut() }
    }

    /// Puts a message before the others.
    ///
    /// # Safety
    /// The message is the caller's, who gives it up.
    #[inline(always)]
    pub(super) unsafe fn push_front(&mut self, message: NonNull<Message>) {
        // SAFETY: the caller's message. Relaxed: a list is one core's.
        unsafe { message.as_ref() }.next.store(self.first, Ordering::Relaxed);
        if self.first.is_null() {
            self.last = message.as_ptr();
        }
        self.first = message.as_ptr();
    }

    /// Puts a message into the list, in which is none.
    ///
    /// # Safety
    /// The message is the caller's, who gives it up.
    #[cfg(not(all(loom, test)))]
    #[inline(always)]
    pub(super) unsafe fn begin(&mut self, message: NonNull<Message>) {
        debug_assert!(self.first.is_null(), "the list is not empty");
        // SAFETY: the caller's message. Relaxed: a list is one core's.
        unsafe { message.as_ref() }.next.store(ptr::null_mut(), Ordering::Relaxed);
        self.first = message.as_ptr();
        self.last = message.as_ptr();
    }

    /// Puts a message after the others.
    ///
    /// # Safety
    /// The message is the caller's, who gives it up.
    #[cfg(not(all(loom, test)))]
    #[inline(always)]
    pub(super) unsafe fn push_back(&mut self, message: NonNull<Message>) {
        // SAFETY: the caller's message, and the list's last one. Relaxed: as above.
        unsafe {
            message.as_ref().next.store(ptr::null_mut(), Ordering::Relaxed);
            // A conditional move costs less than a branch here.
            let link = select_unpredictable(self.first.is_null(), &raw mut self.first, self.last.cast());
            link.write(message.as_ptr());
        }
        self.last = message.as_ptr();
    }

    /// Puts all of `others` after these.
    #[cfg(not(all(loom, test)))]
    pub(super) fn append(&mut self, others: List) {
        if others.first.is_null() {
            return;
        }
        match self.first.is_null() {
            true => self.first = others.first,
            // SAFETY: the list's last one.
            false => unsafe { (*self.last).next.store(others.first, Ordering::Relaxed) },
        }
        self.last = others.last;
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<NonNull<Message>> {
        NonNull::new(self.first)
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<NonNull<Message>> {
        let message = NonNull::new(self.first)?;
        // SAFETY: the list's own message (invariant of the type).
        self.first = unsafe { message.as_ref() }.next.load(Ordering::Relaxed);
        Some(message)
    }

    /// Calls `f` with each, the first first.
    pub(super) fn for_each(&self, mut f: impl FnMut(&Message)) {
        let mut next = self.first;
        // SAFETY: the list's own messages (invariant of the type).
        while let Some(message) = unsafe { next.as_ref() } {
            f(message);
            next = message.next.load(Ordering::Relaxed);
        }
    }
}
