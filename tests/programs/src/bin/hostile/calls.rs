//! System calls whose numbers, arguments, addresses and batches are wrong.

use core::sync::atomic::Ordering;

use libmcp::abi::call::{Call, Error, EventTarget, MAX_BATCH, MAX_CALLS, number, rights};
use libmcp::memory::{self, Rights};
use libmcp::{call, process};

use crate::support::{DATA, Outcome, PAGE, USER_END, check, pages, pages_at, quick, trap};

/// Calls that there are.
const KNOWN: [u32; 24] = [
    number::NULL,
    number::EXIT,
    number::YIELD,
    number::WAIT,
    number::SLEEP,
    number::ABORT,
    number::NOW,
    number::MAP,
    number::UNMAP,
    number::PROTECT,
    number::RESIDENT,
    number::CLOSE,
    number::DUPLICATE,
    number::READ,
    number::WRITE,
    number::SIGNAL,
    number::TRANSFER,
    number::RECEIVE,
    number::SIGNAL_AND_WAIT,
    number::CHILD_KILL,
    number::CHILD_WAIT,
    number::WRITE_CONSOLE,
    number::SET_FAULT_HANDLER,
    number::RESUME,
];

/// Calls after which the process does not go on where it was, or not soon.
const FINAL: [u32; 3] = [number::EXIT, number::SLEEP, number::RESUME];

/// Addresses that are none of the process's, or hardly.
pub const ADDRESSES: [u64; 14] = [
    0,
    1,
    63,
    4096,
    0xffff,
    USER_END as u64 - 1,
    USER_END as u64,
    0x7fff_ffff_ffff,
    0x8000_0000_0000,
    0xffff_7fff_ffff_ffff,
    0xffff_8000_0000_0000,
    0xffff_ffff_8000_0000,
    u64::MAX - 63,
    u64::MAX,
];

pub fn attempt(name: &str, _: &[&str]) -> Option<Outcome> {
    Some(match name {
        "all_numbers" => all_numbers(),
        "garbled_arguments" => garbled_arguments(),
        "batches_nowhere" => batches_nowhere(),
        "batch_half_mapped" => batch_half_mapped(),
        "read_only_call" => read_only_call(),
        "overlapping_batch" => overlapping_batch(),
        "batch_that_changes" => batch_that_changes(),
        "batch_that_unmaps_itself" => batch_that_unmaps_itself(),
        "changed_while_blocked" => changed_while_blocked(),
        "unmapped_while_blocked" => unmapped_while_blocked(),
        "events_to_nobody" => events_to_nobody(),
        "aborts" => aborts(),
        "exit_behind" => exit_behind(),
        "exit_while_blocked" => exit_while_blocked(),
        "call_in_shared_pages" => call_in_shared_pages(),
        _ => return None,
    })
}

/// Every number of sixteen bits but those of ends, and the same with each bit above.
fn all_numbers() -> Outcome {
    let was_known = |number: u32| KNOWN.contains(&number);
    for low in 0..1u32 << 16 {
        // One that waits for nothing would do so for ever.
        process::slot().notif_pending.store(1, Ordering::SeqCst);
        if low != number::WAIT && !FINAL.contains(&low) {
            let outcome = quick(low, [0; 5]);
            check!((outcome == Err(Error::NoSuchCall)) != was_known(low));
        }
        let high = low | 1 << (16 + low % 16);
        check!(quick(high, [0; 5]) == Err(Error::NoSuchCall));
    }
    check!(quick(u32::MAX, [u64::MAX; 5]) == Err(Error::NoSuchCall));
    Ok(0)
}

/// Every call with every kind of argument in every place, of which only those of the end are kept back.
fn garbled_arguments() -> Outcome {
    let own = pages(1)? as u64;
    let values = ADDRESSES.into_iter().chain([own, own + 1, own + 4095, 7, 8, 64, 1 << 32, 1 << 60, 1 << 62]);
    for number in KNOWN {
        if FINAL.contains(&number) {
            continue;
        }
        for place in 0..5 {
            for value in values.clone() {
                for others in [0, own, u64::MAX] {
                    process::slot().notif_pending.store(1, Ordering::SeqCst);
                    let mut args = [others; 5];
                    args[place] = value;
                    if number == number::UNMAP || number == number::PROTECT {
                        // What is the process's is taken away elsewhere: here it must not be.
                        if args[0] != 0 && args[0] < USER_END as u64 {
                            continue;
                        }
                        check!(quick(number, args).is_err());
                    } else {
                        let _ = quick(number, args);
                    }
                }
            }
        }
    }
    Ok(0)
}

/// Batches that begin where nothing is, or have no length that is one.
fn batches_nowhere() -> Outcome {
    let calls = [const { Call::new(number::NULL, [0; 5]) }; 2];
    let at = (&raw const calls).addr();
    for count in [0, MAX_BATCH + 1, 1 << 16, 1 << 32, 1 << 58, (1 << 58) + 1, 1 << 63, usize::MAX] {
        check!(trap(at, count) == 0);
    }
    for off in [1, 2, 8, 16, 32, 63] {
        check!(trap(at + off, 1) == 0);
    }
    for address in ADDRESSES {
        for count in [1, 2, 64] {
            check!(trap(address as usize & !63, count) == 0);
            check!(trap(address as usize, count) == 0);
        }
    }
    check!(!calls[0].is_started() && !calls[1].is_started());
    Ok(0)
}

