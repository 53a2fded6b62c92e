//! Uses what it was passed as its first argument says, and ends with status 0, or with the line where something was wrong.

#![no_std]
#![no_main]

use core::sync::atomic::Ordering;

use libmcp::abi::call::{Call, Error, number, rights};
use libmcp::abi::handle::{Ended, MAX_IN_TRANSIT, ended};
use libmcp::channel::{self, Bell, CallError, Doorbell, Memory, RecvError, SendError, Shared, mpsc};
use libmcp::handle::{self, Handle, Rights};
use libmcp::{call, process};

libmcp::program!(main);

const PAGE: usize = 4096;

/// What went wrong: the line.
type Outcome = Result<(), u32>;

macro_rules! check {
    ($what:expr) => {
        if !$what {
            return Err(line!());
        }
    };
}

macro_rules! done {
    ($what:expr) => {
        match $what {
            Ok(value) => value,
            Err(_) => return Err(line!()),
        }
    };
}

fn main() {
    let mut args = process::args();
    let what = args.next().unwrap_or_default();
    let number = args.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let outcome = match what {
        "handles" => handles(),
        "maps" => maps(),
        "streams" => streams(),
        "transfers" => transfers(),
        "children" => children(),
        "passed_nothing" => passed_nothing(),
        "share" => share(),
        "echo" => echo(number),
        "ask" => ask(number),
        "serve" => serve(),
        "call" => call_server(number),
        "send_many" => send_many(number),
        "take" => take(),
        "wait_for_end" => wait_for_end(),
        "lie" => lie(),
        "hang" => loop {
            call::wait();
        },
        "spin" => loop {
            core::hint::spin_loop();
        },
        _ => Err(line!()),
    };
    process::exit(outcome.map_or_else(u64::from, |()| 0));
}

const END: Handle = Handle::passed(0);
const REGION: Handle = Handle::passed(1);

/// Handles that a process cannot have been passed, or makes up.
fn wild() -> impl Iterator<Item = u64> {
    let words = [0, 1, 255, 1 << 16 | 255, 1 << 16 | 256, 1 << 16 | 0xffff, 2 << 16, 1 << 32, 1 << 32 | 1 << 16];
    words.into_iter().chain([u64::from(u32::MAX), u64::MAX - 1, 1 << 63])
}

/// Passed: an end (all rights), a region (all), an end (none). At most 8 handles.
fn handles() -> Outcome {
    let none = Handle::passed(2);
    for word in wild() {
        for (number, args) in [
            (number::CLOSE, [word, 0, 0, 0, 0]),
            (number::DUPLICATE, [word, 1, 0, 0, 0]),
            (number::SIGNAL, [word, 0, 0, 0, 0]),
            (number::SIGNAL_AND_WAIT, [word, 0, 0, 0, 0]),
        ] {
            check!(call::one(number, args) == Err(Error::BadHandle));
        }
    }
    // What is of another kind.
    check!(handle::signal(REGION) == Err(Error::BadHandle));
    // What has no rights.
    check!(handle::signal(none) == Err(Error::NoRight));
    let signal_and_wait = |handle: Handle| call::one(number::SIGNAL_AND_WAIT, [handle.to_word(), 0, 0, 0, 0]);
    check!(signal_and_wait(REGION) == Err(Error::BadHandle) && signal_and_wait(none) == Err(Error::NoRight));
    // It waits for what comes, and for nothing that has come before.
    process::slot().notif_pending.store(1, Ordering::SeqCst);
    check!(signal_and_wait(END) == Ok(0));
    let mut batch =
        [number::NULL, number::SIGNAL_AND_WAIT].map(|number| Call::new(number, [END.to_word(), 0, 0, 0, 0]));
    check!(call::run(&mut batch) == 2 && batch[1].outcome() == Err(Error::NotFirst));
    check!(handle::duplicate(none, Rights::ALL) == Err(Error::NoRight));
    // Rights that are none.
    check!(call::one(number::DUPLICATE, [END.to_word(), 1 << 6, 0, 0, 0]) == Err(Error::Invalid));
    check!(call::one(number::DUPLICATE, [END.to_word(), u64::MAX, 0, 0, 0]) == Err(Error::Invalid));
    // Rights become less, and never more.
    let read = done!(handle::duplicate(END, Rights::READ | Rights::DUPLICATE));
    check!(handle::signal(read) == Err(Error::NoRight));
    let still = done!(handle::duplicate(read, Rights::ALL));
    check!(handle::signal(still) == Err(Error::NoRight));
    check!(handle::signal(END) == Ok(()));
    // A closed one is no handle, also when another one has its place.
    check!(handle::close(still) == Ok(()));
    check!(handle::close(still) == Err(Error::BadHandle));
    let next = done!(handle::duplicate(END, Rights::ALL));
    check!(next.index() == still.index() && next != still);
    check!(handle::signal(still) == Err(Error::BadHandle) && handle::signal(next) == Ok(()));
    // As many as there may be.
    let mut more = [END; 4];
    let count =
        more.iter_mut().map_while(|place| handle::duplicate(END, Rights::ALL).map(|new| *place = new).ok()).count();
    check!(count == 3);
    check!(handle::duplicate(END, Rights::ALL) == Err(Error::Limit));
    check!(more[..3].iter().all(|&handle| handle::close(handle) == Ok(())));
    // Without a right it can be closed.
    check!(handle::close(none) == Ok(()));
    Ok(())
}

