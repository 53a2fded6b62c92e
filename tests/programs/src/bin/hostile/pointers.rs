//! Addresses that calls are given: the kernel's, those that are mapped by half, and those that were mapped a moment ago.

use core::arch::asm;

use libmcp::abi::call::{Call, Error, EventTarget, number};
use libmcp::memory::{self, Rights};
use libmcp::{call, process};

use crate::calls::ADDRESSES;
use crate::support::{DATA, Outcome, PAGE, USER_END, check, hex, number_of, pages, pages_at, quick, trap, word};

/// What nobody else has in memory.
const MARK: u64 = 0x5ec2_e75e_c2e7_5ec2;

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    Some(match name {
        "kernel_pointer" => kernel_pointer(hex(args[0])),
        "half_mapped" => half_mapped(),
        "freed" => freed(),
        "not_for_writing" => not_for_writing(),
        "lengths" => lengths(),
        "mark_memory" => mark_memory(number_of(args[0]) as usize),
        "find_marks" => find_marks(number_of(args[0]) as usize),
        "kernel_addresses" => kernel_addresses(),
        "own_data" => own_data(),
        "take_away" => take_away(args[0]),
        "take_away_all" => take_away_all(),
        "pages_with_flags" => pages_with_flags(),
        _ => return None,
    })
}

/// A call that writes a byte for each page, of which the first is in memory.
fn resident(at: usize, pages: usize, out: u64) -> Result<u64, Error> {
    quick(number::RESIDENT, [at as u64, (pages * PAGE) as u64, out, 0, 0])
}

fn print(at: u64, len: u64) -> Result<u64, Error> {
    quick(number::WRITE_CONSOLE, [at, len, 0, 0, 0])
}

/// Has the kernel read, write and forget what is its own, in each place where it takes an address.
fn kernel_pointer(at: usize) -> Outcome {
    let own = pages(1)?;
    // SAFETY: mapped above.
    unsafe { word(own).write_volatile(1) };
    let wide = at as u64;
    check!(resident(own, 1, wide) == Err(Error::BadAddress));
    for len in [1, 8, 256, u64::MAX] {
        check!(print(wide, len) == Err(Error::BadAddress));
    }
    for count in [1, 2, 64] {
        check!(trap(at, count) == 0);
        check!(trap(at & !63, count) == 0);
    }
    check!(quick(number::ABORT, [wide, 0, 0, 0, 0]) == Ok(0));
    let page = wide & !(PAGE as u64 - 1);
    for number in [number::MAP, number::UNMAP, number::PROTECT] {
        check!(quick(number, [page, PAGE as u64, 3, number::ANONYMOUS, 0]) == Err(Error::BadAddress));
    }
    check!(resident(at & !(PAGE - 1), 1, own as u64) == Err(Error::BadAddress));
    Ok(0)
}

/// What begins where something is and ends where nothing is.
fn half_mapped() -> Outcome {
    let at = pages(3)?;
    // SAFETY: mapped above.
    unsafe {
        word(at).write_volatile(1);
        check!(memory::unmap(at + 2 * PAGE..at + 3 * PAGE).is_ok());
    }
    let end = (at + 2 * PAGE) as u64;
    check!(resident(at, 2, end - 1) == Err(Error::BadAddress));
    check!(resident(at, 2, end) == Err(Error::BadAddress));
    check!(resident(at, 2, end - 2) == Ok(2));
    check!(print(end - 4, 5) == Err(Error::BadAddress));
    check!(print(end - 1, 2) == Err(Error::BadAddress));
    check!(print(end - 1, 1) == Ok(1));
    // From below, where nothing is either; not a word of it is aligned.
    let gap = pages_at(0x11_0000_0000, 1).map_err(|_| line!())?;
    check!(print(gap as u64 - 1, 2) == Err(Error::BadAddress));
    check!(resident(at, 2, gap as u64 - 1) == Err(Error::BadAddress));
    check!(resident(at, 2, gap as u64 + 3) == Ok(2));
    // Below the stack and above it.
    let info = core::ptr::from_ref(process::info()).addr();
    let stack = info - PAGE - 16 * PAGE;
    for guard in [stack - PAGE, info - PAGE] {
        check!(resident(at, 2, guard as u64) == Err(Error::BadAddress));
        check!(resident(at, 2, guard as u64 + PAGE as u64 - 1) == Err(Error::BadAddress));
        check!(print(guard as u64 + 8, 1) == Err(Error::BadAddress));
        check!(trap(guard, 1) == 0);
    }
    Ok(0)
}

