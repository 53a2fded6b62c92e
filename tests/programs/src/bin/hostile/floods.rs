//! Taking as much of something as there is.

use libmcp::abi::call::{Call, Error, EventTarget, number, rights};
use libmcp::memory::{self, Rights};
use libmcp::{call, process};

use crate::support::{Outcome, PAGE, check, number_of, pages_at, quick, trap, word};

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    Some(match name {
        "eat" => eat(1),
        "eat_tables" => eat_tables(),
        "eat_by_calls" => eat_by_calls(),
        "regions" => regions(),
        "splits" => splits(),
        "blocked_calls" => blocked_calls(),
        "console" => console(),
        "recursion" => Ok(recursion(core::hint::black_box(1))),
        "map_for_ever" => map_for_ever(),
        "map_and_exit" => map_and_exit(number_of(args[0])),
        "hold_and_block" => hold_and_block(),
        "alarms" => alarms(number_of(args[0])),
        "exit_with_alarm" => exit_with_alarm(number_of(args[0])),
        "dodge" => dodge(args[0]),
        "denied" => denied(),
        "denied_behind" => denied_behind(args[0]),
        "status" => process::exit(number_of(args[0])),
        "calls_for_ever" => calls_for_ever(),
        "sleep_for_ever" => sleep_for_ever(),
        "stubborn" => stubborn(),
        _ => return None,
    })
}

fn eat(stride: usize) -> Outcome {
    const PAGES: usize = 64;
    loop {
        let at = memory::map(PAGES * stride * PAGE, Rights::ReadWrite).map_err(|_| line!())?;
        for page in 0..PAGES {
            // SAFETY: mapped above.
            unsafe { word(at + page * stride * PAGE).write_volatile(1) };
        }
    }
}

/// A page of each table, so that there are as many tables as pages.
fn eat_tables() -> Outcome {
    eat(512)
}

/// Has the kernel touch what it has not touched itself.
fn eat_by_calls() -> Outcome {
    let at = memory::map(1 << 30, Rights::ReadWrite).map_err(|_| line!())?;
    for page in 0..1 << 18 {
        let out = (at + page * PAGE) as u64;
        match quick(number::RESIDENT, [at as u64, PAGE as u64, out, 0, 0]) {
            Ok(_) => {}
            Err(error) => {
                check!(error == Error::NoMemory && page > 10);
                return Ok(0);
            }
        }
    }
    Err(line!())
}

/// As many regions as there may be, and that they can all be taken back.
fn regions() -> Outcome {
    let base = 0x20_0000_0000;
    let mut count = 0;
    let error = loop {
        match pages_at(base + 2 * count * PAGE, 1) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        check!(count < 100_000);
    };
    check!(error == Error::Limit && count > 500);
    for n in 0..count {
        let at = base + 2 * n * PAGE;
        // SAFETY: mapped above.
        unsafe { check!(memory::unmap(at..at + PAGE).is_ok()) };
    }
    check!(pages_at(base, 1) == Ok(base));
    Ok(0)
}

/// Regions by cutting one to pieces, by rights and by holes.
fn splits() -> Outcome {
    let pages = 4096;
    for by_holes in [false, true] {
        let at = memory::map(pages * PAGE, Rights::ReadWrite).map_err(|_| line!())?;
        let mut failed = false;
        for page in (0..pages).step_by(2) {
            let (at, len) = ((at + page * PAGE) as u64, PAGE as u64);
            let outcome = match by_holes {
                false => quick(number::PROTECT, [at, len, rights::READ, 0, 0]),
                true => quick(number::UNMAP, [at, len, 0, 0, 0]),
            };
            if outcome != Ok(0) {
                check!(outcome == Err(Error::Limit));
                failed = true;
                break;
            }
        }
        check!(failed);
        if !by_holes {
            // SAFETY: mapped above.
            unsafe { check!(memory::unmap(at..at + pages * PAGE).is_ok()) };
        }
    }
    Ok(0)
}

