//! Pages: a line each for what is on them, and pictures as PNG between the lines.
//!
//! | line | what it does |
//! |---|---|
//! | `title WORDS` | names the page |
//! | `paper RRGGBB` | begins on paper of that colour |
//! | `ink RRGGBB` | draws text in that colour from here on |
//! | `heading WORDS`, `text WORDS` | draws words |
//! | `rule`, `gap` | draws a line; leaves some room |
//! | `image BYTES` | draws a picture: as many bytes of PNG follow the line |
//! | `repeat` | begins again, as pages do that show moving things |
//! | `exploit` | see below |
//!
//! A renderer has mistakes, and this one has some on purpose. It takes a colour to have six letters of one byte each. It lets
//! a page repeat for ever. It has as much memory for a picture as the picture says. And `exploit` stands for the hole by
//! which a page becomes the renderer's master: it does what such a page would do first.

use minipng::{decode_png, decode_png_header};

use crate::canvas::Canvas;
use crate::own;
use crate::protocol::{MAX_MESSAGE, TITLE};

/// Somewhere in the kernel's half of the address space.
const KERNEL: usize = 0xffff_ffff_8020_0000;

/// Draws a document, and gives away the message that says its title.
pub fn draw(document: &[u8], canvas: &mut Canvas, tell: &mut dyn FnMut(&[u8])) {
    let (mut rest, mut is_titled) = (document, false);
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = core::str::from_utf8(&rest[..end]).expect("a line is text");
        rest = &rest[(end + 1).min(rest.len())..];
        let (command, words) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            // Once, also on a page that repeats.
            "title" if core::mem::replace(&mut is_titled, true) => {}
            "title" => tell(&title(words)),
            "paper" => canvas.clear(colour(words)),
            "ink" => canvas.set_ink(colour(words)),
            "heading" => canvas.write(words, 2),
            "text" => canvas.write(words, 1),
            "rule" => canvas.rule(),
            "gap" => canvas.skip(6),
            "image" => {
                let len = words.parse::<usize>().expect("a picture has a length");
                let (picture, behind) = rest.split_at(len);
                draw_picture(picture, canvas);
                rest = behind;
            }
            "repeat" => rest = document,
            "exploit" => exploit(),
            _ => canvas.write(line, 1),
        }
    }
}

/// The message that says a title; what is too long is left out.
fn title(words: &str) -> [u8; MAX_MESSAGE] {
    let mut message = [b' '; MAX_MESSAGE];
    message[0] = TITLE;
    for (to, &byte) in message[1..].iter_mut().zip(words.as_bytes()) {
        *to = byte;
    }
    message
}

fn colour(words: &str) -> u32 {
    u32::from_str_radix(&words[..6], 16).expect("a colour is a number")
}

fn draw_picture(png: &[u8], canvas: &mut Canvas) {
    let header = decode_png_header(png).expect("a picture has a header");
    let decoded = own::memory(header.required_bytes_rgba8bpc());
    let mut picture = decode_png(png, decoded).expect("a picture is PNG");
    picture.convert_to_rgba8bpc().expect("there is room for all colours");
    canvas.picture(picture.width() as usize, picture.pixels());
}

fn exploit() {
    let target = core::ptr::with_exposed_provenance_mut::<u64>(KERNEL);
    // SAFETY: none. It is what the process must not do, and ends it.
    unsafe { target.write_volatile(0x6b63_6168) };
}
