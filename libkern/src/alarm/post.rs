//! How an alarm's message gets to its core: as a kernel message; on the host into a list, which a test works off.

#[cfg(test)]
pub(super) use hosted::run;
#[cfg(any(test, feature = "hosted"))]
pub(super) use hosted::{Letter, Open, send, tell};
#[cfg(not(any(test, feature = "hosted")))]
pub(super) use metal::{Letter, Open, send, tell};

#[cfg(not(any(test, feature = "hosted")))]
mod metal {
    use core::cell::UnsafeCell;
    use core::mem::offset_of;
    use core::ptr::NonNull;

    use crate::arch::irq;
    use crate::kmsg::{self, Here, Message};
    use crate::time::timer;

    /// A routine message of its owner's.
    pub(in crate::alarm) struct Letter {
        message: UnsafeCell<Message>,
        open: Open,
    }

    /// What a letter that was taken from an inbox is given to, in kthread context.
    ///
    /// # Safety
    /// Called once for each time that it was sent, with that letter.
    pub(in crate::alarm) type Open = unsafe fn(NonNull<Letter>);

    impl Letter {
        /// One that is in no inbox.
        pub(in crate::alarm) fn new(open: Open) -> Self {
            Self { message: UnsafeCell::new(Message::new(take)), open }
        }
    }

    /// Sends it. Interrupts on or off.
    ///
    /// # Safety
    /// It is in no inbox, and stays where it is until it is opened.
    pub(in crate::alarm) unsafe fn send(letter: NonNull<Letter>, core: usize) {
        let flags = irq::save_and_disable();
        // SAFETY: the caller's word; interrupts are off, and the flags the innermost.
        unsafe {
            let message = letter.byte_add(offset_of!(Letter, message)).cast::<Message>();
            kmsg::post_routine(core, message);
            irq::restore(flags);
        }
    }

    /// # Safety
    /// As for a message's function; the message is a letter's.
    unsafe fn take(message: NonNull<Message>, _: Here) {
        // SAFETY: the caller's word. Routine messages run in kthread context.
        unsafe {
            let letter = message.byte_sub(offset_of!(Letter, message)).cast::<Letter>();
            irq::enable();
            (letter.as_ref().open)(letter);
        }
    }

    /// Has a core's hardware programmed for a timer that was armed from here.
    pub(in crate::alarm) fn tell(core: usize) {
        kmsg::send_immediate(core, |_| timer::program());
    }
}

#[cfg(any(test, feature = "hosted"))]
mod hosted {
    use core::ptr::NonNull;
    use std::cell::RefCell;
    use std::vec::Vec;

    std::thread_local! {
        static SENT: RefCell<Vec<NonNull<Letter>>> = const { RefCell::new(Vec::new()) };
    }

    /// Stands for a routine message.
    pub(in crate::alarm) struct Letter {
        open: Open,
    }

    /// What a letter that was taken from the list is given to.
    ///
    /// # Safety
    /// Called once for each time that it was sent, with that letter.
    pub(in crate::alarm) type Open = unsafe fn(NonNull<Letter>);

    impl Letter {
        pub(in crate::alarm) fn new(open: Open) -> Self {
            Self { open }
        }
    }

    /// Sends it: to the calling thread, whichever core that is.
    ///
    /// # Safety
    /// It is in no list, and stays where it is until it is opened.
    pub(in crate::alarm) unsafe fn send(letter: NonNull<Letter>, _core: usize) {
        SENT.with_borrow_mut(|sent| {
            assert!(!sent.contains(&letter), "a message is sent that is in an inbox already");
            sent.push(letter);
        });
    }

    /// There is no hardware to program.
    pub(in crate::alarm) fn tell(_core: usize) {}

    /// Opens what was sent to the calling thread so far. How many there were.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests are what works messages off"))]
    pub(in crate::alarm) fn run() -> usize {
        let sent = SENT.take();
        for &letter in &sent {
            // SAFETY: it was sent, and nobody else has taken it; by the word of who sent it.
            unsafe { (letter.as_ref().open)(letter) };
        }
        sent.len()
    }
}
