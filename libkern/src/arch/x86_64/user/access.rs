//! Touching a process's memory, as far as the machine is concerned.
//!
//! What a process says is an address is an allegation. Whoever uses it has seen that it lies in the lower half; whether
//! something is there, the processor finds out: a fault in one of these routines makes it return the address that faulted.
//! Nothing is resolved here. (DESIGN, section 4.)
//!
//! SMAP is lifted inside the routines only, and put back on every way out.

use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::ptr::{self, addr_of};
use core::sync::atomic::{AtomicPtr, Ordering};

use conquer_once::spin::OnceCell;

use mcp_abi::call::{ARGUMENTS, Call, EventTarget, flag};

use super::super::traps::{HAS_SMAP, TrapFrame};
use super::saved;

global_asm!(
    include_str!("access.s"),
    has_smap = sym HAS_SMAP,
    result = const offset_of!(Call, result),
    flags = const offset_of!(Call, flags),
    event = const offset_of!(Call, event),
    done_lock_started = const flag::DONE | flag::LOCK | flag::STARTED,
);

const _: () = assert!(ARGUMENTS == 5, "__user_load_arguments copies five");
const _: () = assert!(flag::LOCK == 1 << 8, "unlocking is a store to the flags' second byte");

unsafe extern "C" {
    static __user_access_start: u8;
    static __user_access_end: u8;
    static __user_access_faulted: u8;
    fn __user_copy(to: *mut u8, from: *const u8, len: usize) -> usize;
    fn __user_load_arguments();
    fn __user_complete_call(call: usize, result: i64) -> Completed;
    fn __user_set_bits(word: usize, bits: u32) -> usize;
    fn __user_clear_byte(byte: usize) -> usize;
}

/// What the routines give if they did not fault.
const DONE: usize = usize::MAX;

/// An address of the process's at which nothing is, or not for this use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faulted {
    /// Which.
    pub address: usize,
}

#[inline(always)]
fn outcome(returned: usize) -> Result<(), Faulted> {
    if returned == DONE { Ok(()) } else { Err(Faulted { address: returned }) }
}

/// Copies `len` bytes to a process or from it.
///
/// # Errors
/// [`Faulted`]; a part may have been copied.
///
/// # Safety
/// One of the two is an address of the lower half, as are all up to its end, and the process's space is loaded. The other
/// is memory of the kernel's, good for the length.
pub unsafe fn copy(to: *mut u8, from: *const u8, len: usize) -> Result<(), Faulted> {
    // SAFETY: the caller's word.
    outcome(unsafe { __user_copy(to, from, len) })
}

/// A call's arguments, which are at `at`; none if that faulted.
///
/// # Safety
/// As for [`complete_call`], of the arguments.
#[inline(always)]
pub unsafe fn load_arguments(at: usize) -> Option<[u64; ARGUMENTS]> {
    let (a, b, c, d, e);
    let left: usize;
    // SAFETY: the caller's word. It leaves the red zone to the compiler, which is told nothing of `nostack`.
    unsafe {
        asm!(
            "call {load}",
            load = sym __user_load_arguments,
            inout("rdi") at => left,
            out("rax") a, out("rdx") b, out("rcx") c, out("r8") d, out("r9") e,
            options(readonly),
        );
    }
    (left == 0).then_some([a, b, c, d, e])
}

#[repr(C)]
struct Completed {
    returned: usize,
    event: u64,
}

/// Says that a call is done. Gives the event that is to be posted, if there is one; then [`unlock_call`] is due.
///
/// # Errors
/// [`Faulted`].
///
/// # Safety
/// `call` and all that follows up to its end are of the lower half, and the process's space is loaded.
pub unsafe fn complete_call(call: usize, result: i64) -> Result<Option<EventTarget>, Faulted> {
    // SAFETY: the caller's word.
    let Completed { returned, event } = unsafe { __user_complete_call(call, result) };
    outcome(returned)?;
    let target = EventTarget { vcore_plus_one: event as u32, tag: (event >> 32) as u32 };
    Ok((target.vcore_plus_one != 0).then_some(target))
}

/// Says that a call was taken.
///
/// # Errors
/// [`Faulted`].
///
/// # Safety
/// As for [`complete_call`].
pub unsafe fn mark_started(call: usize) -> Result<(), Faulted> {
    // SAFETY: the caller's word.
    outcome(unsafe { __user_set_bits(call + offset_of!(Call, flags), flag::STARTED) })
}

/// Lets go of a call whose event was posted.
///
/// # Errors
/// [`Faulted`].
///
/// # Safety
/// As for [`complete_call`].
pub unsafe fn unlock_call(call: usize) -> Result<(), Faulted> {
    // SAFETY: the caller's word.
    outcome(unsafe { __user_clear_byte(call + offset_of!(Call, flags) + 1) })
}

/// Instructions of somebody else that touch a process's memory, and where they go on if they fault, with all registers as
/// they were.
#[derive(Clone, Copy, Debug)]
pub struct FixUp {
    /// The first one's address.
    pub start: usize,
    /// The address behind the last one.
    pub end: usize,
    /// Where to go on.
    pub target: usize,
}

/// How many there may be.
const FIX_UPS: usize = 2;

static OTHERS: OnceCell<[FixUp; FIX_UPS]> = OnceCell::uninit();

/// What looks at the kernel's page faults, once there are processes.
static FIX_UP: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

pub(super) fn begin_use(others: [FixUp; FIX_UPS]) {
    OTHERS.init_once(|| others);
    FIX_UP.store(fix_up as *mut (), Ordering::Release);
}

/// If a page fault of the kernel at `address` was one of these routines', has it go on where it says so; and so if a general
/// protection fault was the processor's refusal of what a process has written (`saved`). In the handler.
#[must_use]
pub fn resolve(frame: &mut TrapFrame, address: u64) -> bool {
    let fix_up = FIX_UP.load(Ordering::Acquire);
    if fix_up.is_null() {
        return false;
    }
    // SAFETY: only `begin_use` writes the pointer, and it writes that function.
    let fix_up = unsafe { core::mem::transmute::<*mut (), fn(&mut TrapFrame, u64) -> bool>(fix_up) };
    fix_up(frame, address)
}

fn fix_up(frame: &mut TrapFrame, address: u64) -> bool {
    const PAGE_FAULT: u64 = 14;
    if frame.vector != PAGE_FAULT {
        return saved::fix_up(frame);
    }
    let routines = addr_of!(__user_access_start).addr() as u64..addr_of!(__user_access_end).addr() as u64;
    let is_ours = routines.contains(&frame.rip);
    if is_ours {
        frame.rip = addr_of!(__user_access_faulted).addr() as u64;
        frame.rax = address;
        return true;
    }
    let rip = frame.rip as usize;
    let other = OTHERS.get().and_then(|others| others.iter().find(|other| (other.start..other.end).contains(&rip)));
    if let Some(other) = other {
        frame.rip = other.target as u64;
    }
    other.is_some()
}
