//! A browser whose tabs trust nobody: each page is drawn by an isolated process of its own.
//!
//! ```text
//!                    orders, beats                   document (a file)
//!   main --reload--> tab (a kthread) ---- channel ----> renderer (ring 3)
//!     ^                |     ^                             |
//!     +----- news -----+     +-- title, "drawn" -----------+--> pixels (a shared region)
//! ```
//!
//! Whatever a document does to its renderer, the browser says so in the tab, and goes on. Keys: a tab's number or Tab chooses
//! one, `r` loads it again, `q` quits. Arguments are keys, too: the host is asked to press them, one after the other, each when
//! all pages are drawn; then it is told that this is all, which is when `cargo roost run browser --screenshot FILE.png`
//! takes its picture.

#![no_std]
#![no_main]

extern crate alloc;

mod documents;
mod fate;
mod news;
#[path = "../renderer/src/protocol.rs"]
#[allow(dead_code, reason = "each side needs a part of it")]
mod protocol;
mod tab;
mod window;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::{IntoIter, Vec};
use core::error::Error;

use libkern::arch::qemu;
use libkern::dev::display::Display;
use libkern::dev::keyboard::{self, Key};
use libkern::kthread::sync::channel::{self, UnboundedReceiver, UnboundedSender};
use libkern::proc::Program;
use libkern::{kthread, println};

use documents::{SITES, TABS};
use news::{Event, News};
use window::Window;

#[libkern::main]
fn main() -> Result<(), Box<dyn Error>> {
    let display = Display::open()?;
    let program = Program::load(libkern::include_program!("renderer"))?;
    let (events, happened) = channel::unbounded();
    let mut orders = Vec::new();
    for (index, site) in SITES.iter().enumerate() {
        let (order, ordered) = channel::unbounded();
        let (program, events) = (Arc::clone(&program), events.clone());
        let _tab =
            kthread::Builder::new().name(site.name).spawn(move || tab::live(index, &program, &events, &ordered))?;
        orders.push(order);
    }
    if keyboard::is_there() {
        let _keys = kthread::Builder::new().name("keys").spawn(move || forward_keys(&events))?;
    }
    Browser { window: Window::new(display), busy: [true; TABS], orders, presses: Presses::new() }.run(&happened);
    Ok(())
}

fn forward_keys(events: &UnboundedSender<Event>) {
    while events.send(Event::Key(keyboard::read())).is_ok() {}
}

struct Browser {
    window: Window,
    /// Tabs that are not yet what they will be.
    busy: [bool; TABS],
    orders: Vec<UnboundedSender<tab::Reload>>,
    presses: Presses,
}

impl Browser {
    /// Until somebody quits.
    fn run(&mut self, happened: &UnboundedReceiver<Event>) {
        while let Ok(event) = happened.recv() {
            match event {
                Event::Tab(index, news) => self.note(index, news),
                Event::Key(Key::Unicode('q')) => break,
                Event::Key(key) => {
                    self.presses.is_due = true;
                    self.obey(key);
                }
            }
            if self.busy == [false; TABS] {
                self.presses.next();
            }
        }
    }

    fn note(&mut self, index: usize, news: News) {
        let name = SITES[index].name;
        match news {
            News::Loading => self.window.show_text(index, "loading", "..."),
            News::Titled(title) => self.window.set_title(index, title),
            News::Drawn(pixels) => {
                self.window.show_page(index, &pixels);
                if core::mem::take(&mut self.busy[index]) {
                    println!("tab {} ({name}): the page is drawn", index + 1);
                }
            }
            News::Ended { fate, again } => {
                println!("tab {} ({name}): {fate}{}", index + 1, if again { " It is loaded again." } else { "" });
                let hint = if again { "It is loaded again." } else { "R loads it again." };
                self.window.show_text(index, fate.headline(), &format!("{fate}\n\n{hint}"));
                self.busy[index] = again;
            }
        }
    }

    fn obey(&mut self, key: Key) {
        let focus = self.window.focus();
        match key {
            Key::Unicode('\t') => self.window.set_focus((focus + 1) % TABS),
            Key::Unicode('r' | 'R') => {
                // A tab listens as long as there is a browser.
                self.busy[focus] = self.orders[focus].send(tab::Reload).is_ok();
            }
            Key::Unicode(digit) => {
                if let Some(index) = digit.to_digit(10).and_then(|digit| (digit as usize).checked_sub(1))
                    && index < TABS
                {
                    self.window.set_focus(index);
                }
            }
            Key::RawKey(_) => {}
        }
    }
}

/// The keys that the host is to press.
struct Presses {
    keys: IntoIter<String>,
    /// The last one has come, or there was none.
    is_due: bool,
}

impl Presses {
    fn new() -> Self {
        let keys: Vec<_> = libkern::args().map(String::from).collect();
        Self { keys: keys.into_iter(), is_due: true }
    }

    /// Everything is drawn.
    fn next(&mut self) {
        if !core::mem::take(&mut self.is_due) {
            return;
        }
        match self.keys.next() {
            Some(key) => qemu::control(format_args!("press {key}")),
            None => qemu::control(format_args!("drawn")),
        }
    }
}
