//! Devices.

#[cfg_attr(any(test, feature = "hosted"), allow(dead_code, reason = "what draws on the real machine only"))]
mod pixels;

on_metal! {
    mod choice;
    pub mod display;
    pub mod input;
    pub mod keyboard;
    pub(crate) mod screen;
    pub(crate) mod serial;

    pub(crate) use choice::choose_consoles;
}
