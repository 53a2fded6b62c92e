//! What kthreads sleep on.
//!
//! | type | for |
//! |---|---|
//! | [`Semaphore`] | units that are taken and given |
//! | [`Mutex`] | data for one at a time |
//! | [`RwLock`] | data for many who look or one who changes |
//! | [`Condvar`] | until something about a mutex's data has changed |
//! | [`Rendezvous`] | until a condition holds, whatever it is about |
//! | [`Completion`] | until something is done |
//! | [`Barrier`] | until all have come |
//! | [`Once`], [`OnceLock`] | what whoever comes first does or makes |
//! | [`channel`] | values |
//!
//! All but channels can be statics, and allocate nothing.
//!
//! # Which context
//!
//! What may sleep is for kthreads, without a spin lock and with interrupts on; elsewhere it panics at once, also if it would
//! not have had to sleep. What wakes (`up`, `notify`, `wake`, `complete`, `try_send`, an unbounded channel's `send`, the end
//! of a guard) is for any context, interrupt handlers and holders of spin locks included, but NMI; so is what begins with
//! `try_`, except [`Mutex::try_lock`], whose lock belongs to a kthread.
//!
//! # Limits
//!
//! What may sleep comes in five forms: `op`, `op_timeout`, `op_until`, `op_abortable`, `op_abortable_until`. Limits are for the
//! sleep: what can be had at once is had, even if the time is up. A limit that is reached while what was waited for arrives
//! is decided one way or the other, and what was granted is never lost.
//!
//! # Fairness
//!
//! First come, first served, everywhere; what is free may be taken without queueing only while nobody queues.
//!
//! # How it is made
//!
//! [`waiter`] is how a kthread sleeps on an object, and has the hazards; [`limit`] is how a sleep is ended early, [`abort`]
//! the part of that which is the kthread's. Each type says in its own head what it adds.

mod abort;
mod barrier;
pub mod channel;
mod completion;
mod condvar;
mod limit;
mod mutex;
mod once;
mod rendezvous;
mod rwlock;
mod semaphore;
#[cfg(test)]
mod testing;
mod waiter;

pub(crate) use abort::AbortSlot;
pub use barrier::{Arrival, Barrier};
pub use completion::Completion;
pub use condvar::Condvar;
pub use limit::{Aborted, Interrupted, TimedOut};
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceLock};
pub use rendezvous::Rendezvous;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::Semaphore;
