//! Closures in messages, and what their handlers are given.
//!
//! A closure of up to five words lies in the message itself; a larger one is boxed, and the box's pointer lies there. The
//! message's function takes the closure out, gives the message's memory back, and calls the closure: so a handler that
//! never returns keeps nothing.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::local::{Local, open};
use super::message::{Here, Message, WORDS};

impl Message {
    /// Puts a closure in, in place or boxed, and the function that will call it.
    ///
    /// # Safety
    /// The message is a node of the cache, and the caller's.
    #[inline(always)]
    pub(super) unsafe fn fill<C: Context, F: FnOnce(C) + Send>(this: NonNull<Self>, f: F) {
        // SAFETY: the caller's message. The words are as long and as aligned as what is written there.
        unsafe {
            let words = (&raw mut (*this.as_ptr()).words).cast::<()>();
            if const { in_place::<F>() } {
                words.cast::<F>().write(f);
                (*this.as_ptr()).run = C::run::<F>;
            } else {
                words.cast::<Box<F>>().write(Box::new(f));
                (*this.as_ptr()).run = C::run_boxed::<F>;
            }
        }
    }
}

const fn in_place<F>() -> bool {
    size_of::<F>() <= WORDS * size_of::<usize>() && align_of::<F>() <= align_of::<usize>()
}

/// What a handler of an immediate message is given: proof that it is one. It runs in interrupt context, interrupts off,
/// and must not block.
#[derive(Debug)]
pub struct Immediate {
    /// It speaks of the core and the moment.
    _here: PhantomData<*mut ()>,
}

/// What a handler of a routine message is given: proof that it is one. It runs in kthread context, interrupts on; it may
/// block, and it need not return (`kthread::finish`).
#[derive(Debug)]
pub struct Routine {
    /// It speaks of the kthread.
    _here: PhantomData<*mut ()>,
}

/// A kind of message, by what its handlers are given.
pub(super) trait Context: Sized {
    /// The function of a message with a closure in it.
    ///
    /// # Safety
    /// As for [`Run`]; the message holds an `F`.
    unsafe fn run<F: FnOnce(Self)>(message: NonNull<Message>, here: Here);

    /// The function of a message with a boxed closure in it.
    ///
    /// # Safety
    /// As for [`Run`]; the message holds a `Box<F>`.
    unsafe fn run_boxed<F: FnOnce(Self)>(message: NonNull<Message>, here: Here);
}

/// Takes what the message holds, and gives its memory back.
///
/// # Safety
/// The message is a node of the cache, holds a `T`, and is the caller's; interrupts are off, and `here` is the core's.
#[inline(always)]
unsafe fn take<T>(message: NonNull<Message>, here: Here) -> T {
    // SAFETY: the caller's word.
    unsafe {
        let held = (&raw const (*message.as_ptr()).words).cast::<T>().read();
        Local::of(here).nodes.give(message);
        held
    }
}

impl Context for Immediate {
    unsafe fn run<F: FnOnce(Self)>(message: NonNull<Message>, here: Here) {
        // SAFETY: the caller's word.
        let f: F = unsafe { take(message, here) };
        f(Immediate { _here: PhantomData });
    }

    unsafe fn run_boxed<F: FnOnce(Self)>(message: NonNull<Message>, here: Here) {
        // SAFETY: the caller's word.
        let f: Box<F> = unsafe { take(message, here) };
        f(Immediate { _here: PhantomData });
    }
}

impl Context for Routine {
    unsafe fn run<F: FnOnce(Self)>(message: NonNull<Message>, here: Here) {
        // SAFETY: the caller's word.
        let f: F = unsafe { take(message, here) };
        open();
        f(Routine { _here: PhantomData });
    }

    unsafe fn run_boxed<F: FnOnce(Self)>(message: NonNull<Message>, here: Here) {
        // SAFETY: the caller's word.
        let f: Box<F> = unsafe { take(message, here) };
        open();
        f(Routine { _here: PhantomData });
    }
}
