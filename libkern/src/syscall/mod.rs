//! System calls: what a process may ask for.
//!
//! A call is a struct in the process's memory (`mcp_abi::call`), and a trap gives one or a batch of them. Of each the
//! number and the arguments are read once. It is looked up, done, and marked as done; the process has its result when the
//! trap returns, or, if the call blocks, later, and its core meanwhile. (DESIGN, section 8; seed `kthreads.txt`,
//! Current_tf.)
//!
//! | module | what it has |
//! |---|---|
//! | [`table`] | which number is which call |
//! | [`arguments`](mod@arguments) | reading a call's arguments |
//! | [`basic`] | calls about the process itself |
//! | [`memory`] | calls about its memory |
//! | [`fault`] | calls about what it does that it must not |
//! | [`handles`] | calls about what it was passed |
//!
//! # Where it runs
//!
//! On the kthread that runs on the core, from the top of its stack, interrupts off. Most calls end like that. One that
//! blocks becomes a kthread's work at that moment (`proc::blocked`); when it is done, its kthread is the idle loop's, on
//! whatever core it is then, and does not return to ring 3: the process has long gone on (K27).
//!
//! # Batches
//!
//! The first call is done directly. The others follow as long as nothing waits for the core; then one routine message has
//! them, which goes to the end of the queue after each. (K31: to whoever else sends messages, that is the same as a message
//! from the beginning, since the end of an empty queue is its beginning.) If one blocks, the rest goes on without it.
//!
//! # The quick way
//!
//! What happens where nothing is special is in `dispatch.s`, some fifty instructions: it reads the number, looks into the
//! set of calls that the process was given and into the table, and calls; it stores the result and the flags, and looks
//! whether something waits for the core. It touches the process's memory in two places; a fault there goes on at a label
//! (`arch::user::access::FixUp`). Everything else is in the functions below, each of which is called from one place there.
//!
//! Written in Rust, this way is twice as long: registers that the process's context holds already are saved and restored,
//! and what is known is loaded again after each call.

mod arguments;
mod basic;
mod fault;
mod handles;
mod memory;
mod table;

use alloc::sync::Arc;
use core::arch::global_asm;
use core::mem::{offset_of, size_of};
use core::ptr::addr_of;

use mcp_abi::call::{Call, Error, EventTarget, MAX_BATCH, MAX_CALLS, flag};
use mcp_abi::process::{Event, USER_END, event};

use crate::arch::user::access::{self, FixUp};
use crate::arch::{clock, depth, user};
use crate::kmsg;
use crate::mem::space::Access;
use crate::proc::{self, Calls, Exit, OnDenied, Proc, Rest, current, umem};
use crate::sync::depth::FROM_USER;
use table::{BEHIND, FIRST};

/// Bytes from one call of a batch to the next.
const CALL_LEN: usize = size_of::<Call>();

global_asm!(
    include_str!("dispatch.s"),
    here = sym current::offsets::HERE,
    owner = const current::offsets::OWNER,
    call = const current::offsets::CALL,
    calls_end = const current::offsets::CALLS_END,
    messages = sym kmsg::CORE,
    pending = const kmsg::offsets::PENDING,
    routine = const kmsg::offsets::ROUTINE,
    from_user = const user::FROM_USER_AT,
    context = const user::CONTEXT_AT,
    rax = const user::RESULT_AT,
    allowed = const proc::offsets::ALLOWED,
    call_len = const CALL_LEN,
    max_batch = const MAX_BATCH,
    max_calls = const MAX_CALLS,
    safe_end = const USER_END - MAX_BATCH * CALL_LEN,
    result = const offset_of!(Call, result),
    flags = const offset_of!(Call, flags),
    event = const offset_of!(Call, event),
    done_lock_started = const flag::DONE | flag::LOCK | flag::STARTED,
    first_table = sym FIRST,
    behind_table = sym BEHIND,
    is_in_range = sym is_batch_in_range,
    refuse = sym refuse,
    deny = sym deny,
    end_blocked = sym end_blocked,
    complete = sym complete,
    load = sym load,
    leave = sym leave,
);

