//! What Linux unpacks as its first file system: an archive in the format that `cpio` calls newc.
//!
//! Written here because it is twenty lines for the one file that is wanted; the host need not have `cpio` either.

/// A regular file that all may read and execute.
const MODE: u32 = 0o100_755;
/// The entry behind the last.
const END: &str = "TRAILER!!!";

/// An archive with `program` as the first process.
pub fn with_init(program: &[u8]) -> Vec<u8> {
    let mut archive = Vec::with_capacity(program.len() + 512);
    push(&mut archive, "init", MODE, program);
    push(&mut archive, END, 0, &[]);
    archive
}

/// Appends an entry: a header of hexadecimal numbers, name and content, each padded to four bytes.
fn push(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let length = |bytes: usize| u32::try_from(bytes).expect("the files of the tool are smaller than 4 GiB");
    let (size, name_size) = (length(content.len()), length(name.len() + 1));
    // inode, mode, owner, group, links, time, size, four numbers of devices, length of the name, checksum.
    let numbers = [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
    archive.extend(b"070701");
    archive.extend(numbers.map(|number: u32| format!("{number:08x}")).concat().bytes());
    archive.extend(name.bytes().chain([0]));
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_where_a_reader_of_the_format_looks_for_them() {
        let archive = with_init(b"hello");
        let number = |at: usize| {
            let digits = std::str::from_utf8(&archive[at..at + 8]).unwrap();
            usize::from_str_radix(digits, 16).unwrap()
        };
        assert_eq!(&archive[..6], b"070701");
        assert_eq!((number(14), number(54), number(94)), (0o100_755, 5, 5), "mode, size, length of the name");
        // The header's 110 bytes and `init` with its zero make 115.
        assert_eq!(&archive[110..121], b"init\0\0hello");
        let end = 124;
        assert_eq!(&archive[end..end + 6], b"070701");
        assert_eq!(&archive[end + 110..end + 121], b"TRAILER!!!\0");
        assert!(archive.len().is_multiple_of(4));
    }
}