/// What was mapped, and in memory, a moment ago.
fn freed() -> Outcome {
    let own = pages(1)?;
    for round in 0..50 {
        let at = pages(2)?;
        // SAFETY: mapped above.
        unsafe {
            word(at).write_volatile(1);
            word(at + PAGE).write_volatile(1);
            check!(memory::unmap(at..at + 2 * PAGE).is_ok());
        }
        let at = at as u64 + round;
        check!(resident(own, 1, at) == Err(Error::BadAddress));
        check!(print(at + PAGE as u64 - 4, 8) == Err(Error::BadAddress));
        check!(trap(at as usize & !63, 1) == 0);
    }
    Ok(0)
}

/// The kernel writes for the process only where the process might.
fn not_for_writing() -> Outcome {
    static CONSTANT: [u64; 8] = [7; 8];
    let own = pages(2)?;
    // SAFETY: mapped above.
    unsafe {
        word(own).write_volatile(1);
        word(own + PAGE).write_volatile(2);
        check!(memory::protect(own + PAGE..own + 2 * PAGE, Rights::Read).is_ok());
    }
    let text = (not_for_writing as fn() -> Outcome) as usize as u64;
    let info = core::ptr::from_ref(process::info()).addr() as u64;
    for out in [CONSTANT.as_ptr().addr() as u64, text, info, info + 4095, (own + PAGE) as u64, (own + PAGE) as u64 - 1]
    {
        check!(resident(own, 2, out) == Err(Error::BadAddress));
        check!(print(out, 1) == Ok(1));
    }
    check!(core::hint::black_box(&CONSTANT) == &[7; 8]);
    // SAFETY: mapped above.
    check!(unsafe { word(own + PAGE).read_volatile() } == 2);
    Ok(0)
}

/// Nothing, too much, and what goes round.
fn lengths() -> Outcome {
    let own = pages(1)?;
    for address in ADDRESSES {
        let expected = if address <= USER_END as u64 { Ok(0) } else { Err(Error::BadAddress) };
        check!(print(address, 0) == expected);
        check!(print(address, u64::MAX) == Err(Error::BadAddress));
        check!(print(address, 0u64.wrapping_sub(address).max(1)) == Err(Error::BadAddress));
    }
    check!(print(USER_END as u64 - 1, 2) == Err(Error::BadAddress));
    // More pages than one call tells about.
    check!(resident(own, 513, own as u64) == Err(Error::Invalid));
    check!(quick(number::RESIDENT, [own as u64, u64::MAX, own as u64, 0, 0]) == Err(Error::BadAddress));
    check!(quick(number::RESIDENT, [own as u64, 1 << 46, own as u64, 0, 0]) == Err(Error::Invalid));
    // Of what is longer than a line, the beginning is printed.
    check!(print(own as u64, PAGE as u64) == Ok(256));
    Ok(0)
}

/// Leaves a mark in every word of so many pages.
fn mark_memory(count: usize) -> Outcome {
    let at = pages(count)?;
    for at in (at..at + count * PAGE).step_by(8) {
        // SAFETY: mapped above.
        unsafe { word(at).write_volatile(MARK) };
    }
    Ok(0)
}

/// Looks for anything at all in memory that it was just given, in so many pages and in its stack.
fn find_marks(count: usize) -> Outcome {
    let at = pages(count)?;
    let stack = core::ptr::from_ref(process::info()).addr() - PAGE - 16 * PAGE;
    for at in (at..at + count * PAGE).chain(stack..stack + 8 * PAGE).step_by(8) {
        // SAFETY: mapped, and nobody else's.
        check!(unsafe { word(at).read_volatile() } == 0);
    }
    Ok(0)
}

/// Looks for addresses of the kernel's in all that the kernel writes: what it shares, calls, and what calls write.
fn kernel_addresses() -> Outcome {
    let info = process::info();
    let at = pages(2)?;
    // SAFETY: mapped above; zeros are calls.
    let calls = unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut::<Call>(at), 64) };
    for (n, call) in calls.iter_mut().enumerate() {
        let number = [number::SLEEP, number::NULL, number::RESIDENT, number::ABORT, number::MAP, 200][n % 6];
        *call = Call::new(number, [if n % 6 == 0 { 1000 } else { at as u64 }, PAGE as u64, (at + PAGE) as u64, 0, 0]);
        call.event = EventTarget { vcore_plus_one: 1, tag: n as u32 };
    }
    check!(trap(at, 64) == 64);
    for call in calls.iter() {
        call::wait_for(call);
    }
    let own = core::ptr::from_ref(info).addr();
    let shared = [own, info.data as usize, info.slots as usize, at, at + PAGE];
    for at in shared.into_iter().flat_map(|page| (page..page + PAGE).step_by(8)) {
        // SAFETY: mapped, for reading at least.
        let word = unsafe { word(at).read_volatile() };
        // Results that are errors, and cores that are none, are small negative numbers.
        check!(!(0xffff_8000_0000_0000..0xffff_ffff_ffff_0000).contains(&word));
    }
    Ok(0)
}