const _: () = assert!(CALL_LEN == 64, "the length of a batch is a shift");

macro_rules! dispatcher {
    ($name:ident, $load:ident, $load_end:ident, $load_faulted:ident, $done:ident, $done_end:ident, $done_faulted:ident) => {{
        unsafe extern "C" {
            static $name: u8;
            static $load: u8;
            static $load_end: u8;
            static $load_faulted: u8;
            static $done: u8;
            static $done_end: u8;
            static $done_faulted: u8;
        }
        let fix_up = |start: *const u8, end: *const u8, target: *const u8| FixUp {
            start: start.addr(),
            end: end.addr(),
            target: target.addr(),
        };
        Calls {
            entry: addr_of!($name).expose_provenance(),
            fix_ups: [
                fix_up(addr_of!($load), addr_of!($load_end), addr_of!($load_faulted)),
                fix_up(addr_of!($done), addr_of!($done_end), addr_of!($done_faulted)),
            ],
            pass_on,
        }
    }};
}

/// What takes calls, for `proc`, which is below.
#[unsafe(no_mangle)]
extern "Rust" fn __roost_calls() -> Calls {
    if user::has_smap() {
        dispatcher!(
            __syscall_dispatch_smap,
            __syscall_dispatch_smap_load,
            __syscall_dispatch_smap_load_end,
            __syscall_dispatch_smap_load_faulted,
            __syscall_dispatch_smap_complete,
            __syscall_dispatch_smap_complete_end,
            __syscall_dispatch_smap_complete_faulted
        )
    } else {
        dispatcher!(
            __syscall_dispatch,
            __syscall_dispatch_load,
            __syscall_dispatch_load_end,
            __syscall_dispatch_load_faulted,
            __syscall_dispatch_complete,
            __syscall_dispatch_complete_end,
            __syscall_dispatch_complete_faulted
        )
    }
}

/// Whether a batch of which the quick way is not sure lies in the lower half.
extern "C" fn is_batch_in_range(calls: usize, count: usize) -> bool {
    umem::is_in_range(calls, count.wrapping_mul(CALL_LEN))
}

/// The trap gives no batch: none is taken.
extern "C" fn refuse() {
    // SAFETY: the core's context, which came by this call.
    unsafe { (*user::current()).set_result(0) };
}

/// Does, instead of a call that the process was not given, what its parent chose.
extern "C" fn deny(proc: &Proc, number: u32) -> i64 {
    if number as usize >= MAX_CALLS {
        return Error::NoSuchCall.to_result();
    }
    if proc.on_denied() == OnDenied::Kill {
        // SAFETY: its core, or its kthread, refers to it.
        proc::die(&unsafe { proc.to_arc() }, Exit::Denied { number });
    }
    Error::NotAllowed.to_result()
}

/// A call that had blocked has come to its end.
extern "C" fn end_blocked(call: usize, result: i64) -> ! {
    proc::end_blocked(|proc| complete(proc, call, result))
}

/// Reads the number of a call where that has faulted; a negative one if there is no call: then it and those behind it are
/// not taken.
extern "C" fn load(proc: &Proc, call: usize, end: usize) -> i64 {
    match number_of(proc, call) {
        Ok(number) => number.into(),
        Err(_) => {
            // SAFETY: the core's context, which came by this call.
            unsafe {
                let context = &mut *user::current();
                let taken = context.result() - (end - call) / CALL_LEN;
                context.set_result(taken);
            }
            -1
        }
    }
}

/// Ends a trap that does not go straight back: something waits for the core, or there was no call. What is left of the
/// batch, from `next` to `end`, goes behind whatever waits.
extern "C" fn leave(next: usize, end: usize) -> ! {
    let left = (end - next) / CALL_LEN;
    if left > 0 {
        // SAFETY: the trap has not blocked, and its core refers to the process.
        pass_on(unsafe { current::owner().to_arc() }, Rest { calls: next, count: left });
    }
    depth::lower::<FROM_USER>();
    current::leave()
}

