//! Addresses to places.
