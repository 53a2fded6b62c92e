//! Turns a crate into an image: cargo builds it, and what comes out is checked before anything boots it.
//!
//! Images and the tools that boot them share a target triple, so one cargo invocation must never build both.
//! Therefore each image is a cargo invocation of its own, in the package's own directory: cargo finds its
//! configuration (`.cargo/config.toml`) by the directory it is started in, and a package outside this
//! workspace has its own.

mod cargo;
pub mod check;
mod diagnose;
mod image;
mod note;
mod package;
mod profile;
mod progress;
mod request;
mod settings;

pub use image::{Image, build};
pub use note::{Kind, NOTE_WITHIN, kind};
pub use package::Package;
pub use profile::Profile;
pub use request::{Request, Target};
pub use settings::Settings;
