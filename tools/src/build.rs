//! Turns a crate into an image.
