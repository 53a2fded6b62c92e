use super::*;
use crate::bootinfo::{Channel, PixelFormat};

fn channel(position: u8, size: u8) -> Channel {
    Channel { position, size }
}

fn rgb(red: Channel, green: Channel, blue: Channel) -> PixelFormat {
    PixelFormat::Rgb { red, green, blue }
}

/// A screen in a buffer, with padding behind each line and guard bytes behind the last.
struct Bench {
    framebuffer: Framebuffer,
    pixels: Vec<u8>,
}

const PADDING: u32 = 12;
const GUARD: u8 = 0xa5;

impl Bench {
    fn new(width: u32, height: u32, bpp: u8, format: PixelFormat) -> Self {
        let pitch = width * u32::from(bpp.div_ceil(8)) + PADDING;
        let framebuffer = Framebuffer { phys: 0xfd00_0000, pitch, width, height, bpp, format };
        let pixels = vec![GUARD; framebuffer.len_bytes() as usize + 4096];
        Self { framebuffer, pixels }
    }

    fn show(&mut self, text: &str) {
        // SAFETY: the buffer is longer than the framebuffer, and nobody else uses it while the screen lives.
        let screen = unsafe { Screen::new(&self.framebuffer, self.pixels.as_mut_ptr()) };
        let screen = screen.expect("the format is supported");
        // SAFETY: there is no other turn for this screen.
        let turn = &mut unsafe { Turn::new() };
        assert_eq!(screen.write(text.as_bytes(), turn), text.len());
        screen.flush(turn);
    }

    fn pixel(&self, x: u32, y: u32) -> u32 {
        let len = usize::from(self.framebuffer.bpp.div_ceil(8));
        let at = (y * self.framebuffer.pitch) as usize + x as usize * len;
        let mut value = [0; 4];
        value[..len].copy_from_slice(&self.pixels[at..at + len]);
        u32::from_le_bytes(value)
    }

    /// Asserts that nothing was drawn beside the screen.
    fn check_guards(&self) {
        let Framebuffer { pitch, height, .. } = self.framebuffer;
        let (lines, behind) = self.pixels.split_at((pitch * height) as usize);
        assert!(behind.iter().all(|&byte| byte == GUARD));
        for line in lines.chunks(pitch as usize) {
            let padding = &line[(pitch - PADDING) as usize..];
            assert!(padding.iter().all(|&byte| byte == GUARD));
        }
    }
}

/// The letter L in an otherwise empty screen, in the given ink.
fn assert_shows_an_l(bench: &Bench, ink: u32, repeat: u32) {
    const L: [u8; 8] = [0x0f, 0x06, 0x06, 0x06, 0x46, 0x66, 0x7f, 0x00];
    for y in 0..8 * repeat {
        for x in 0..bench.framebuffer.width / 8 * 8 {
            let is_ink = x < 8 && L[(y / repeat) as usize] >> x & 1 == 1;
            let expected = if is_ink { ink } else { 0 };
            assert_eq!(bench.pixel(x, y), expected, "at {x}, {y}");
        }
    }
}

#[test]
fn every_pixel_format_is_drawn_with_its_masks() {
    let formats = [
        (32, rgb(channel(16, 8), channel(8, 8), channel(0, 8)), 0x00c0_c0c0),
        (32, rgb(channel(20, 10), channel(10, 10), channel(0, 10)), 0x302_u32 << 20 | 0x302 << 10 | 0x302),
        (24, rgb(channel(0, 8), channel(8, 8), channel(16, 8)), 0x00c0_c0c0),
        (16, rgb(channel(11, 5), channel(5, 6), channel(0, 5)), 0x17 << 11 | 0x2f << 5 | 0x17),
        (15, rgb(channel(10, 5), channel(5, 5), channel(0, 5)), 0x17 << 10 | 0x17 << 5 | 0x17),
    ];
    for (bpp, format, ink) in formats {
        let mut bench = Bench::new(83, 50, bpp, format);
        bench.show("L");
        assert_shows_an_l(&bench, ink, 1);
        bench.check_guards();
    }
}

#[test]
fn a_tall_screen_has_tall_letters() {
    let mut bench = Bench::new(64, 400, 32, rgb(channel(16, 8), channel(8, 8), channel(0, 8)));
    bench.show("L");
    assert_shows_an_l(&bench, 0x00c0_c0c0, 2);
    bench.check_guards();
}

#[test]
fn ega_gets_codes_and_attributes() {
    let mut bench = Bench::new(10, 3, 16, PixelFormat::EgaText);
    bench.show("Aä\nb");
    assert_eq!(bench.pixel(0, 0), 0x0741);
    assert_eq!(bench.pixel(1, 0), 0x07fe);
    assert_eq!(bench.pixel(2, 0), 0x0720);
    assert_eq!(bench.pixel(0, 1), 0x0762);
    assert_eq!(bench.pixel(9, 2), 0x0720);
    bench.check_guards();
}

#[test]
fn text_beyond_the_screen_scrolls_within_it() {
    let mut bench = Bench::new(40, 40, 24, rgb(channel(16, 8), channel(8, 8), channel(0, 8)));
    bench.show(&"many words that wrap \t and scroll\n".repeat(20));
    bench.check_guards();
}

#[test]
fn screens_that_cannot_be_used_are_refused() {
    let format = rgb(channel(16, 8), channel(8, 8), channel(0, 8));
    let refused = |width, height, bpp, format| {
        let mut bench = Bench::new(width, height, bpp, format);
        // SAFETY: as in `show`.
        unsafe { Screen::new(&bench.framebuffer, bench.pixels.as_mut_ptr()) }.is_none()
    };
    assert!(refused(7, 100, 32, format));
    assert!(refused(100, 7, 32, format));
    assert!(refused(100, 100, 8, PixelFormat::Indexed));
    assert!(!refused(8, 8, 32, format));
}