/// Calls up to the end of a page, and so many behind it.
fn batch_half_mapped() -> Outcome {
    let at = pages(2)?;
    // SAFETY: mapped above.
    unsafe { check!(memory::unmap(at + PAGE..at + 2 * PAGE).is_ok()) };
    for before in 0..3 {
        let first = at + PAGE - before * 64;
        check!(trap(first, 5) == before);
        for n in 0..before {
            // SAFETY: mapped above; zeros are a call that does nothing.
            let call = unsafe { &*core::ptr::with_exposed_provenance::<Call>(first + 64 * n) };
            check!(call.is_done() && call.outcome() == Ok(0));
        }
    }
    // The last call that there can be, and the first that there cannot.
    check!(pages_at(USER_END - PAGE, 1).is_ok());
    check!(trap(USER_END - 64, 1) == 1);
    check!(trap(USER_END - 64, 2) == 0);
    check!(trap(USER_END, 1) == 0);
    check!(trap(USER_END - PAGE, 64) == 64);
    check!(trap(USER_END - PAGE + 64, 64) == 0);
    Ok(0)
}

/// A call where the kernel must not write for the process: its number is read, and nobody is told how it went.
fn read_only_call() -> Outcome {
    static ZEROS: [u64; 16] = [0; 16];
    let constant = (ZEROS.as_ptr().addr() + 63) & !63;
    check!(trap(constant, 1) == 1);
    check!(ZEROS == [0; 16]);
    let info = core::ptr::from_ref(process::info()).addr();
    let before = process::info().version;
    check!(trap(info + 64, 64 - 1) <= 63);
    check!(process::info().version == before && process::info().id != 0);
    let page = pages(1)?;
    // SAFETY: mapped above.
    unsafe { check!(memory::protect(page..page + PAGE, Rights::Read).is_ok()) };
    check!(trap(page, 64) == 64);
    Ok(0)
}

/// A batch whose calls write over each other's structs.
fn overlapping_batch() -> Outcome {
    let at = pages(4)?;
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; 8];
    let base = (&raw const calls).addr() as u64;
    for n in 0..8 {
        // Bytes 0 and 1 go to the next one's number, arguments, flags, and its own.
        let out = base + 64 * n + [64, 68, 72, 0, 4, 48, 56, 8][n as usize];
        calls[n as usize] = Call::new(number::RESIDENT, [at as u64, 4 * PAGE as u64, out, 0, 0]);
    }
    check!(trap(base as usize, 8) == 8);
    // The same call twice in overlapping batches, misaligned by less than a call.
    check!(trap(base as usize + 32, 4) == 0);
    // Text to be written that is the call itself.
    let mut itself = Call::new(number::WRITE_CONSOLE, [0; 5]);
    itself.args = [(&raw const itself).addr() as u64, 4, 0, 0, 0];
    check!(trap((&raw const itself).addr(), 1) == 1);
    check!(itself.outcome() == Ok(4));
    Ok(0)
}

/// A batch of which each call makes the next one another.
fn batch_that_changes() -> Outcome {
    let at = pages(1)?;
    // SAFETY: mapped above: one page is in memory, so that residency is a byte of 1.
    unsafe { crate::support::word(at).write_volatile(0) };
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; 3];
    // The first makes the second one's number 1, which is the end, and not the first's to be; so it fails.
    let second = (&raw const calls[1]).addr() as u64;
    calls[0] = Call::new(number::RESIDENT, [at as u64, PAGE as u64, second, 0, 0]);
    check!(trap((&raw const calls).addr(), 3) == 3);
    check!(calls[0].outcome() == Ok(1));
    check!(calls[1].outcome() == Err(Error::NotFirst) && calls[1].number == number::EXIT);
    check!(calls[2].outcome() == Ok(0));
    Ok(0)
}

/// A batch that takes its own page away in the middle.
fn batch_that_unmaps_itself() -> Outcome {
    for (number, count) in [(number::UNMAP, 64), (number::PROTECT, 64), (number::UNMAP, 3)] {
        let at = pages(1)?;
        // SAFETY: mapped above, and zeros are calls that do nothing.
        let calls = unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<Call>(at), 64) };
        calls[1] = Call::new(number, [at as u64, PAGE as u64, rights::READ, 0, 0]);
        let taken = trap(at, count);
        check!(taken <= count && taken >= 2);
        check!(call::null().is_ok());
    }
    Ok(0)
}