fn map(handle: u64, len: usize, rights: u64, offset: u64) -> Result<u64, Error> {
    call::one(number::MAP, [0, len as u64, rights, handle, offset])
}

/// Passed: a file, a region of two pages (all), the same (read and map), the same (map), the same (read and write).
fn maps() -> Outcome {
    let [readable, only_map, no_map] = [2, 3, 4].map(|n| Handle::passed(n).to_word());
    let region = REGION.to_word();
    const READ_WRITE: u64 = rights::READ | rights::WRITE;
    for word in wild() {
        check!(map(word, PAGE, rights::READ, 0) == Err(Error::BadHandle));
    }
    check!(map(Handle::passed(0).to_word(), PAGE, rights::READ, 0) == Err(Error::BadHandle));
    check!(map(readable, PAGE, READ_WRITE, 0) == Err(Error::NoRight));
    check!(map(only_map, PAGE, rights::READ, 0) == Err(Error::NoRight));
    check!(map(no_map, PAGE, READ_WRITE, 0) == Err(Error::NoRight));
    check!(map(region, PAGE, rights::READ | rights::EXECUTE, 0) == Err(Error::NoRight));
    check!(map(region, PAGE, READ_WRITE | rights::EXECUTE, 0) == Err(Error::Invalid));
    for (len, offset) in [
        (2 * PAGE + 1, 0),
        (PAGE + 1, PAGE as u64),
        (1, 2 * PAGE as u64),
        (PAGE, 1),
        (PAGE, 8),
        (PAGE, u64::MAX - 4095),
        (usize::MAX, 0),
        (usize::MAX - 4095, PAGE as u64),
        (0, 0),
    ] {
        check!(map(region, len, rights::READ, offset) == Err(Error::Invalid));
    }
    // Twice: the same memory, and what may not be written stays so.
    let at = done!(map(region, 2 * PAGE, READ_WRITE, 0)) as usize;
    let view = done!(map(readable, PAGE, rights::READ, PAGE as u64)) as usize;
    let word = |at: usize| core::ptr::with_exposed_provenance_mut::<u64>(at);
    // SAFETY: mapped above.
    unsafe {
        word(at + PAGE).write_volatile(77);
        check!(word(view).read_volatile() == 77);
    }
    let protect = |at: usize, rights| call::one(number::PROTECT, [at as u64, PAGE as u64, rights, 0, 0]);
    check!(protect(view, READ_WRITE) == Err(Error::NoRight));
    // A handle is not needed for what is mapped.
    check!(handle::close(REGION) == Ok(()));
    check!(protect(at, rights::READ) == Ok(0) && protect(at, READ_WRITE) == Ok(0));
    // SAFETY: mapped above.
    unsafe { word(at).write_volatile(78) };
    check!(call::one(number::UNMAP, [at as u64, 2 * PAGE as u64, 0, 0, 0]) == Ok(0));
    Ok(())
}

