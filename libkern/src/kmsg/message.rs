//! The cache line that is a message.
//!
//! A link, a function, and words that the function knows how to read. Most are nodes of a cache with a closure in them
//! (`closure`). One that its owner embeds in something, such as a kthread's launch message, has a function that does not
//! give its memory back.

use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use crate::sync::atomic::{AtomicPtr, Ordering};

/// Words that a closure may take without being boxed.
pub(super) const WORDS: usize = 5;

/// What a message's function is given, and what it may do.
///
/// # Safety
/// Called once for each time that the message was taken from a queue, on the core whose queue it was, with interrupts
/// off. From then on the message is the function's.
pub(crate) type Run = unsafe fn(NonNull<Message>);

/// One cache line: a link, a function, words, and when it began to wait.
///
/// # Invariants
/// While it is in a queue, `next` is [`unlinked`] until its sender has linked it; the rest is the queue's.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Message {
    pub(super) next: AtomicPtr<Message>,
    pub(super) run: Run,
    pub(super) words: [MaybeUninit<usize>; WORDS],
    /// Ticks of the clock when it became the first of an empty queue; 0 if it found others there.
    pub(super) since: u64,
}

#[cfg(not(all(loom, test)))]
const _: () = assert!(size_of::<Message>() == 64, "a message is a cache line");

impl Message {
    /// A message that is not in a queue.
    pub(crate) fn new(run: Run) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), run, words: [const { MaybeUninit::uninit() }; WORDS], since: 0 }
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

/// Messages that a core has taken from its queue, in the order in which they were sent.
///
/// # Invariants
/// Each is linked by `next` to the one sent after it, and is the owner's of the list.
#[derive(Debug, Default)]
pub(super) struct List {
    first: Option<NonNull<Message>>,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { first: None }
    }

    /// Puts a message before the others.
    ///
    /// # Safety
    /// The message is the caller's, who gives it up.
    #[inline(always)]
    pub(super) unsafe fn push_front(&mut self, message: NonNull<Message>) {
        let next = self.first.map_or(ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: the caller's message. Relaxed: a list is one core's.
        unsafe { message.as_ref() }.next.store(next, Ordering::Relaxed);
        self.first = Some(message);
    }

    pub(super) fn peek(&self) -> Option<NonNull<Message>> {
        self.first
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<NonNull<Message>> {
        let message = self.first?;
        // SAFETY: the list's own message (invariant of the type).
        self.first = NonNull::new(unsafe { message.as_ref() }.next.load(Ordering::Relaxed));
        Some(message)
    }

    /// Calls `f` with each, the first first.
    pub(super) fn for_each(&self, mut f: impl FnMut(&Message)) {
        let mut next = self.first;
        while let Some(message) = next {
            // SAFETY: the list's own message (invariant of the type).
            let message = unsafe { message.as_ref() };
            f(message);
            next = NonNull::new(message.next.load(Ordering::Relaxed));
        }
    }
}
