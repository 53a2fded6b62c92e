//! Programs of the host.
/// Sets whether missing programs may be installed.
pub fn set_no_install(_no: bool) {}
