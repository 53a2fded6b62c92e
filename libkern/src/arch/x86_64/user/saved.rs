//! A context in memory that its process can write.
//!
//! What was interrupted is copied there ([`Context::save`]), and what the process has made of it is gone on with
//! ([`Context::load`]). Nothing there is believed: each register is read once; the segments are a process's, whatever it
//! says; of the flags those count that ring 3 may change; addresses are the lower half's.
//!
//! The vector state is moved by way of the vector registers: by XRSTOR from one memory, by XSAVE to the other. So it is the
//! processor that judges what a process has written, as it would in ring 3, also where another vcore changes it meanwhile; it
//! refuses by a general protection fault at that one instruction, which goes on behind it
//! ([`access::resolve`](super::access::resolve)). What comes out at the other end the processor has made itself. Copying
//! and judging by hand takes ten times as many instructions.

use core::arch::global_asm;
use core::arch::x86_64::__m128i;
use core::mem::offset_of;
use core::ptr::addr_of;

use mcp_abi::process::{Registers, SavedContext, USER_END, VECTOR_LEN as SAVED_LEN};

use super::super::core_block::{USER_CODE, USER_DATA};
use super::super::traps::TrapFrame;
use super::context::{Context, FS_BASE, HAS_XSAVE, Kind, MXCSR_AT, RFLAGS, VECTOR_LEN, write_msr};

global_asm!(include_str!("saved.s"), has_xsave = sym HAS_XSAVE);

unsafe extern "C" {
    static __user_vectors_xrstor: u8;
    static __user_vectors_fxrstor: u8;
    static __user_vectors_refused: u8;
    fn __user_move_vectors(from: *const u8, to: *mut u8) -> bool;
}

/// Flags that ring 3 may change: of arithmetic, TF, DF, RF, AC and ID. Not NT, with which `iret` means something else.
const USER_FLAGS: u64 =
    1 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 16 | 1 << 18 | 1 << 21;

/// Bits of MXCSR that there are. A processor that has fewer refuses the others.
const MXCSR_BITS: u32 = 0xffff;

/// General registers, with which a trap frame begins, and what a process sees: r15 to rax.
const GENERAL: usize = 15;

const _: () = {
    assert!(SAVED_LEN == VECTOR_LEN);
    assert!(offset_of!(Registers, rip) == GENERAL * 8 && offset_of!(TrapFrame, vector) == GENERAL * 8);
    assert!(offset_of!(Registers, r15) == 0 && offset_of!(TrapFrame, r15) == 0);
    assert!(offset_of!(Registers, rdi) == offset_of!(TrapFrame, rdi));
    assert!(offset_of!(Registers, rax) == offset_of!(TrapFrame, rax));
    assert!(offset_of!(SavedContext, registers).is_multiple_of(16) && offset_of!(Context, frame).is_multiple_of(16));
};

/// No processor would go on with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Context {
    /// The general registers as its process sees them.
    #[must_use]
    pub fn registers(&self) -> Registers {
        let frame = &self.frame;
        Registers {
            r15: frame.r15,
            r14: frame.r14,
            r13: frame.r13,
            r12: frame.r12,
            r11: frame.r11,
            r10: frame.r10,
            r9: frame.r9,
            r8: frame.r8,
            rbp: frame.rbp,
            rdi: frame.rdi,
            rsi: frame.rsi,
            rdx: frame.rdx,
            rcx: frame.rcx,
            rbx: frame.rbx,
            rax: frame.rax,
            rip: frame.rip,
            rflags: frame.rflags,
            rsp: frame.rsp,
            fs_base: self.fs_base,
            has_vector_state: 0,
        }
    }

    /// Copies it, which is of [`Kind::Full`], to where its process finds it. The vector registers are lost.
    ///
    /// # Safety
    /// `to` is a page of the process's, by its address in the kernel, which stays. Interrupts off.
    #[inline(always)]
    pub unsafe fn save(&self, to: *mut SavedContext) {
        // SAFETY: the caller's word. What the process does to it meanwhile is its own loss.
        unsafe {
            // What the kernel has in memory the processor has written.
            let is_moved = __user_move_vectors(self.vector.as_ptr(), (&raw mut (*to).vector).cast());
            debug_assert!(is_moved, "what XSAVE wrote, XRSTOR takes");
            let registers = &raw mut (*to).registers;
            copy_general((&raw const self.frame).cast(), registers.cast());
            (&raw mut (*registers).rip).write_volatile(self.frame.rip);
            (&raw mut (*registers).rflags).write_volatile(self.frame.rflags);
            (&raw mut (*registers).rsp).write_volatile(self.frame.rsp);
            (&raw mut (*registers).fs_base).write_volatile(self.fs_base);
            (&raw mut (*registers).has_vector_state).write_volatile(1);
        }
    }

    /// Makes it what its process has written at `from`. The vector registers are lost.
    ///
    /// # Errors
    /// [`Refused`]; then it is as before, but what the core has in registers of it is lost.
    ///
    /// # Safety
    /// As for [`save`](Self::save); the context is attached to the running core.
    #[inline(always)]
    pub unsafe fn load(&mut self, from: *mut SavedContext) -> Result<(), Refused> {
        // SAFETY: the caller's word. The process may change it at any time, so each word is read once.
        unsafe {
            let registers = &raw const (*from).registers;
            let rip = (&raw const (*registers).rip).read_volatile();
            let fs_base = (&raw const (*registers).fs_base).read_volatile();
            if rip >= USER_END as u64 || fs_base >= USER_END as u64 {
                return Err(Refused);
            }
            if (&raw const (*registers).has_vector_state).read_volatile() == 0 {
                self.clear_vector_state();
            } else {
                let mxcsr = (&raw mut (*from).vector).byte_add(MXCSR_AT).cast::<u32>();
                mxcsr.write_volatile(mxcsr.read_volatile() & MXCSR_BITS);
                if !__user_move_vectors((&raw const (*from).vector).cast(), self.vector.as_mut_ptr()) {
                    return Err(Refused);
                }
            }
            copy_general(registers.cast(), (&raw mut self.frame).cast());
            self.frame.rip = rip;
            self.frame.cs = USER_CODE.into();
            self.frame.rflags = (&raw const (*registers).rflags).read_volatile() & USER_FLAGS | RFLAGS;
            self.frame.rsp = (&raw const (*registers).rsp).read_volatile();
            self.frame.ss = USER_DATA.into();
            self.kind = Kind::Full;
            if fs_base != self.fs_base {
                self.fs_base = fs_base;
                write_msr(FS_BASE, fs_base);
            }
        }
        Ok(())
    }
}

/// # Safety
/// Both are good for so many words, and aligned to 16 bytes.
#[inline(always)]
unsafe fn copy_general(from: *const u64, to: *mut u64) {
    // SAFETY: the caller's word.
    unsafe {
        for at in (0..GENERAL - 1).step_by(2) {
            to.add(at).cast::<__m128i>().write_volatile(from.add(at).cast::<__m128i>().read_volatile());
        }
        to.add(GENERAL - 1).write_volatile(from.add(GENERAL - 1).read_volatile());
    }
}

/// If a general protection fault of the kernel's was the processor's refusal of a vector state, has it go on behind that.
pub(super) fn fix_up(frame: &mut TrapFrame) -> bool {
    let is_ours = [addr_of!(__user_vectors_xrstor), addr_of!(__user_vectors_fxrstor)]
        .iter()
        .any(|instruction| instruction.addr() as u64 == frame.rip);
    if is_ours {
        frame.rip = addr_of!(__user_vectors_refused).addr() as u64;
    }
    is_ours
}