/// Calls that block, without end: each takes a kernel stack.
fn blocked_calls() -> Outcome {
    let at = memory::map(64 * 64 * 64, Rights::ReadWrite).map_err(|_| line!())?;
    let mut refused = 0;
    for batch in 0..64 {
        let first = at + batch * 64 * 64;
        // SAFETY: mapped above; zeros are calls.
        let calls =
            unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<Call>(first), 64) };
        for call in calls.iter_mut() {
            *call = Call::new(number::SLEEP, [u64::MAX, 0, 0, 0, 0]);
            call.event = EventTarget { vcore_plus_one: 1, tag: 0 };
        }
        check!(trap(first, 64) == 64);
        check!(call::yield_now().is_ok());
        for call in calls.iter() {
            if call.is_done() {
                check!(call.outcome() == Err(Error::Limit));
                refused += 1;
            }
        }
    }
    check!(refused > 0);
    // One that is ended makes room for another.
    check!(quick(number::ABORT, [at as u64, 0, 0, 0, 0]) == Ok(1));
    // SAFETY: as above.
    call::wait_for(unsafe { &*core::ptr::with_exposed_provenance::<Call>(at) });
    check!(call::sleep_ns(1000) == Ok(()));
    Ok(0)
}

/// What it prints is its own line, whatever is in it.
fn console() -> Outcome {
    let text = b"\x1b[2J\x1b]0;title\x07\r[kernel] panic\x00\xff\n\n\n";
    for _ in 0..20 {
        let at = text.as_ptr().addr() as u64;
        check!(quick(number::WRITE_CONSOLE, [at, text.len() as u64, 0, 0, 0]) == Ok(text.len() as u64));
    }
    // Longer than what is there.
    let at = text.as_ptr().addr() as u64;
    check!(quick(number::WRITE_CONSOLE, [at, 0, 0, 0, 0]) == Ok(0));
    Ok(0)
}

fn recursion(depth: u64) -> u64 {
    let block = core::hint::black_box([depth; 64]);
    if core::hint::black_box(depth) == u64::MAX {
        return 0;
    }
    recursion(core::hint::black_box(block[7] + 1)) + block[9]
}

fn map_for_ever() -> Outcome {
    loop {
        map_once()?;
    }
}

fn map_once() -> Result<(), u32> {
    let at = memory::map(4 * PAGE, Rights::ReadWrite).map_err(|_| line!())?;
    // SAFETY: mapped above.
    unsafe {
        word(at + PAGE).write_volatile(1);
        memory::protect(at..at + 2 * PAGE, Rights::Read).map_err(|_| line!())?;
        memory::unmap(at..at + 4 * PAGE).map_err(|_| line!())?;
    }
    Ok(())
}

fn map_and_exit(rounds: u64) -> Outcome {
    for _ in 0..rounds {
        map_once()?;
    }
    let at = memory::map(64 * PAGE, Rights::ReadWrite).map_err(|_| line!())?;
    // SAFETY: mapped above.
    (0..64).for_each(|page| unsafe { word(at + page * PAGE).write_volatile(1) });
    process::exit(80)
}

fn calls_for_ever() -> Outcome {
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; 64];
    loop {
        check!(call::run_quick(&mut calls) == 64);
    }
}

fn sleep_for_ever() -> Outcome {
    check!(call::sleep_ns(u64::MAX).is_ok());
    Ok(0)
}

/// Does nothing but what gives its core away, and never ends.
fn stubborn() -> Outcome {
    loop {
        check!(call::yield_now().is_ok());
    }
}

/// Takes all memory that there is, without dying of it; then makes calls that block, map and cut regions.
fn hold_and_block() -> Outcome {
    let at = memory::map(1 << 30, Rights::ReadWrite).map_err(|_| line!())?;
    let sleeping = memory::map(16 * PAGE, Rights::ReadWrite).map_err(|_| line!())?;
    // SAFETY: mapped above.
    (0..16).for_each(|page| unsafe { word(sleeping + page * PAGE).write_volatile(0) });
    let mut end = at;
    let eat = |end: &mut usize| {
        while quick(number::RESIDENT, [at as u64, PAGE as u64, *end as u64, 0, 0]).is_ok() {
            *end += PAGE;
        }
    };
    eat(&mut end);
    check!(end > at);
    for batch in 0..16 {
        let first = sleeping + batch * PAGE;
        // SAFETY: mapped above; zeros are calls.
        let calls =
            unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<Call>(first), 64) };
        for (n, call) in calls.iter_mut().enumerate() {
            *call = Call::new(number::SLEEP, [3_000_000 + n as u64, 0, 0, 0, 0]);
        }
        check!(trap(first, 64) == 64);
        // What others give back, it takes.
        eat(&mut end);
        let hole = at + (1 << 29) + 2 * batch * PAGE;
        let _ = quick(number::UNMAP, [hole as u64, PAGE as u64, 0, 0, 0]);
        let _ = quick(number::PROTECT, [at as u64 + (batch * PAGE) as u64, PAGE as u64, rights::READ, 0, 0]);
        let _ = pages_at(0x20_0000_0000 + 2 * batch * PAGE, 1);
        check!(call::yield_now().is_ok());
        for call in calls.iter() {
            while !call.is_done() {
                check!(call::yield_now().is_ok());
            }
            check!(matches!(call.outcome(), Ok(0) | Err(Error::Limit | Error::NoMemory)));
        }
    }
    Ok(0)
}

