//! Memory that is not the process's, or not for this.

use libmcp::abi::call::{Error, number, rights};
use libmcp::memory::{self, Rights};
use libmcp::process;

use crate::support::{DATA, Outcome, PAGE, USER_END, check, execute, hex, pages, pages_at, quick, word};

/// Where a process and its sibling both map something.
const COMMON: usize = 0x10_0000_0000;

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    Some(match name {
        "read" | "write" | "jump" | "add" => touch(name, args[0]),
        "common" => common(args[0]),
        "uncommon" => uncommon(),
        "mappings" => mappings(),
        "write_and_execute" => write_and_execute(),
        "fixed_pages" => fixed_pages(),
        "after_unmap" => after_unmap(),
        "after_protect" => after_protect(),
        "slot" => slot(),
        _ => return None,
    })
}

fn place(text: &str) -> usize {
    let info = process::info();
    match text {
        "text" => (place as fn(&str) -> usize) as usize & !7,
        "rodata" => text.as_ptr().addr() & !7,
        "constants" => TABLE.as_ptr().addr(),
        "info" => core::ptr::from_ref(info).addr(),
        "slot" => info.slots as usize,
        "behind the slots" => info.slots as usize + PAGE,
        "data" => (&raw const DATA).addr(),
        "stack" => (&raw const text).addr() & !7,
        "above the stack" => core::ptr::from_ref(info).addr() - PAGE,
        address => hex(address),
    }
}

static TABLE: [u64; 4] = [1, 2, 3, 4];

fn touch(how: &str, at: &str) -> Outcome {
    let at = place(at);
    // SAFETY: whatever happens, it happens to this process.
    unsafe {
        match how {
            "read" => _ = core::hint::black_box(word(at).read_volatile()),
            "write" => word(at).write_volatile(1),
            "add" => core::arch::asm!("lock add qword ptr [{}], 1", in(reg) at),
            _ => execute(at),
        }
    }
    Ok(0)
}

/// Maps what the sibling has mapped, too, and finds its own there only.
fn common(mark: &str) -> Outcome {
    let mark = hex(mark) as u64;
    check!(pages_at(COMMON, 16) == Ok(COMMON));
    for round in 0..200 {
        for page in 0..16 {
            let word = word(COMMON + page * PAGE + 8 * (round % 500));
            // SAFETY: mapped above.
            unsafe {
                check!(word.read_volatile() == 0 || round >= 500);
                word.write_volatile(mark);
                check!(word.read_volatile() == mark);
            }
        }
        check!(libmcp::call::yield_now().is_ok());
    }
    Ok(0)
}

/// Touches what only the sibling has mapped.
fn uncommon() -> Outcome {
    // SAFETY: it fails.
    Ok(unsafe { word(COMMON).read_volatile() })
}

/// Every way of mapping that is wrong.
fn mappings() -> Outcome {
    const RW: u64 = rights::READ | rights::WRITE;
    let page = PAGE as u64;
    let end = USER_END as u64;
    let map = |address, len, rights, handle, offset| quick(number::MAP, [address, len, rights, handle, offset]);
    let anonymous = number::ANONYMOUS;
    for address in
        [1, page, 15 * page, end, end - 1, end + page, 1 << 47, 1 << 63, u64::MAX, !0 << 12, (!0 << 47) - page]
    {
        check!(map(address, page, RW, anonymous, 0) == Err(Error::BadAddress));
    }
    check!(map(end - page, 2 * page, RW, anonymous, 0) == Err(Error::BadAddress));
    check!(map(COMMON as u64, u64::MAX - COMMON as u64, RW, anonymous, 0) == Err(Error::BadAddress));
    check!(map(COMMON as u64, u64::MAX, RW, anonymous, 0) == Err(Error::BadAddress));
    // Longer than the half is nowhere; what there is no room for might be elsewhere.
    for len in [u64::MAX, 1 << 60, end + 1] {
        check!(map(0, len, RW, anonymous, 0) == Err(Error::BadAddress));
    }
    for len in [end, 1 << 46, 1 << 36 | 1] {
        check!(map(0, len, RW, anonymous, 0) == Err(Error::NoMemory));
    }
    check!(map(0, 0, RW, anonymous, 0) == Err(Error::Invalid));
    for rights in [0, 2, 4, 6, 7, 8, 1 << 32 | 3, u64::MAX] {
        check!(map(0, page, rights, anonymous, 0) == Err(Error::Invalid));
    }
    for handle in [0, 1, 255, u64::MAX - 1, 1 << 32] {
        check!(map(0, page, RW, handle, 0) == Err(Error::BadHandle));
    }
    check!(map(0, page, RW, anonymous, 1) == Err(Error::Invalid));
    let info = core::ptr::from_ref(process::info()).addr() as u64;
    for taken in [info, info + page, info + 2 * page, (&raw const DATA).addr() as u64 & !(page - 1)] {
        check!(map(taken, page, RW, anonymous, 0) == Err(Error::BadAddress));
    }
    // The last page that there is.
    check!(map(end - page, page, RW, anonymous, 0) == Ok(end - page));
    // SAFETY: mapped above.
    unsafe { word(USER_END - 8).write_volatile(1) };
    for (address, len) in [
        (end - page, 2 * page),
        (end, page),
        (0, page),
        (1, page),
        (COMMON as u64, page),
        (1 << 47, page),
        (end - page, u64::MAX),
        (u64::MAX, 1),
        (!4095, page),
    ] {
        check!(quick(number::UNMAP, [address, len, 0, 0, 0]) == Err(Error::BadAddress));
        check!(quick(number::PROTECT, [address, len, RW, 0, 0]) == Err(Error::BadAddress));
        let out = (&raw const DATA).addr() as u64;
        check!(matches!(quick(number::RESIDENT, [address, len, out, 0, 0]), Err(_) | Ok(0)));
    }
    for rights in [0, 2, 4, 6, 7, u64::MAX] {
        check!(quick(number::PROTECT, [end - page, page, rights, 0, 0]) == Err(Error::Invalid));
    }
    check!(quick(number::UNMAP, [end - page, page, 0, 0, 0]) == Ok(0));
    check!(quick(number::UNMAP, [end - page, page, 0, 0, 0]) == Err(Error::BadAddress));
    Ok(0)
}