/// Passed: a file of 10 bytes (all), the same (none), the console (all), a region.
fn streams() -> Outcome {
    let [file, none, console, region] = [0, 1, 2, 3].map(Handle::passed);
    let mut bytes = [0; 16];
    for word in wild() {
        let at = (&raw mut bytes).expose_provenance() as u64;
        check!(call::one(number::READ, [word, at, 8, 0, 0]) == Err(Error::BadHandle));
        check!(call::one(number::WRITE, [word, at, 8, 0, 0]) == Err(Error::BadHandle));
    }
    check!(handle::read(region, 0, &mut bytes) == Err(Error::BadHandle));
    check!(handle::write(region, 0, &bytes) == Err(Error::BadHandle));
    check!(handle::read(none, 0, &mut bytes) == Err(Error::NoRight));
    check!(handle::write(none, 0, &bytes) == Err(Error::NoRight));
    check!(handle::read(console, 0, &mut bytes) == Err(Error::NoRight));
    for address in [1, 0x7fff_ffff_f000, 0x8000_0000_0000, u64::MAX] {
        check!(call::one(number::READ, [file.to_word(), address, 8, 0, 0]) == Err(Error::BadAddress));
        check!(call::one(number::WRITE, [file.to_word(), address, 8, 0, 0]) == Err(Error::BadAddress));
        check!(call::one(number::WRITE, [console.to_word(), address, 8, 0, 0]) == Err(Error::BadAddress));
    }
    check!(handle::read(file, 2, &mut bytes) == Ok(8) && &bytes[..8] == b"23456789");
    check!(handle::read(file, 99, &mut bytes) == Err(Error::Invalid));
    check!(handle::write(file, 3, b"xyz") == Ok(3));
    check!(handle::read(file, 0, &mut bytes[..7]) == Ok(7) && &bytes[..7] == b"012xyz6");
    check!(handle::write(file, 9, b"much") == Ok(1));
    check!(handle::write(console, 0, b"a line\nand \x1b[31manother\n") == Ok(24));
    check!(handle::write(console, 0, b"") == Ok(0));
    Ok(())
}

/// Passed: an end (all rights), a region (all), the end (read), the region (but for transfer), the other end of another
/// channel (all), its other end. At most 24 handles.
fn transfers() -> Outcome {
    let [read, kept, one, other] = [2, 3, 4, 5].map(Handle::passed);
    for word in wild() {
        check!(call::one(number::TRANSFER, [word, REGION.to_word(), 1, 0, 0]) == Err(Error::BadHandle));
        check!(call::one(number::TRANSFER, [END.to_word(), word, 1, 0, 0]) == Err(Error::BadHandle));
        let mut out = 0u64;
        let out = (&raw mut out).expose_provenance() as u64;
        check!(call::one(number::RECEIVE, [word, out, 0, 0, 0]) == Err(Error::BadHandle));
    }
    check!(handle::transfer(REGION, kept, Rights::ALL, 0) == Err(Error::BadHandle));
    check!(handle::transfer(read, REGION, Rights::ALL, 0) == Err(Error::NoRight));
    check!(handle::transfer(END, kept, Rights::ALL, 0) == Err(Error::NoRight));
    let all_bits = [END.to_word(), REGION.to_word(), u64::MAX, 0, 0];
    check!(call::one(number::TRANSFER, all_bits) == Err(Error::Invalid));
    check!(handle::transfer(END, END, Rights::ALL, 0) == Err(Error::Invalid));
    check!(handle::transfer(one, other, Rights::ALL, 0) == Err(Error::Invalid));
    check!(handle::receive(REGION) == Err(Error::BadHandle));
    check!(handle::receive(one) == Err(Error::WouldBlock));
    // To itself: it is gone, and comes back with less, as another handle.
    let copy = done!(handle::duplicate(REGION, Rights::ALL));
    check!(handle::transfer(one, copy, Rights::READ | Rights::MAP, 42) == Ok(()));
    check!(handle::close(copy) == Err(Error::BadHandle));
    for address in [0, 1, 0x7fff_ffff_f000, u64::MAX] {
        check!(call::one(number::RECEIVE, [other.to_word(), address, 0, 0, 0]) == Err(Error::BadAddress));
    }
    let (back, message) = done!(handle::receive(other));
    check!(message == 42 && back != copy);
    check!(handle::transfer(one, back, Rights::ALL, 0) == Err(Error::NoRight));
    check!(map(back.to_word(), PAGE, rights::READ | rights::WRITE, 0) == Err(Error::NoRight));
    // As many as may wait; and where one cannot be taken, it stays.
    for n in 0..MAX_IN_TRANSIT {
        let copy = done!(handle::duplicate(REGION, Rights::ALL));
        check!(handle::transfer(one, copy, Rights::ALL, n as u64) == Ok(()));
    }
    check!(handle::transfer(one, REGION, Rights::ALL, 0) == Err(Error::WouldBlock));
    while handle::duplicate(REGION, Rights::NONE).is_ok() {}
    check!(handle::receive(other) == Err(Error::Limit));
    check!(handle::close(back) == Ok(()));
    check!(handle::receive(other).is_ok_and(|(_, message)| message == 0));
    // An end for which handles wait does not go on its way.
    check!(handle::transfer(END, other, Rights::ALL, 0) == Err(Error::Invalid));
    // The other end goes, with what waits there.
    check!(!Doorbell::new(one).is_closed());
    check!(handle::close(other) == Ok(()));
    check!(Doorbell::new(one).is_closed());
    check!(handle::transfer(one, REGION, Rights::ALL, 0) == Err(Error::Closed));
    check!(handle::signal(one) == Err(Error::Closed));
    check!(call::one(number::SIGNAL_AND_WAIT, [one.to_word(), 0, 0, 0, 0]) == Err(Error::Closed));
    check!(handle::receive(one) == Err(Error::Closed));
    // What could not be given is still there.
    check!(handle::close(REGION) == Ok(()));
    Ok(())
}

