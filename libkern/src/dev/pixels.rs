//! Pixels as a screen has them.

use crate::bootinfo::{Channel, PixelFormat};

/// Bits of a colour's channel, as applications give it.
const GIVEN_BITS: u32 = 8;

/// What makes a screen's pixels out of `0x00RRGGBB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoder {
    /// Red, green and blue.
    channels: [Channel; 3],
    /// Bytes: 2, 3 or 4.
    pixel_len: usize,
    /// Whether a pixel is what is given.
    is_plain: bool,
}

impl Encoder {
    /// Pixels of that format, of `bpp` bits. `None` if they are not made of red, green and blue.
    pub(super) fn new(format: PixelFormat, bpp: u8) -> Option<Self> {
        let PixelFormat::Rgb { red, green, blue } = format else { return None };
        let channels = [red, green, blue];
        let is_plain = bpp == 32 && channels == [16, 8, 0].map(|position| Channel { position, size: 8 });
        Some(Self { channels, pixel_len: bpp.div_ceil(8).into(), is_plain })
    }

    /// Bytes of a pixel.
    pub(super) fn pixel_len(&self) -> usize {
        self.pixel_len
    }

    /// One pixel. Its bytes come lowest first.
    fn encode(&self, colour: u32) -> u32 {
        if self.is_plain {
            return colour;
        }
        let given = [colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff];
        let in_place = |(value, channel): (u32, &Channel)| {
            // A channel of more bits repeats the highest, so that white is white.
            let wide = value << GIVEN_BITS | value;
            wide >> (2 * GIVEN_BITS - u32::from(channel.size)) << channel.position
        };
        given.into_iter().zip(&self.channels).map(in_place).fold(0, |pixel, part| pixel | part)
    }

    /// Stores a row of pixels from `at` on.
    ///
    /// # Safety
    /// So many pixels can be written there.
    pub(super) unsafe fn write(&self, at: *mut u8, pixels: &[u32]) {
        if self.is_plain {
            // SAFETY: the caller's word; a screen's rows are no slices of anybody's.
            unsafe { at.copy_from_nonoverlapping(pixels.as_ptr().cast(), size_of_val(pixels)) };
            return;
        }
        for (n, &colour) in pixels.iter().enumerate() {
            let bytes = self.encode(colour).to_le_bytes();
            // SAFETY: as above.
            unsafe { at.add(n * self.pixel_len).copy_from_nonoverlapping(bytes.as_ptr(), self.pixel_len) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder(bpp: u8, channels: [(u8, u8); 3]) -> Encoder {
        let [red, green, blue] = channels.map(|(position, size)| Channel { position, size });
        Encoder::new(PixelFormat::Rgb { red, green, blue }, bpp).expect("a format of three channels")
    }

    fn drawn(encoder: Encoder, pixels: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0xee; pixels.len() * encoder.pixel_len() + 1];
        // SAFETY: there is room for so many.
        unsafe { encoder.write(bytes.as_mut_ptr(), pixels) };
        assert_eq!(bytes.pop(), Some(0xee), "no byte more");
        bytes
    }

    #[test]
    fn colours_become_what_the_screen_has() {
        let (colours, white) = ([0x00ff_8001, 0x0000_00ff], [0x00ff_ffff]);
        let plain = encoder(32, [(16, 8), (8, 8), (0, 8)]);
        assert_eq!(drawn(plain, &colours), [0x01, 0x80, 0xff, 0, 0xff, 0, 0, 0]);
        let swapped = encoder(32, [(0, 8), (8, 8), (16, 8)]);
        assert_eq!(drawn(swapped, &colours), [0xff, 0x80, 0x01, 0, 0, 0, 0xff, 0]);
        let packed = encoder(24, [(16, 8), (8, 8), (0, 8)]);
        assert_eq!(drawn(packed, &colours), [0x01, 0x80, 0xff, 0xff, 0, 0]);
        let high = encoder(16, [(11, 5), (5, 6), (0, 5)]);
        assert_eq!(drawn(high, &colours), [0x00, 0xfc, 0x1f, 0x00]);
        assert_eq!(drawn(encoder(15, [(10, 5), (5, 5), (0, 5)]), &white), [0xff, 0x7f]);
        let deep = encoder(32, [(20, 10), (10, 10), (0, 10)]);
        assert_eq!(drawn(deep, &white), 0x3fff_ffff_u32.to_le_bytes());
        assert_eq!(drawn(deep, &[0x0080_0000]), (0x202_u32 << 20).to_le_bytes());
    }

    #[test]
    fn what_is_not_made_of_three_colours_is_refused() {
        assert_eq!(Encoder::new(PixelFormat::Indexed, 8), None);
        assert_eq!(Encoder::new(PixelFormat::EgaText, 16), None);
    }
}
