//! kthreads: suspended call stacks, and what they sleep on.

#[cfg(any(test, feature = "hosted"))]
mod hosted;
pub mod sync;

#[cfg(any(test, feature = "hosted"))]
pub(crate) use hosted::{Sleeper, Wait, WaitGuard, WaitLock, assert_may_block, block, current, wake, wake_on};