/// Has the rest of a batch done by a message, which counts as somebody who works for the process.
fn pass_on(proc: Arc<Proc>, rest: Rest) {
    proc::begin_work(&proc);
    let core = crate::arch::core_id();
    kmsg::send_routine(core, move |_| {
        if !proc::is_dying(&proc) {
            do_next(&proc, rest);
        }
        proc::end_work(&proc);
    });
}

/// Does one call of what was passed on, and passes on what is left. A kthread's work, which may block like any.
fn do_next(proc: &Arc<Proc>, Rest { calls, count }: Rest) {
    if count > 1 {
        // Behind whatever else waits; and before the call, which may block.
        pass_on(proc.clone(), Rest { calls: calls + CALL_LEN, count: count - 1 });
    }
    let Ok(number) = number_of(proc, calls) else { return };
    // SAFETY: in range, as the whole batch was.
    let _ = umem::attempt(proc, Access::Write, || unsafe { access::mark_started(calls) });
    let result = if proc.allowed().contains(number) {
        proc::listed(proc, calls, || BEHIND[number as usize](proc, calls))
    } else {
        deny(proc, number)
    };
    complete(proc, calls, result);
}

fn number_of(proc: &Proc, call: usize) -> Result<u32, Error> {
    let mut number = [0; size_of::<u32>()];
    umem::read(proc, call + offset_of!(Call, number), &mut number)?;
    Ok(u32::from_ne_bytes(number))
}

/// Does a call, the first of its batch, that takes the core from its process: the call is done, with 0, and what is left of
/// the batch passed on, before `leave` ends the trap. (`proc::current`, hazard 1.)
#[inline(always)]
fn end_with(proc: &Proc, call: usize, leave: fn() -> !) -> i64 {
    let next = call + CALL_LEN;
    let end = current::end_of_batch();
    // SAFETY: in range, as all calls of the batch; in a trap that has not blocked its process's space is loaded.
    match unsafe { access::complete_call(call, 0) } {
        Ok(None) => {}
        _ => complete(proc, call, 0),
    }
    if !user::is_from_user() {
        // That has blocked, with the rest of the batch passed on, and the process has gone on.
        proc::end_blocked(|_| ());
    }
    if end != next {
        // SAFETY: the trap has not blocked, and its core refers to the process.
        pass_on(unsafe { proc.to_arc() }, Rest { calls: next, count: (end - next) / CALL_LEN });
    }
    leave()
}

/// As [`end_with`], of a call whose process waits, and that has woken `woken`, which is ready and in no queue: that one has
/// the core next, if nothing else waits for it. In a trap that has not blocked.
#[inline(always)]
fn end_with_hand_over(proc: &Proc, call: usize, woken: Option<Arc<Proc>>) -> i64 {
    if let Some(next) = woken {
        if call + CALL_LEN == current::end_of_batch()
            // SAFETY: as in `end_with`.
            && let Ok(None) = unsafe { access::complete_call(call, 0) }
        {
            current::hand_over(next)
        }
        // Before anything that may block.
        current::wake(next);
    }
    end_with(proc, call, current::wait)
}

/// Says that a call is done, and posts its event. If the process has taken the struct away, nobody is told.
extern "C" fn complete(proc: &Proc, call: usize, result: i64) {
    // SAFETY: in range; `attempt` has the space loaded.
    let target = umem::attempt(proc, Access::Write, || unsafe { access::complete_call(call, result) });
    if let Ok(Some(EventTarget { tag, .. })) = target {
        // There is one vcore.
        proc::post(proc, Event { kind: event::CALL_DONE, tag, a: call as u64, b: 0, tsc: clock::tsc() });
        // SAFETY: as above.
        let _ = umem::attempt(proc, Access::Write, || unsafe { access::unlock_call(call) });
    }
}
