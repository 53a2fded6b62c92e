//! What benchmarks of processes count: does its first argument as often as the second says.

#![no_std]
#![no_main]

use libmcp::abi::call::{Call, Error, number};
use libmcp::fault::{self, Context, Fault};
use libmcp::memory::{self, Rights};
use libmcp::{call, process};

libmcp::program!(main);

const PAGE: usize = 4096;
const BATCH: usize = 16;

fn main() {
    let mut args = process::args();
    let what = args.next().unwrap_or_default();
    let count = args.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let outcome = match what {
        "null_call" => (0..count).try_for_each(|_| call::null()),
        "null_batch" => null_batch(count),
        "page_fault" => page_fault(count),
        "map_unmap" => (0..count).try_for_each(|_| map_unmap(false)),
        "map_touch_unmap" => (0..count).try_for_each(|_| map_unmap(true)),
        "protect" => protect(count),
        "fault" => faults(count),
        "blocks" => process::exit(blocks(count).unwrap_or(0)),
        _ => Err(Error::Invalid),
    };
    process::exit(u64::from(outcome.is_err()));
}

fn null_batch(count: usize) -> Result<(), Error> {
    let mut calls = [const { Call::new(number::NULL, [0; 5]) }; BATCH];
    for _ in 0..count / BATCH {
        for call in &mut calls {
            *call = Call::new(number::NULL, [0; 5]);
        }
        call::run_quick(&mut calls);
        calls.iter().try_for_each(|call| call.outcome().map(drop))?;
    }
    Ok(())
}

fn touch(address: usize) {
    // SAFETY: the callers have mapped it.
    unsafe { core::ptr::with_exposed_provenance_mut::<u64>(address).write_volatile(1) };
}

fn page_fault(count: usize) -> Result<(), Error> {
    let at = memory::map(count * PAGE, Rights::ReadWrite)?;
    (at..at + count * PAGE).step_by(PAGE).for_each(touch);
    loop {
        call::wait();
    }
}

fn map_unmap(is_touched: bool) -> Result<(), Error> {
    let at = memory::map(PAGE, Rights::ReadWrite)?;
    if is_touched {
        touch(at);
    }
    // SAFETY: nothing there is needed.
    unsafe { memory::unmap(at..at + PAGE) }
}

fn protect(count: usize) -> Result<(), Error> {
    let at = memory::map(PAGE, Rights::ReadWrite)?;
    touch(at);
    for _ in 0..count {
        // SAFETY: nothing writes there meanwhile.
        unsafe {
            memory::protect(at..at + PAGE, Rights::Read)?;
            memory::protect(at..at + PAGE, Rights::ReadWrite)?;
        }
    }
    Ok(())
}

/// Has what is no instruction left out so many times.
fn faults(count: usize) -> Result<(), Error> {
    fn skip(_: &Fault, context: &mut Context) {
        // SAFETY: behind the two bytes of `ud2`, which is all that faults here.
        unsafe { context.registers_mut() }.rip += 2;
    }
    fault::set_handler(skip)?;
    for _ in 0..count {
        // SAFETY: left out by the handler.
        unsafe { core::arch::asm!("ud2", options(nomem, nostack, preserves_flags)) };
    }
    Ok(())
}

/// How long it takes from a trap whose call blocks until the process runs again, in ticks of the time-stamp counter: the
/// median of so many, but for what looking at the counter takes.
fn blocks(count: usize) -> Result<u64, Error> {
    const MOST: usize = 64;
    let mut took = [0; MOST];
    let took = &mut took[..count.min(MOST)];
    for took in took.iter_mut() {
        let mut call = Call::new(number::SLEEP, [u64::MAX, 0, 0, 0, 0]);
        *took = ticks(&mut call, true) - ticks(&mut call, false);
        if call.is_done() {
            return Err(Error::Invalid);
        }
        call::one(number::ABORT, [(&raw const call).expose_provenance() as u64, 0, 0, 0, 0])?;
        while !call.is_done() {
            call::yield_now()?;
        }
    }
    took.sort_unstable();
    took.get(took.len() / 2).copied().ok_or(Error::Invalid)
}

/// Ticks from before the trap with a call to behind it; or those of looking alone.
#[inline(never)]
fn ticks(call: &mut Call, traps: bool) -> u64 {
    let (before, after): (u64, u64);
    // SAFETY: the call is the process's own until the trap, and then the kernel's until it is done. All registers that
    // change are named.
    unsafe {
        core::arch::asm!(
            "rdtsc", "shl rdx, 32", "or rax, rdx", "mov r12, rax",
            "test r13, r13", "jz 2f",
            "syscall",
            "2: rdtsc", "shl rdx, 32", "or rax, rdx",
            in("rdi") &raw mut *call, in("rsi") 1usize, in("r13") u64::from(traps),
            lateout("rax") after, out("r12") before, clobber_abi("C"),
        );
    }
    after - before
}
