//! The machine layer on the host.