/// Passed: control over a process that hangs (all), over the same (read), over the same (none), a region.
fn children() -> Outcome {
    let [all, read, none, region] = [0, 1, 2, 3].map(Handle::passed);
    let out = |at: u64, child: Handle| call::one(number::CHILD_WAIT, [child.to_word(), at, 0, 0, 0]);
    for word in wild() {
        check!(call::one(number::CHILD_KILL, [word, 0, 0, 0, 0]) == Err(Error::BadHandle));
        check!(call::one(number::CHILD_WAIT, [word, 0, 0, 0, 0]) == Err(Error::BadHandle));
    }
    check!(handle::kill(region) == Err(Error::BadHandle) && handle::wait_for_end(region) == Err(Error::BadHandle));
    check!(handle::kill(read) == Err(Error::NoRight) && handle::wait_for_end(none) == Err(Error::NoRight));
    check!(handle::kill(all) == Ok(()));
    check!(handle::wait_for_end(read) == Ok(Ended { how: ended::KILLED, value: 0 }));
    // Again is harmless.
    check!(handle::kill(all) == Ok(()));
    check!(out(0, read) == Err(Error::BadAddress) && out(u64::MAX, read) == Err(Error::BadAddress));
    Ok(())
}

/// Passed: nothing. Whatever it makes up, it has nothing.
fn passed_nothing() -> Outcome {
    let guesses = (0..4u64).flat_map(|generation| (0..260).map(move |index| generation << 16 | index));
    for word in guesses.chain(wild()) {
        for number in [
            number::CLOSE,
            number::DUPLICATE,
            number::SIGNAL,
            number::CHILD_KILL,
            number::CHILD_WAIT,
            number::READ,
            number::WRITE,
        ] {
            check!(call::one(number, [word, 0, 0, 0, 0]) == Err(Error::BadHandle));
        }
        check!(call::one(number::TRANSFER, [word, word, 0, 0, 0]) == Err(Error::BadHandle));
        check!(map(word, PAGE, rights::READ, 0) == Err(Error::BadHandle));
    }
    Ok(())
}