/// A call that is made another while the kernel works for it.
fn changed_while_blocked() -> Outcome {
    let at = pages(1)?;
    // SAFETY: mapped above.
    let call = unsafe { &mut *core::ptr::with_exposed_provenance_mut::<Call>(at) };
    for flags in [0, u32::MAX] {
        *call = Call::new(number::SLEEP, [60_000_000, 0, 0, 0, 0]);
        check!(trap(at, 1) == 1);
        check!(!call.is_done());
        call.number = number::EXIT;
        call.args = [u64::MAX; 5];
        call.event = EventTarget { vcore_plus_one: u32::MAX, tag: u32::MAX };
        call.flags.store(flags, Ordering::SeqCst);
        // Once more, while it sleeps: another call in the same place.
        call.number = number::NULL;
        check!(trap(at, 1) == 1);
        check!(call.outcome() == Ok(0));
        check!(call::sleep_ns(80_000_000).is_ok());
        check!(call.outcome() == Ok(0));
    }
    Ok(0)
}

/// A call whose memory is gone when it is done.
fn unmapped_while_blocked() -> Outcome {
    for again in [false, true] {
        let at = pages(1)?;
        // SAFETY: mapped above.
        unsafe {
            *core::ptr::with_exposed_provenance_mut::<Call>(at) = Call::new(number::SLEEP, [2_000_000, 0, 0, 0, 0])
        };
        check!(trap(at, 1) == 1);
        // SAFETY: the call is the kernel's, which is to notice.
        unsafe { check!(memory::unmap(at..at + PAGE).is_ok()) };
        if again {
            check!(pages_at(at, 1) == Ok(at));
        }
        check!(call::sleep_ns(5_000_000).is_ok());
    }
    Ok(0)
}

/// Events for vcores that there are not, more than fit, and with a ring that lies.
fn events_to_nobody() -> Outcome {
    let ring = &process::slot().ring;
    for round in 0..500u32 {
        let mut call = Call::new(number::NULL, [0; 5]);
        call.event = EventTarget { vcore_plus_one: [1, 2, 289, u32::MAX][round as usize % 4], tag: round };
        ring.taken.store(round.wrapping_mul(0x9e37_79b9), Ordering::SeqCst);
        ring.put.store(u32::MAX - round, Ordering::SeqCst);
        check!(trap((&raw const call).addr(), 1) == 1);
        check!(call.is_done() && call.outcome() == Ok(0));
    }
    Ok(0)
}

/// Ends calls that are none, that have ended, that are others', and its own.
fn aborts() -> Outcome {
    for address in ADDRESSES {
        check!(quick(number::ABORT, [address, 0, 0, 0, 0]) == Ok(0));
    }
    let mut sleeping = Call::new(number::SLEEP, [u64::MAX, 0, 0, 0, 0]);
    sleeping.event = EventTarget { vcore_plus_one: 1, tag: 0 };
    let at = (&raw const sleeping).addr();
    check!(trap(at, 1) == 1);
    check!(quick(number::ABORT, [at as u64 + 64, 0, 0, 0, 0]) == Ok(0));
    check!(quick(number::ABORT, [at as u64, 0, 0, 0, 0]) == Ok(1));
    call::wait_for(&sleeping);
    check!(sleeping.outcome() == Err(Error::Aborted));
    check!(quick(number::ABORT, [at as u64, 0, 0, 0, 0]) == Ok(0));
    let mut itself = Call::new(number::ABORT, [0; 5]);
    itself.args[0] = (&raw const itself).addr() as u64;
    check!(trap((&raw const itself).addr(), 1) == 1);
    check!(itself.outcome() == Ok(0));
    Ok(0)
}

/// The end, where it must not be, and among calls that block.
fn exit_behind() -> Outcome {
    let mut calls = [const { Call::new(number::SLEEP, [1000, 0, 0, 0, 0]) }; 64];
    for n in [1, 31, 63] {
        calls[n] = Call::new(number::EXIT, [77, 0, 0, 0, 0]);
    }
    check!(call::run(&mut calls) == 64);
    check!([1, 31, 63].iter().all(|&n| calls[n].outcome() == Err(Error::NotFirst)));
    // First, with sixty-three behind it that are not to begin.
    let mut calls = [const { Call::new(number::SLEEP, [u64::MAX, 0, 0, 0, 0]) }; 64];
    calls[0] = Call::new(number::EXIT, [78, 0, 0, 0, 0]);
    call::run(&mut calls);
    Err(line!())
}

/// Ends while the kernel works for it in as many places as it may.
fn exit_while_blocked() -> Outcome {
    let calls = [const { Call::new(number::SLEEP, [u64::MAX, 0, 0, 0, 0]) }; 64];
    check!(trap((&raw const calls).addr(), 64) == 64);
    process::exit(79)
}

/// A call in the pages that it shares with the kernel.
fn call_in_shared_pages() -> Outcome {
    let info = process::info();
    for page in [info.data, info.slots] {
        for at in (page..page + PAGE as u64).step_by(64) {
            let at = at as usize;
            // SAFETY: the process may write there.
            unsafe { *core::ptr::with_exposed_provenance_mut::<Call>(at) = Call::new(number::NULL, [0; 5]) };
            check!(trap(at, 1) == 1);
        }
        check!(trap(page as usize, 64) == 64);
    }
    // Above are numbers of all sorts by now.
    let _ = trap(info.slots as usize, 64);
    check!(KNOWN.iter().all(|&known| (known as usize) < MAX_CALLS));
    DATA.store(0, Ordering::Relaxed);
    Ok(0)
}
