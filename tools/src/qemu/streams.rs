//! Waiting for several streams at once, and reading what is there.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Which of `fds` can be read or are at their end; `None` if a signal came first. All false: the timeout.
pub fn poll_readable<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    timeout: Option<&Timespec>,
) -> io::Result<Option<[bool; N]>> {
    let mut polled: Vec<_> = fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    match poll(&mut polled, timeout) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut polled = polled.into_iter();
    Ok(Some(fds.map(|fd| fd.is_some() && polled.next().is_some_and(|polled| !polled.revents().is_empty()))))
}

/// Reads what there is from a stream that can be read; closes it, and returns `None`, at its end.
pub fn read_some<S: Read>(stream: &mut Option<S>) -> io::Result<Option<Vec<u8>>> {
    let Some(open) = stream else { return Ok(None) };
    let mut buffer = vec![0; 16 << 10];
    match open.read(&mut buffer) {
        Ok(0) => *stream = None,
        Ok(len) => {
            buffer.truncate(len);
            return Ok(Some(buffer));
        }
        // A socket whose far end was closed with unread data in it says so instead of ending.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => *stream = None,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Some(Vec::new())),
        Err(error) => return Err(error),
    }
    Ok(None)
}
