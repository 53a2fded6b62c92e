//! QEMU's screen without a graphics adapter: it shows memory of the guest's, which says where that is.
//!
//! Source: QEMU's `hw/display/ramfb.c`: the item takes 28 bytes, big-endian.

use conquer_once::spin::OnceCell;

use super::OpenError;
use crate::arch::fw_cfg::{self, File};
use crate::bootinfo::{Channel, PixelFormat};
use crate::mem::frames::{self, Limit, RunRequest};
use crate::mem::FrameUse;
use crate::mem::phys::PhysAddr;

/// The item's name.
pub(super) const FILE: &str = "etc/ramfb";

/// Bits of a pixel.
pub(super) const BPP: u8 = 32;
/// Bytes of one.
const PIXEL_LEN: usize = BPP as usize / 8;

/// The name of that format: `XR24`.
const XRGB8888: u32 = u32::from_le_bytes(*b"XR24");

/// What [`XRGB8888`] is.
pub(super) fn format() -> PixelFormat {
    let channel = |position| Channel { position, size: 8 };
    PixelFormat::Rgb { red: channel(16), green: channel(8), blue: channel(0) }
}

/// The memory that is shown, once there is some: QEMU goes on showing it.
static SHOWN: OnceCell<PhysAddr> = OnceCell::uninit();

/// Has QEMU show a black picture of `width` by `height` pixels, or goes on with the one that it shows. Where that is, and
/// how many bytes a row has. For one caller at a time.
pub(super) fn show(file: File, width: usize, height: usize) -> Result<(PhysAddr, usize), OpenError> {
    let pitch = width * PIXEL_LEN;
    if let Ok(shown) = SHOWN.try_get() {
        return Ok((*shown, pitch));
    }
    let request =
        RunRequest { frames: (pitch * height).div_ceil(crate::arch::PAGE_SIZE), align_frames: 1, limit: Limit::Anywhere };
    let picture = frames::alloc_run(FrameUse::Devices, request)?;
    // SAFETY: ours, and in the direct map.
    unsafe { picture.addr().to_ptr::<u8>().write_bytes(0, picture.len_bytes()) };
    let mut config = [0; 28];
    config[..8].copy_from_slice(&picture.addr().as_u64().to_be_bytes());
    let words = [XRGB8888, 0, width as u32, height as u32, pitch as u32];
    for (place, word) in config[8..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    fw_cfg::write(file, &config)?;
    let shown = picture.into_raw();
    SHOWN.init_once(|| shown);
    Ok((shown, pitch))
}
