//! The sleep type that turns the machine off.
//!
//! ACPI turns a machine off by writing a *sleep type* into its PM1 control registers. The type is not in any table, but
//! in the byte code of the DSDT, as a package named `\_S5`. An AML interpreter would be the thorough way to it. This
//! searches instead: in every DSDT we have seen, and by the grammar, the object is the bytes
//!
//! ```text
//! 08            NameOp
//! [5c]          root prefix, optional
//! 5f 53 35 5f   "_S5_"
//! 12            PackageOp
//! ..            length of the package, 1 to 4 bytes
//! 04            number of elements, at least 2 here
//! ..            SLP_TYPa: 00 (zero), 01 (one), 0a xx (byte), 0b xx xx (word), 0c xx xx xx xx (dword)
//! ..            SLP_TYPb: likewise
//! ```
//!
//! Firmware that computes the package in a method is not understood, and such a machine is not turned off.

const NAME: u8 = 0x08;
const ROOT: u8 = 0x5c;
const PACKAGE: u8 = 0x12;
const S5: &[u8; 4] = b"_S5_";

/// The types for PM1a and PM1b, 0 to 7 each, from the bytes of a DSDT or SSDT (with or without its header).
pub fn sleep_type(aml: &[u8]) -> Option<(u8, u8)> {
    let names = aml.windows(S5.len()).enumerate();
    names.filter(|(_, window)| *window == S5).find_map(|(at, _)| {
        let before = aml[..at].strip_suffix(&[ROOT]).unwrap_or(&aml[..at]);
        if before.last() != Some(&NAME) {
            return None;
        }
        package(&aml[at + S5.len()..])
    })
}

/// The first two elements of the package that starts at `aml[0]`.
fn package(aml: &[u8]) -> Option<(u8, u8)> {
    let (&op, rest) = aml.split_first()?;
    if op != PACKAGE {
        return None;
    }
    // The lead byte of a package length holds in its two upper bits how many bytes follow it.
    let (&lead, _) = rest.split_first()?;
    let rest = rest.get(1 + usize::from(lead >> 6)..)?;
    let (&elements, rest) = rest.split_first()?;
    if elements < 2 {
        return None;
    }
    let (a, rest) = integer(rest)?;
    let (b, _) = integer(rest)?;
    Some((a, b))
}

/// The integer at the start of `aml` and what follows it, if it is small enough to be a sleep type.
fn integer(aml: &[u8]) -> Option<(u8, &[u8])> {
    let (&op, rest) = aml.split_first()?;
    let len_bytes = match op {
        0x00 | 0x01 => return Some((op, rest)),
        0x0a => 1,
        0x0b => 2,
        0x0c => 4,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(len_bytes)?;
    let (&low, high) = value.split_first()?;
    (low < 8 && high.iter().all(|&byte| byte == 0)).then_some((low, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Name (_S5, Package (4) { 0, 0, 0, 0 })` as QEMU's q35 has it.
    const Q35: &[u8] = &[0x08, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00];

    #[test]
    fn zeros_are_read() {
        assert_eq!(sleep_type(Q35), Some((0, 0)));
    }

    #[test]
    fn byte_constants_are_read() {
        let microvm = b"\x08_S5_\x12\x07\x04\x0a\x05\x00\x00\x00FACP";
        assert_eq!(sleep_type(microvm), Some((5, 0)));
        let aml = b"\x10\x20\x08_S5_\x12\x0a\x04\x0a\x05\x0a\x07\x00\x00\x08_S4_";
        assert_eq!(sleep_type(aml), Some((5, 7)));
    }

    #[test]
    fn a_root_prefix_ones_and_wide_constants_are_read() {
        assert_eq!(sleep_type(b"\x08\\_S5_\x12\x08\x04\x01\x0b\x07\x00\x00\x00"), Some((1, 7)));
        assert_eq!(sleep_type(b"\x08_S5_\x12\x0d\x02\x0c\x06\x00\x00\x00\x0c\x05\x00\x00\x00"), Some((6, 5)));
    }

    #[test]
    fn a_long_package_length_is_skipped() {
        assert_eq!(sleep_type(b"\x08_S5_\x12\x47\x00\x04\x0a\x05\x00\x00\x00"), Some((5, 0)));
    }

    #[test]
    fn a_mention_of_the_name_is_passed_over() {
        let mut aml = b"\x14_S5_\x00 \\_S5_ \x08_S5_\x0a\x05".to_vec();
        assert_eq!(sleep_type(&aml), None);
        aml.extend(Q35);
        assert_eq!(sleep_type(&aml), Some((0, 0)));
    }

    #[test]
    fn what_is_no_sleep_type_is_refused() {
        assert_eq!(sleep_type(b"\x08_S5_\x12\x06\x02\x0a\x08\x00"), None);
        assert_eq!(sleep_type(b"\x08_S5_\x12\x06\x02\x0b\x05\x01\x00"), None);
        assert_eq!(sleep_type(b"\x08_S5_\x12\x06\x01\x00\x00"), None);
        assert_eq!(sleep_type(b"\x08_S5_\x12\x06\x02\xff\x00"), None);
    }

    #[test]
    fn a_package_cut_short_is_refused() {
        for len in 0..10 {
            assert_eq!(sleep_type(&Q35[..len]), None, "{len} bytes");
        }
    }
}
