//! What the browser and a renderer agree on.
//!
//! The browser passes a renderer, in this order: an end of a channel, the region of its two rings, the region of the page's
//! pixels, and the document as a file. It says with a number that the page is to be drawn ([`DRAW`]) or that time passes
//! (any other, a beat); the renderer answers each with [`DRAWN`], and may say before that what the page is called
//! ([`TITLE`], followed by the title's bytes).

/// Pixels in a row of a page.
pub const WIDTH: usize = 320;
/// Rows of a page.
pub const HEIGHT: usize = 288;
/// Bytes of a page's pixels: four each, `0x00RRGGBB`, lowest first.
pub const PIXELS_LEN: usize = WIDTH * HEIGHT * 4;

/// Words of each ring.
pub const RING_WORDS: usize = 64;
/// Bytes of the longest message, and so of a title and a byte.
pub const MAX_MESSAGE: usize = 64;

/// From the browser: draw the page.
pub const DRAW: u32 = 0;
/// From the renderer: the page's title follows.
pub const TITLE: u8 = b'T';
/// From the renderer: the pixels are what they should be.
pub const DRAWN: u8 = b'D';
