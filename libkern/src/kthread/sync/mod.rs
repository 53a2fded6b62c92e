//! What kthreads sleep on.

mod abort;
mod limit;
mod semaphore;
#[cfg(test)]
mod testing;
mod waiter;

pub(crate) use abort::AbortSlot;
pub use limit::{Aborted, Interrupted, TimedOut};
pub use semaphore::Semaphore;
