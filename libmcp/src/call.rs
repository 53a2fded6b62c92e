//! System calls.
//!
//! A call that blocks is done some time after the trap has come back; the functions here wait for that, because a process
//! without threads has nothing else to do.

use core::arch::asm;
use core::hint;
use core::sync::atomic::{Ordering, fence};

use mcp_abi::call::{ARGUMENTS, Call, Error, EventTarget, number};

use crate::process;

/// Gives calls to the kernel, and waits until all that it took are done. Says how many it took: all, unless
/// there are none or more than [`MAX_BATCH`](mcp_abi::call::MAX_BATCH).
pub fn run(calls: &mut [Call]) -> usize {
    for call in calls.iter_mut() {
        call.event = EventTarget { vcore_plus_one: 1, tag: 0 };
    }
    let taken = trap(calls.as_ptr(), calls.len());
    for call in &calls[..taken.min(calls.len())] {
        wait_for(call);
    }
    taken
}

/// As [`run`], for calls none of which blocks: no event is asked for, and nothing is waited for.
#[inline]
pub fn run_quick(calls: &mut [Call]) -> usize {
    trap(calls.as_ptr(), calls.len())
}

/// Waits until a call that the kernel has taken is done.
pub fn wait_for(call: &Call) {
    while !call.has_outcome() {
        let pending = &process::slot().notif_pending;
        // Before the look below. Partner: the kernel posts, and then sets it.
        pending.store(0, Ordering::SeqCst);
        if call.has_outcome() {
            break;
        }
        wait();
    }
    // The kernel has posted the event before it lets go, which another core does just now.
    while !call.is_done() {
        hint::spin_loop();
    }
}

/// Makes one call, and waits until it is done.
///
/// # Errors
/// What the call says.
#[inline(always)]
pub fn one(number: u32, args: [u64; ARGUMENTS]) -> Result<u64, Error> {
    let mut call = Call::new(number, args);
    let taken = trap(&raw const call, 1);
    if !call.is_done() {
        wait_if_taken(&mut call, taken)?;
    }
    call.outcome()
}

/// Makes one call with one argument, waits until it is done, and says whether it failed with `error`: for whoever does not
/// care otherwise.
#[inline(always)]
pub(crate) fn one_is(number: u32, argument: u64, error: Error) -> bool {
    let mut call = Call::new(number, [argument, 0, 0, 0, 0]);
    let taken = trap(&raw const call, 1);
    if !call.is_done() && wait_if_taken(&mut call, taken).is_err() {
        return false;
    }
    // Relaxed: after the acquire in `is_done`.
    call.result.load(Ordering::Relaxed) == error.to_result()
}

/// Most calls are done when the trap returns, so one asks to be told only when it is not.
#[cold]
#[inline(never)]
fn wait_if_taken(call: *mut Call, taken: usize) -> Result<(), Error> {
    if taken == 0 {
        return Err(Error::BadAddress);
    }
    // SAFETY: the caller's. The kernel may read it at the same time; it finds one or the other.
    unsafe { (&raw mut (*call).event).write_volatile(EventTarget { vcore_plus_one: 1, tag: 0 }) };
    // Before the look whether it is done. Partner: the kernel says that it is, and then looks whom to tell.
    fence(Ordering::SeqCst);
    // SAFETY: as above.
    wait_for(unsafe { &*call });
    Ok(())
}

/// Does nothing, by way of the kernel.
///
/// # Errors
/// If this process was not given the call.
#[inline]
pub fn null() -> Result<(), Error> {
    one(number::NULL, [0; ARGUMENTS]).map(drop)
}

/// Lets other processes run.
///
/// # Errors
/// If this process was not given the call.
pub fn yield_now() -> Result<(), Error> {
    one(number::YIELD, [0; ARGUMENTS]).map(drop)
}

/// Waits until something is posted, or has been since `notif_pending` was last clear; perhaps for less.
#[inline(never)]
pub fn wait() {
    // Without the call there is nothing to wait with, and the caller looks again.
    let _ = one(number::WAIT, [0; ARGUMENTS]);
}

/// Comes back after so many nanoseconds; with `u64::MAX`, only if it is aborted.
///
/// # Errors
/// [`Error::Aborted`]; [`Error::Limit`] if 128 calls have blocked; [`Error::NoMemory`] if there is none for another one; or
/// if this process was not given the call.
pub fn sleep_ns(ns: u64) -> Result<(), Error> {
    one(number::SLEEP, [ns, 0, 0, 0, 0]).map(drop)
}

/// Ends this process.
pub fn exit(status: u64) -> ! {
    // One that was not given the call ends by an instruction that it must not execute.
    let _ = one(number::EXIT, [status, 0, 0, 0, 0]);
    loop {
        // SAFETY: the end.
        unsafe { asm!("ud2", options(nomem, nostack)) };
    }
}

/// The trap. Registers as `mcp_abi::call` says.
#[inline(always)]
pub(crate) fn trap(calls: *const Call, count: usize) -> usize {
    let taken;
    // SAFETY: whatever the kernel does to this process's memory, it does to the calls, whose owner has given them for that.
    unsafe {
        asm!(
            "syscall",
            in("rdi") calls, in("rsi") count,
            lateout("rax") taken,
            clobber_abi("C"),
            options(nostack),
        );
    }
    taken
}
