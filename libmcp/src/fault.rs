//! Handling what the process does that it must not, instead of dying of it.
//!
//! A page that is not there, a division by zero, an instruction that is none: of such a fault a process dies, unless it has a
//! handler. That is a function of the program's own, which is called on a stack of its own, with what has happened and with
//! the registers at that moment. It may change what caused the fault, and return: then the same instruction is tried again.
//! Or it may change the registers, and with them where the program goes on.
//!
//! ```ignore
//! /// Memory that is there where it is touched.
//! fn map_what_is_missing(fault: &Fault, _: &mut Context) {
//!     let page = fault.address & !0xfff;
//!     if fault.vector != Fault::PAGE || memory::map_at(page, 0x1000, Rights::ReadWrite).is_err() {
//!         // Not of this kind: the next time it is the process's end, with a report to its parent.
//!         fault::unset_handler();
//!     }
//! }
//!
//! fault::set_handler(map_what_is_missing)?;
//! ```
//!
//! While a handler runs, notifications are disabled, and a fault, of whatever kind, is the process's end. So what a handler
//! touches has to be in order. It runs between any two instructions of the program: what that was in the middle of (a
//! lock that it holds, a structure that it changes) it must not use.
//!
//! A handler is for the whole process. Vector registers, and all others, are the interrupted code's again when it returns.

use core::arch::naked_asm;
use core::mem;
use core::ops::{Deref, Range};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use mcp_abi::call::{ARGUMENTS, Call, Error, number};
use mcp_abi::exit::PANICKED;
use mcp_abi::process::{PAGE_LEN, Registers};

use crate::memory::{self, Rights};
use crate::{call, process};

/// Bytes of the stack that a handler has.
pub const STACK_LEN: usize = 16 * 1024;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The exception's vector.
    pub vector: u8,
    /// The processor's error code, or 0 for those that have none.
    pub error: u64,
    /// Of a page fault, the address.
    pub address: usize,
}

impl Fault {
    /// Division by zero, or a quotient that is too large.
    pub const DIVIDE: u8 = 0;
    /// One step of the program, where it has the trap flag set.
    pub const DEBUG: u8 = 1;
    /// The instruction `int3`, behind which the program goes on.
    pub const BREAKPOINT: u8 = 3;
    /// An instruction that is none.
    pub const INVALID_OPCODE: u8 = 6;
    /// What is not allowed in one of many other ways.
    pub const GENERAL_PROTECTION: u8 = 13;
    /// An access to memory that is not there, or not for that.
    pub const PAGE: u8 = 14;
}

/// What was interrupted: its registers, which can be read.
#[derive(Debug)]
#[repr(transparent)]
pub struct Context(Registers);

impl Context {
    /// The registers, for changing them.
    ///
    /// # Safety
    /// The interrupted code goes on with them, and has to be right with what they are then.
    pub unsafe fn registers_mut(&mut self) -> &mut Registers {
        &mut self.0
    }
}

impl Deref for Context {
    type Target = Registers;

    fn deref(&self) -> &Registers {
        &self.0
    }
}

/// What is called.
pub type Handler = fn(&Fault, &mut Context);

/// The handler. Null until there is one, and not used then.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
/// The end of its stack, once that is there.
static STACK: AtomicUsize = AtomicUsize::new(0);

/// Has `handler` called from now on when the process does what it must not. Replaces the one before. Not in a handler.
///
/// # Errors
/// [`Error::NoMemory`], [`Error::Limit`] if there is no memory for its stack; [`Error::NotAllowed`] if this process was not
/// given the calls that it takes.
pub fn set_handler(handler: Handler) -> Result<(), Error> {
    if STACK.load(Ordering::Relaxed) == 0 {
        STACK.store(map_stack()?.end, Ordering::Relaxed);
    }
    HANDLER.store(handler as *mut (), Ordering::Relaxed);
    let entry = (on_fault as unsafe extern "C" fn() -> !) as usize;
    let stack = STACK.load(Ordering::Relaxed);
    call::one(number::SET_FAULT_HANDLER, [entry as u64, stack as u64, 0, 0, 0])?;
    process::slot().notif_disabled.store(0, Ordering::Relaxed);
    Ok(())
}

/// Has the process die of what it does from now on that it must not. Also in a handler.
pub fn unset_handler() {
    // One that was not given the call has no handler.
    let _ = call::one(number::SET_FAULT_HANDLER, [0; ARGUMENTS]);
}

/// A stack with a page below it that is not there.
fn map_stack() -> Result<Range<usize>, Error> {
    let guard = memory::map(PAGE_LEN + STACK_LEN, Rights::ReadWrite)?;
    let stack = guard + PAGE_LEN..guard + PAGE_LEN + STACK_LEN;
    // SAFETY: mapped just now, and nobody else's.
    unsafe { memory::unmap(guard..stack.start)? };
    Ok(stack)
}

/// Where the kernel has the process go on, with vector, error code and address as a function's arguments.
///
/// # Safety
/// Entered by the kernel only, at the end of the stack that it was told.
#[unsafe(naked)]
unsafe extern "C" fn on_fault() -> ! {
    naked_asm!("call {handle}", "ud2", handle = sym handle)
}

extern "C" fn handle(vector: u64, error: u64, address: usize) -> ! {
    // SAFETY: `set_handler` has written it, before the kernel knew of `on_fault`.
    let handler = unsafe { mem::transmute::<*mut (), Handler>(HANDLER.load(Ordering::Relaxed)) };
    // SAFETY: while notifications are disabled, the vcore's slot is the handler's alone.
    let registers = unsafe { &mut (*process::slot().thread.get()).registers };
    // SAFETY: the same by layout.
    let context = unsafe { &mut *ptr::from_mut(registers).cast::<Context>() };
    handler(&Fault { vector: vector as u8, error, address }, context);
    resume()
}

/// Goes on with what was interrupted.
fn resume() -> ! {
    // The kernel does not write to it, unless this process was not given the call.
    static RESUME: Call = Call::new(number::RESUME, [0; ARGUMENTS]);
    call::trap(&raw const RESUME, 1);
    process::exit(PANICKED.into())
}
