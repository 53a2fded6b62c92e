//! The machine: `x86_64`, and `hosted` for tests and tools on the host.

#[cfg(any(test, feature = "hosted"))]
mod hosted;
#[cfg(any(test, feature = "hosted"))]
pub use hosted::*;

#[cfg(not(any(test, feature = "hosted")))]
mod x86_64;
#[cfg(not(any(test, feature = "hosted")))]
pub use x86_64::*;
