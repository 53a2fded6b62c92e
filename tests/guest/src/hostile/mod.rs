//! What the suites of the hostile corpus share.

pub mod random;
pub mod support;
