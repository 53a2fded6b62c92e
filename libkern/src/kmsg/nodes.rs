//! Where messages' memory comes from.
//!
//! Each core has a list of free messages. A send takes one from the sender's list, and the handler's core puts it into its
//! own, so that between cores that send both ways nothing moves. Where they do not, the receiver's list grows and the
//! sender's runs dry: a full list gives a batch to the *depot*, a dry one takes one from there, and only a depot without
//! batches asks the heap. A depot with many gives them back.
//!
//! The depot takes no lock: a batch is put in by a compare-exchange, and all of them are taken at once by an exchange, of
//! which the taker keeps one and puts the others back. (Taking only the first would need a way to know that it is still
//! the first: the ABA problem.) A core that finds the depot empty because another holds its batches for that moment asks
//! the heap; what is too much by that goes back to it later.

use alloc::alloc::{alloc, dealloc, handle_alloc_error};
use core::alloc::Layout;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::message::{Message, NODE};

/// Messages that move between a core and the depot at a time.
const BATCH: isize = 32;
/// The most that a core keeps.
const MOST: isize = 2 * BATCH;
/// The most batches that the depot keeps.
const DEPOT_MOST: usize = 64;

/// A core's messages.
///
/// # Invariants
/// `free` leads to those that are free, each by its link to the next, and then to null. With those that wait to be run on
/// this core, once it has taken them from its queue, they are [`MOST`]` - room`. So a message that a core sends to itself
/// changes no count.
pub(super) struct Cache {
    free: *mut Message,
    /// How many more it would have.
    room: isize,
}

impl Cache {
    pub(super) const fn new() -> Self {
        Self { free: ptr::null_mut(), room: MOST }
    }

    /// A message. It is one of the core's as long as [`gone`](Self::gone) does not say otherwise.
    #[inline(always)]
    pub(super) fn take(&mut self) -> NonNull<Message> {
        self.try_take().unwrap_or_else(|| self.refill())
    }

    /// A message, if there is one here.
    #[inline(always)]
    pub(super) fn try_take(&mut self) -> Option<NonNull<Message>> {
        let message = NonNull::new(self.free)?;
        // SAFETY: the cache's own.
        self.free = unsafe { message.as_ref() }.next.load(Ordering::Relaxed);
        Some(message)
    }

    /// Gives a message back that is one of the core's.
    ///
    /// # Safety
    /// The message came from [`Cache::take`] of some core, and is the caller's, who gives it up.
    #[inline(always)]
    pub(super) unsafe fn give(&mut self, message: NonNull<Message>) {
        // SAFETY: the caller's word. Relaxed: the cache is one core's.
        unsafe { message.as_ref() }.next.store(self.free, Ordering::Relaxed);
        self.free = message.as_ptr();
    }

    /// A message that was taken has been put into a queue.
    #[inline(always)]
    pub(super) fn gone(&mut self) {
        self.room += 1;
    }

    /// `count` messages have come out of the core's queue.
    #[inline(always)]
    pub(super) fn come(&mut self, count: isize) {
        self.room -= count;
        self.trim();
    }

