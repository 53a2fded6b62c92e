//! ACPI's root system description pointer: 20 bytes, 36 since ACPI 2.0, that say where the tables are.
//!
//! Loaders hand it over; where none does, as on QEMU's microvm without one, it is looked for in the BIOS area at
//! 0xe0000..0x100000 and in the first KiB of the extended BIOS data area.

use super::bytes::u32_at;

const SIGNATURE: &[u8; 8] = b"RSD PTR ";
const REVISION: usize = 15;
const LENGTH: usize = 20;

/// Length of the structure of ACPI 1.0, in bytes.
pub const LEN_V1: usize = 20;

/// Length of the structure since ACPI 2.0, in bytes.
pub const LEN_V2: usize = 36;

/// Whether a valid pointer starts at `bytes[0]`: signature, checksum, and from revision 2 on the length and the
/// checksum of the whole.
pub fn is_valid(bytes: &[u8]) -> bool {
    if bytes.len() < LEN_V1 || !bytes.starts_with(SIGNATURE) || !sums_to_zero(&bytes[..LEN_V1]) {
        return false;
    }
    if bytes[REVISION] < 2 {
        return true;
    }
    bytes.len() >= LEN_V2 && {
        let len = u32_at(bytes, LENGTH) as usize;
        (LEN_V2..=bytes.len()).contains(&len) && sums_to_zero(&bytes[..len])
    }
}

/// The offset of the first valid pointer in `bytes`, which start on a 16-byte boundary of physical memory: the pointer
/// does too.
pub fn find(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).step_by(16).find(|&at| is_valid(&bytes[at..]))
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte)) == 0
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pointer of the given revision, with its checksums.
    pub(in crate::bootinfo) fn pointer(revision: u8) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0, b'R', b'O', b'O', b'S', b'T', b' ', revision]);
        bytes.extend(0x1234_5000u32.to_le_bytes());
        bytes[8] = complement(&bytes);
        if revision >= 2 {
            bytes.extend((LEN_V2 as u32).to_le_bytes());
            bytes.extend(0x1234_6000u64.to_le_bytes());
            bytes.extend([0; 4]);
            bytes[32] = complement(&bytes);
        }
        bytes
    }

    fn complement(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_sub(byte))
    }

    #[test]
    fn both_revisions_are_found_on_a_boundary() {
        for revision in [0, 2] {
            let mut area = vec![0xa5; 256];
            let pointer = pointer(revision);
            area[48..48 + pointer.len()].copy_from_slice(&pointer);
            assert_eq!(find(&area), Some(48));
        }
    }

    #[test]
    fn a_pointer_off_the_boundary_is_not_one() {
        let mut area = vec![0; 256];
        area[40..60].copy_from_slice(&pointer(0));
        assert_eq!(find(&area), None);
    }

    #[test]
    fn every_single_wrong_byte_is_noticed() {
        for revision in [0, 2] {
            for at in 0..pointer(revision).len() {
                let mut bytes = pointer(revision);
                bytes[at] ^= 0x10;
                assert!(!is_valid(&bytes), "revision {revision}, byte {at}");
            }
        }
    }

    #[test]
    fn a_later_copy_is_found_behind_a_wrong_one() {
        let mut area = vec![0; 128];
        area[..20].copy_from_slice(&pointer(0));
        area[9] ^= 1;
        area[64..100].copy_from_slice(&pointer(2));
        assert_eq!(find(&area), Some(64));
    }

    #[test]
    fn a_pointer_cut_short_is_not_one() {
        for revision in [0, 2] {
            let pointer = pointer(revision);
            for len in 0..pointer.len() {
                assert!(!is_valid(&pointer[..len]), "revision {revision}, {len} bytes");
            }
        }
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        for len in [0u32, 20, 35, 37, 4096, u32::MAX] {
            let mut bytes = pointer(2);
            bytes[20..24].copy_from_slice(&len.to_le_bytes());
            bytes[32] = 0;
            bytes[32] = complement(&bytes);
            assert!(!is_valid(&bytes), "length {len}");
        }
    }
}