/// Sets its alarm again and again, about when it rings, and never waits for it. `now` is about what the kernel's clock says.
fn alarms(now: u64) -> Outcome {
    // SAFETY: it can be read. Its unit may be another: then it rings at other times.
    let tsc = || unsafe { core::arch::x86_64::_rdtsc() };
    let began = tsc();
    for round in 0..3000u64 {
        process::slot().notif_pending.store(1, core::sync::atomic::Ordering::SeqCst);
        let deadline = now + (tsc() - began) + round * 97 % 100_000;
        check!(quick(number::WAIT, [deadline.max(1), 0, 0, 0, 0]).is_ok());
    }
    exit_with_alarm(82)
}

/// Ends with an alarm that is never to ring.
fn exit_with_alarm(status: u64) -> Outcome {
    for deadline in [u64::MAX, 1 << 62, 1 << 61] {
        process::slot().notif_pending.store(1, core::sync::atomic::Ordering::SeqCst);
        check!(quick(number::WAIT, [deadline, 0, 0, 0, 0]).is_ok());
    }
    process::exit(status)
}

/// Is never on a core when a turn ends, so that nobody should notice how long it was.
fn dodge(how: &str) -> Outcome {
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; 64];
    loop {
        match how {
            "by sleeping" => check!(call::sleep_ns(50_000).is_ok()),
            "by yielding" => check!(call::yield_now().is_ok()),
            "by batches" => check!(call::run(&mut calls) == 64),
            _ => {
                // A call that blocks at once, and the rest of its batch is done by somebody else.
                calls[0] = Call::new(number::SLEEP, [1000, 0, 0, 0, 0]);
                check!(call::run(&mut calls) == 64);
            }
        }
        for n in 0..20_000u64 {
            core::hint::black_box(n);
        }
    }
}

/// Makes every call that it was not given, in every place of a batch, with arguments with which it would do something.
/// (Given: nothing, the end, sleeping.)
fn denied() -> Outcome {
    let given = [number::NULL, number::EXIT, number::SLEEP];
    let used = || process::info().memory_used_frames.load(core::sync::atomic::Ordering::Relaxed);
    let arguments = |number: u32| match number {
        number::MAP => [0x12_0000_0000, PAGE as u64, rights::READ, number::ANONYMOUS, 0],
        number::UNMAP => [core::ptr::from_ref(process::info()).addr() as u64 - 2 * PAGE as u64, PAGE as u64, 0, 0, 0],
        number::WRITE_CONSOLE => ["what was not allowed".as_ptr().addr() as u64, 20, 0, 0, 0],
        number::WAIT => [u64::MAX, 0, 0, 0, 0],
        _ => [0; 5],
    };
    check!(call::sleep_ns(1).is_ok());
    let before = used();
    for number in (0..512).filter(|number| !given.contains(number)) {
        let expected = if number < 256 { Error::NotAllowed } else { Error::NoSuchCall };
        check!(quick(number, arguments(number)) == Err(expected));
        // Behind one that is done at once, and behind one that blocks.
        for first in [Call::new(number::NULL, [0; 5]), Call::new(number::SLEEP, [1000, 0, 0, 0, 0])] {
            let mut calls = [first, Call::new(number, arguments(number)), Call::new(number, arguments(number))];
            check!(trap((&raw const calls).addr(), 3) == 3);
            for call in &mut calls {
                while !call.is_done() {
                    check!(call::null().is_ok());
                }
            }
            check!(calls[0].outcome() == Ok(0));
            check!(calls[1].outcome() == Err(expected) && calls[2].outcome() == Err(expected));
        }
    }
    check!(used() == before);
    Ok(0)
}

/// Makes one call that it was not given, behind others; it is to die of that.
fn denied_behind(how: &str) -> Outcome {
    let first = if how == "one that blocks" { number::SLEEP } else { number::NULL };
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; 3];
    calls[0] = Call::new(first, [1000, 0, 0, 0, 0]);
    calls[1].number = number::YIELD;
    calls[2] = Call::new(number::WRITE_CONSOLE, ["from the dead".as_ptr().addr() as u64, 13, 0, 0, 0]);
    check!(trap((&raw const calls).addr(), 3) == 3);
    loop {
        core::hint::spin_loop();
    }
}