/// Data of the program is each process's own, from its start.
fn own_data() -> Outcome {
    static ZEROS: [core::sync::atomic::AtomicU64; 600] = [const { core::sync::atomic::AtomicU64::new(0) }; 600];
    use core::sync::atomic::Ordering::Relaxed;
    check!(DATA.load(Relaxed) == 0x1234_5678);
    check!(ZEROS.iter().all(|word| word.load(Relaxed) == 0));
    for round in 0..100 {
        DATA.store(MARK + round, Relaxed);
        ZEROS.iter().for_each(|word| word.store(MARK, Relaxed));
        check!(call::yield_now().is_ok());
        check!(DATA.load(Relaxed) == MARK + round);
    }
    Ok(0)
}

/// Takes from itself what it cannot go on without.
fn take_away(what: &str) -> Outcome {
    let local = 0u64;
    let page = |at: usize| (at & !(PAGE - 1)) as u64;
    let stack = page((&raw const local).addr());
    let text = page((take_away as fn(&str) -> Outcome) as usize);
    let (number, at, len, rights) = match what {
        "stack" => (number::UNMAP, stack, 1, 0),
        "writing the stack" => (number::PROTECT, stack, 1, 1),
        "executing text" => (number::PROTECT, text, 1, 1),
        _ => (number::UNMAP, text, 1, 0),
    };
    // The call lies elsewhere: what is taken away is noticed by the process, not by the kernel.
    let own = pages(1)?;
    // SAFETY: mapped above; the rest is the end.
    unsafe {
        let call = core::ptr::with_exposed_provenance_mut::<Call>(own);
        call.write(Call::new(number, [at, len * PAGE as u64, rights, 0, 0]));
        asm!("syscall", "push rax", "ret", in("rdi") call, in("rsi") 1, options(noreturn));
    }
}

/// Takes away all that there is at once, which is not all there: nothing happens.
fn take_away_all() -> Outcome {
    let all = [1 << 16, (USER_END - (1 << 16)) as u64, 1, 0, 0];
    for number in [number::UNMAP, number::PROTECT] {
        check!(quick(number, all) == Err(Error::BadAddress));
    }
    Ok(0)
}

/// Has pages brought in by faults and by calls with flags set that the kernel does not have: they are zeros all over.
fn pages_with_flags() -> Outcome {
    const DIRECTION: u64 = 1 << 10;
    const NESTED: u64 = 1 << 14;
    const ALIGNMENT: u64 = 1 << 18;
    for flags in [DIRECTION, ALIGNMENT, DIRECTION | NESTED | ALIGNMENT] {
        let count = 32;
        let at = pages(count)?;
        for page in 0..count {
            let (at, after) = (at + page * PAGE, &mut 0u64);
            // SAFETY: mapped above; the flags are put back before compiled code sees them.
            unsafe {
                asm!(
                    "push {flags}", "popfq", "mov rax, [{at}]", "mov [{after}], rax", "push 2", "popfq",
                    flags = in(reg) flags | 2, at = in(reg) at + 2048, after = in(reg) &raw mut *after, out("rax") _,
                );
                check!(*after == 0);
                check!((at..at + PAGE).step_by(8).all(|at| word(at).read_volatile() == 0));
            }
        }
        // What the kernel copies goes forwards, and to where it was said.
        let out = pages(1)?;
        let call = Call::new(number::RESIDENT, [at as u64, (count * PAGE) as u64, out as u64 + 64, 0, 0]);
        // SAFETY: as above.
        unsafe {
            asm!(
                "push {flags}", "popfq", "syscall", "push 2", "popfq",
                flags = in(reg) flags | 2, inout("rdi") &raw const call => _, inout("rsi") 1usize => _, clobber_abi("C"),
            );
            check!(call.is_done() && call.outcome() == Ok(count as u64));
            for at in (0..PAGE).step_by(8) {
                let expected = if (64..96).contains(&at) { 0x0101_0101_0101_0101 } else { 0 };
                check!(word(out + at).read_volatile() == expected);
            }
        }
    }
    Ok(0)
}