/// Passed: an end, a region in whose last word the parent has put a number. It doubles that.
fn share() -> Outcome {
    let shared = done!(Shared::map(REGION, 2 * PAGE));
    let last = shared.word(2 * PAGE / 8 - 1);
    last.store(2 * last.load(core::sync::atomic::Ordering::Relaxed), core::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// Passed: an end, a region. It sends back what it receives, until the other side goes.
fn echo(capacity: usize) -> Outcome {
    let mut duplex = done!(channel::connect(END, REGION, capacity));
    let mut message = [0; 512];
    loop {
        match duplex.receiver.recv(&mut message) {
            Ok(len) => check!(duplex.sender.send(&message[..len]) == Ok(())),
            Err(RecvError::Closed) => return Ok(()),
            Err(_) => return Err(line!()),
        }
    }
}

/// Passed: an end and a region whose other side echoes, as the first side.
fn ask(count: usize) -> Outcome {
    let shared = done!(Shared::map(REGION, channel::duplex::len(64)));
    let mut duplex = channel::Duplex::new(shared, 64, channel::Side::First, Doorbell::new(END));
    for n in 0..count as u64 {
        check!(duplex.sender.send_message(&n) == Ok(()));
        check!(duplex.receiver.recv_message::<u64>() == Ok(n));
    }
    Ok(())
}

/// Passed: an end and a region whose other side calls. It answers each number with the next one.
fn serve() -> Outcome {
    let mut duplex = done!(channel::connect(END, REGION, 64));
    let mut next = duplex.receiver.recv_message::<u64>();
    loop {
        match next {
            Ok(n) => {
                next = duplex.call_message(&(n + 1)).map_err(|error| match error {
                    CallError::Recv(error) => error,
                    CallError::Send(_) => RecvError::Corrupt,
                });
            }
            Err(RecvError::Closed) => return Ok(()),
            Err(_) => return Err(line!()),
        }
    }
}

/// Passed: an end and a region whose other side serves, as the first side.
fn call_server(count: usize) -> Outcome {
    let shared = done!(Shared::map(REGION, channel::duplex::len(64)));
    let mut duplex = channel::Duplex::new(shared, 64, channel::Side::First, Doorbell::new(END));
    for n in 0..count as u64 {
        check!(duplex.call_message(&n) == Ok(n + 1));
    }
    Ok(())
}

/// Passed: an end, a region with a ring of many senders. It sends so many messages, with its number in each.
fn send_many(count: usize) -> Outcome {
    let layout = mpsc::Layout::new(0, 4, 24);
    let sender = mpsc::Sender::new(done!(Shared::map(REGION, 8 * layout.words())), layout, Doorbell::new(END));
    for n in 0..count as u64 {
        let mut message = [0; 16];
        message[..8].copy_from_slice(&process::info().id.to_le_bytes());
        message[8..].copy_from_slice(&n.to_le_bytes());
        check!(sender.send(&message) == Ok(()));
    }
    check!(sender.send(&[0; 25]) == Err(SendError::TooLong));
    Ok(())
}

/// Passed: an end. It waits for a region that it may read only, and gives it back with the number that it found there.
fn take() -> Outcome {
    let bell = Doorbell::new(END);
    let (region, message) = loop {
        let since = bell.prepare();
        match handle::receive(END) {
            Ok(received) => break received,
            Err(Error::WouldBlock) => done!(bell.wait(since)),
            Err(_) => return Err(line!()),
        }
    };
    check!(map(region.to_word(), PAGE, rights::READ | rights::WRITE, 0) == Err(Error::NoRight));
    let at = done!(map(region.to_word(), PAGE, rights::READ, 0));
    // SAFETY: mapped above.
    let found = unsafe { core::ptr::with_exposed_provenance::<u64>(at as usize).read_volatile() };
    check!(handle::transfer(END, region, Rights::ALL, found + message) == Ok(()));
    Ok(())
}

/// Passed: an end, a region. It receives until the other side has gone.
fn wait_for_end() -> Outcome {
    let mut duplex = done!(channel::connect(END, REGION, 64));
    check!(duplex.receiver.recv(&mut [0; 8]) == Ok(3));
    check!(duplex.receiver.recv(&mut [0; 8]) == Err(RecvError::Closed));
    check!(duplex.sender.send(b"?") == Err(SendError::Closed));
    check!(handle::signal(END) == Err(Error::Closed));
    Ok(())
}

/// Passed: an end, a region. It writes whatever it likes into every word of the rings, and rings the bell.
fn lie() -> Outcome {
    let len = channel::duplex::len(64);
    let shared = done!(Shared::map(REGION, len));
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..300 {
        for word in 0..len / 8 {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            // Often something that could be true.
            let value = if number & 1 == 0 { number >> 1 } else { number >> 58 };
            shared.word(word).store(value, core::sync::atomic::Ordering::Relaxed);
        }
        check!(handle::signal(END) == Ok(()));
    }
    Ok(())
}
