//! kthreads: suspended call stacks, and what they sleep on.
//!
//! A kthread is a call stack that can be put aside and taken up again, perhaps on another core: its saved stack pointer,
//! its stack, a name. (Seed `kthreads.txt`, What Are They.) Code blocks wherever it finds that it must wait, however deep;
//! the core goes on with something else, and nothing has to be torn into callbacks.
//!
//! ```ignore
//! let worker = kthread::spawn(|| compute());
//! kthread::sleep(Duration::from_millis(10));
//! println!("{}", worker.join());
//! ```
//!
//! | module | what it owns |
//! |---|---|
//! | [`switch`] | blocking, waking, and what a core goes on with |
//! | [`thread`] | the kthread itself and its states |
//! | [`wait`] | the lock that a sleeper leaves to be released |
//! | [`pool`] | kthreads that nobody uses |
//! | [`spawn`] | making one, and joining it |
//! | [`contain`] | panics that end one kthread |
//! | [`idle`] | what a core does between things |
//! | [`sleep`](mod@sleep) | sleeping until a moment |
//! | [`remote`] | calls on other cores |
//! | [`sync`] | what kthreads sleep on |
//! | [`sleepers`] | noticing those that sleep for too long |
//! | [`watch`] | noticing that all sleep for ever |
//! | [`dump`] | who is there |
//!
//! # What blocks, and where
//!
//! Functions that may block say so. They may be called in kthread context only: `main`, what was spawned, handlers of
//! routine messages; with no spin lock held and interrupts on. Anywhere else they panic at once, in optimised builds too,
//! and name the lock or the message. Whatever is per core is stale after one: the kthread may be on another core.
//!
//! # Cooperation
//!
//! kthreads of one core take turns only where they block or yield. Work that must run at the same time goes to different
//! cores; which one, its spawner and its wakers say. They come before processes, which have the cores that no kthread wants:
//! so one that yields where nobody but a process waits lets that run for a moment.
//!
//! # Panics
//!
//! A panic ends the image, whichever kthread it is in. Nothing can unwind a stack here, so what is on one could not be
//! dropped, and a lock held there would never be released. What was spawned by [`Builder::spawn_contained`] may end alone
//! instead, and [`join`](ContainedHandle::join) says so: its stack is leaked, and the locks that it had stay locked
//! ([`contain`] says why more is not to be had).

#[cfg(any(test, feature = "hosted"))]
mod hosted;
pub mod sync;

#[cfg(any(test, feature = "hosted"))]
pub(crate) use hosted::{
    Sleeper, Wait, WaitGuard, WaitLock, assert_may_block, block, block_as, current, unlock_and_wake,
    unlock_and_wake_on, wake, wake_on,
};

on_metal! {
    mod contain;
    mod dump;
    mod idle;
    mod pool;
    mod remote;
    mod sleep;
    mod sleepers;
    mod spawn;
    mod switch;
    mod thread;
    mod wait;
    mod watch;

    pub use contain::{ContainedHandle, Panicked};
    pub(crate) use contain::{EndAlone, may_end_alone};
    pub use dump::{Description, current_description, dump};
    pub(crate) use dump::{description_on, dump_stopped};
    pub(crate) use thread::Name;
    pub(crate) use idle::{READY, rename_current, restart as restart_idle, run as run_idle, set_idle_hook, unname_current};
    pub use idle::{finish, set_idle_poll};
    pub(crate) use pool::adopt_running;
    pub use pool::{DEFAULT_STACK, MAX_STACK, MIN_STACK, SpawnError, trim};
    pub use remote::{call, call_all, call_set, interrupt_set};
    pub use sleep::{sleep, sleep_until};
    pub use sleepers::set_sleep_limit;
    pub use spawn::{Builder, JoinHandle, id, spawn};
    pub use switch::yield_now;
    pub(crate) use switch::{assert_may_block, has_spare, block, block_as, current, unlock_and_wake, unlock_and_wake_on, wake, wake_on};
    pub(crate) use thread::{Sleeper, Wait};
    pub(crate) use wait::{WaitGuard, WaitLock};
    pub use watch::Expecting;
    pub(crate) use watch::is_deadlock;
}
