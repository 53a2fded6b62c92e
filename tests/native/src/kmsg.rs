//! The kernel's inbox, from its own files, which hosted builds of libkern keep to themselves.
#![allow(dead_code)]

#[path = "../../../libkern/src/kmsg/inbox.rs"]
mod inbox;
#[path = "../../../libkern/src/kmsg/message.rs"]
mod message;

use std::ptr::NonNull;

pub(crate) use message::Message;

/// The queue of routine messages.
pub(crate) struct Inbox(inbox::Inbox);

impl Inbox {
    pub fn new() -> Self {
        Self(inbox::Inbox::new())
    }

    /// # Safety
    /// The message is in no queue, and the caller's, who gives it up.
    pub unsafe fn push(&self, message: NonNull<Message>) -> bool {
        // SAFETY: the caller's word.
        unsafe { self.0.routine.push(message) }
    }

    /// Takes all, and calls `f` with each.
    pub fn take(&self, mut f: impl FnMut(NonNull<Message>)) {
        let mut list = self.0.routine.take(|_| ());
        while let Some(message) = list.pop() {
            f(message);
        }
    }
}

pub(crate) fn message() -> Message {
    /// # Safety
    /// None is needed.
    unsafe fn nothing(_: NonNull<Message>, _: message::Here) {}
    Message::new(nothing)
}