    /// Gives to the depot what is too many.
    #[inline(always)]
    pub(super) fn trim(&mut self) {
        if self.room < 0 {
            self.spill();
        }
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> NonNull<Message> {
        if let Some(batch) = take_batch() {
            // SAFETY: the batch is ours now, linked by `spill`.
            self.free = unsafe { word(batch, 1).read() };
            self.room -= BATCH;
            return batch;
        }
        self.room -= 1;
        // SAFETY: the layout has a size.
        let message = unsafe { alloc(LAYOUT) }.cast::<Message>();
        let message = NonNull::new(message).unwrap_or_else(|| handle_alloc_error(LAYOUT));
        // SAFETY: fresh memory; whoever takes it fills in the rest.
        unsafe { (&raw mut (*message.as_ptr()).since).write(NODE) };
        message
    }

    /// Gives batches to the depot while there are too many and enough of them are free. The others wait to be run, and are
    /// looked at the next time. A batch's first message holds the rest of it in its second word.
    #[cold]
    #[inline(never)]
    fn spill(&mut self) {
        while self.room < 0 {
            let Some(batch) = NonNull::new(self.free) else { return };
            let mut last = batch;
            for _ in 1..BATCH {
                // SAFETY: the cache's own.
                let Some(next) = NonNull::new(unsafe { last.as_ref() }.next.load(Ordering::Relaxed)) else { return };
                last = next;
            }
            // SAFETY: as above.
            unsafe {
                self.free = last.as_ref().next.load(Ordering::Relaxed);
                last.as_ref().next.store(ptr::null_mut(), Ordering::Relaxed);
                word(batch, 1).write(batch.as_ref().next.load(Ordering::Relaxed));
            }
            self.room += BATCH;
            put_batch(batch);
        }
    }
}

/// The batch put in last. A batch is its first message; that one's first word is the batch put in before it, the second
/// the rest of its list.
static DEPOT: AtomicPtr<Message> = AtomicPtr::new(ptr::null_mut());
static DEPOT_LEN: AtomicUsize = AtomicUsize::new(0);

/// What a message is allocated as: two cache lines, of which the heap keeps a word. Of a message's own size, the heap would
/// collect pieces in which no message can be aligned, and look through all of them for the next one; so a send to a core
/// that does not keep up would take the longer, the further that core is behind.
const LAYOUT: Layout =
    match Layout::from_size_align(2 * size_of::<Message>() - size_of::<usize>(), align_of::<Message>()) {
        Ok(layout) => layout,
        Err(_) => panic!("the size of two cache lines"),
    };

fn word(batch: NonNull<Message>, index: usize) -> *mut *mut Message {
    // SAFETY: a free message, whose words nobody else uses.
    unsafe { (&raw mut (*batch.as_ptr()).words[index]).cast() }
}

fn put_batch(batch: NonNull<Message>) {
    // Relaxed: a bound that may be overrun by as many batches as there are cores.
    if DEPOT_LEN.load(Ordering::Relaxed) < DEPOT_MOST {
        DEPOT_LEN.fetch_add(1, Ordering::Relaxed);
        return put_chain(batch, batch);
    }
    // SAFETY: the batch is ours, linked by `spill`; allocated by `refill` with this layout.
    unsafe {
        let mut next = word(batch, 1).read();
        dealloc(batch.as_ptr().cast(), LAYOUT);
        while let Some(message) = NonNull::new(next) {
            next = message.as_ref().next.load(Ordering::Relaxed);
            dealloc(message.as_ptr().cast(), LAYOUT);
        }
    }
}

/// Puts batches that are linked from `first` to `last` into the depot.
fn put_chain(first: NonNull<Message>, last: NonNull<Message>) {
    let mut before = DEPOT.load(Ordering::Relaxed);
    loop {
        // SAFETY: the chain is ours until the exchange.
        unsafe { word(last, 0).write(before) };
        // Release: pairs with the exchange in `take_batch`.
        match DEPOT.compare_exchange_weak(before, first.as_ptr(), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => before = now,
        }
    }
}

fn take_batch() -> Option<NonNull<Message>> {
    // Acquire: pairs with `put_chain`; each put reads the one before, so that one exchange synchronises with all.
    let batch = NonNull::new(DEPOT.swap(ptr::null_mut(), Ordering::Acquire))?;
    DEPOT_LEN.fetch_sub(1, Ordering::Relaxed);
    // SAFETY: all batches in the depot were ours from the exchange on.
    if let Some(others) = NonNull::new(unsafe { word(batch, 0).read() }) {
        let mut last = others;
        // SAFETY: as above.
        while let Some(next) = NonNull::new(unsafe { word(last, 0).read() }) {
            last = next;
        }
        put_chain(others, last);
    }
    Some(batch)
}
