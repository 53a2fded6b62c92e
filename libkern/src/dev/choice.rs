//! Where the console is.

use super::{screen, serial};
use crate::args::ConsoleChoice;
use crate::bootinfo::Framebuffer;

/// Adds the screen, if there is one, and mutes the serial port, if that is what the command line wants.
pub(crate) fn choose_consoles(choice: ConsoleChoice, framebuffer: Option<&Framebuffer>) {
    let has_screen = match choice {
        ConsoleChoice::Serial => false,
        ConsoleChoice::Framebuffer | ConsoleChoice::Both => framebuffer.is_some_and(screen::init),
    };
    match choice {
        ConsoleChoice::Framebuffer if has_screen => serial::mute(),
        ConsoleChoice::Framebuffer => log::warn!("there is no screen to print on: printing on the serial port"),
        ConsoleChoice::Serial | ConsoleChoice::Both => {}
    }
}
