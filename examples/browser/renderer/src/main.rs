//! Shows one page: an isolated process that nobody trusts, because what it decodes may be anything.
//!
//! It has what the browser passed it (see [`protocol`]) and nothing else. What goes wrong here ends this process.

#![no_std]
#![no_main]

mod canvas;
mod own;
mod page;
mod protocol;

use core::sync::atomic::Ordering;

use libmcp::abi::call::Error;
use libmcp::channel::{self, Memory as _, Shared};
use libmcp::handle::{self, Handle};

use canvas::Canvas;
use protocol::{DRAW, DRAWN, PIXELS_LEN, RING_WORDS};

libmcp::program!(main);

const END: Handle = Handle::passed(0);
const RINGS: Handle = Handle::passed(1);
const PIXELS: Handle = Handle::passed(2);
const DOCUMENT: Handle = Handle::passed(3);

/// Bytes of the longest document.
const MAX_DOCUMENT: usize = 64 * 1024;

fn main() {
    let mut browser = channel::connect(END, RINGS, RING_WORDS).expect("the browser passed two rings");
    let shown = Shared::map(PIXELS, PIXELS_LEN).expect("the browser passed the pixels");
    let document = read_document().expect("the browser passed a document");
    let mut canvas = Canvas::new(own::memory(PIXELS_LEN));
    // Until the browser closes the tab.
    while let Ok(order) = browser.receiver.recv_message::<u32>() {
        if order == DRAW {
            page::draw(document, &mut canvas, &mut |title| {
                let _ = browser.sender.send(title);
            });
        } else {
            canvas.beat(order);
        }
        for (index, word) in canvas.words().enumerate() {
            // Relaxed: the message that follows publishes it.
            shown.word(index).store(word, Ordering::Relaxed);
        }
        let _ = browser.sender.send(&[DRAWN]);
    }
}

/// The whole document.
fn read_document() -> Result<&'static [u8], Error> {
    let into = own::memory(MAX_DOCUMENT);
    let mut len = 0;
    while len < into.len() {
        match handle::read(DOCUMENT, len as u64, &mut into[len..])? {
            0 => break,
            more => len += more,
        }
    }
    Ok(&into[..len])
}
