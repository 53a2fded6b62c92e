//! Little-endian numbers in byte slices.

/// The number in the four bytes at `at`.
///
/// # Panics
///
/// If they are not all in `bytes`: callers have checked the length of the structure they read from.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The number in the eight bytes at `at`.
///
/// # Panics
///
/// As [`u32_at`].
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