/// No page is to be written and executed, on whatever way.
fn write_and_execute() -> Outcome {
    let text = (place as fn(&str) -> usize) as usize & !(PAGE - 1);
    // SAFETY: refused.
    unsafe {
        check!(memory::protect(text..text + PAGE, Rights::ReadWrite) == Err(Error::NoRight));
        let constants = TABLE.as_ptr().addr() & !(PAGE - 1);
        check!(memory::protect(constants..constants + PAGE, Rights::ReadWrite) == Err(Error::NoRight));
    }
    let at = pages(1)?;
    // SAFETY: mapped above; `ret`.
    unsafe {
        word(at).write_volatile(0xc3);
        check!(memory::protect(at..at + PAGE, Rights::ReadExecute).is_ok());
    }
    execute(at);
    // And the processor has forgotten that it could be written: this ends it.
    // SAFETY: to fail.
    unsafe { word(at).write_volatile(0) };
    Ok(0)
}

/// What the kernel shares with the process stays where it is, as it is.
fn fixed_pages() -> Outcome {
    let info = core::ptr::from_ref(process::info()).addr();
    for page in 0..3 {
        let at = info + page * PAGE;
        // SAFETY: refused.
        unsafe {
            check!(memory::unmap(at..at + PAGE) == Err(Error::BadAddress));
            check!(memory::unmap(at - PAGE..at + PAGE) == Err(Error::BadAddress));
            for rights in [Rights::Read, Rights::ReadWrite, Rights::ReadExecute] {
                check!(memory::protect(at..at + PAGE, rights) == Err(Error::BadAddress));
            }
        }
    }
    // Nor does the kernel write to the info page for the process.
    let own = (&raw const DATA).addr() as u64 & !4095;
    check!(quick(number::RESIDENT, [own, PAGE as u64, info as u64, 0, 0]) == Err(Error::BadAddress));
    Ok(0)
}

/// Memory that it had a moment ago.
fn after_unmap() -> Outcome {
    let at = pages(3)?;
    // SAFETY: mapped above; and to fail, in the end.
    unsafe {
        word(at + PAGE).write_volatile(1);
        check!(memory::unmap(at + PAGE..at + 2 * PAGE).is_ok());
        word(at + 2 * PAGE).write_volatile(1);
        Ok(word(at + PAGE).read_volatile())
    }
}

fn after_protect() -> Outcome {
    let at = pages(1)?;
    // SAFETY: as above.
    unsafe {
        word(at).write_volatile(1);
        check!(memory::protect(at..at + PAGE, Rights::Read).is_ok());
        word(at).write_volatile(2);
    }
    Ok(0)
}

/// Nonsense in every word that it shares with the kernel, while the kernel posts events.
fn slot() -> Outcome {
    let info = process::info();
    let (data, slots) = (info.data as usize, info.slots as usize);
    for round in 0..64u64 {
        let pattern = match round % 4 {
            0 => u64::MAX,
            1 => 0,
            2 => 1 << 63,
            _ => round.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        for at in (data..data + PAGE).chain(slots..slots + PAGE).step_by(8) {
            // SAFETY: pages that it may write.
            unsafe { word(at).write_volatile(pattern) };
        }
        check!(libmcp::call::sleep_ns(1000).is_ok());
        check!(quick(number::WAIT, [1, 0, 0, 0, 0]).is_ok());
    }
    Ok(0)
}
