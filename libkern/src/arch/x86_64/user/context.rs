//! What a process's core was doing when it came into the kernel.
//!
//! A [`Context`] is the kernel's own, one for each vcore; the core that runs it has its address in a word of its block
//! (`SLOT_CONTEXT`). It is not on any kernel stack, so kthreads may come and go on the core meanwhile. (Seed
//! `kthreads.txt`, Current_tf, solution 2.)
//!
//! There are two kinds:
//!
//! - [`Kind::Call`]: it came by `syscall`. To the process that was the call of a function, so nothing is kept but what a
//!   function keeps: rbx, rbp, r12 to r15, the stack pointer, MXCSR, the x87 control word. All else is zero afterwards.
//! - [`Kind::Full`]: it was interrupted, and everything is kept.

use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

use super::super::core_block::{USER_CODE, USER_DATA};
use super::super::traps::TrapFrame;

/// Bytes for the vector state: what XSAVE writes of x87, SSE and AVX, which are the states that are turned on.
pub const VECTOR_LEN: usize = 832;

/// Whether vector state is moved by XSAVE and XRSTOR. Set before there is a context.
pub(super) static HAS_XSAVE: AtomicBool = AtomicBool::new(false);

/// How a context is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// After a `syscall`.
    Call = 0,
    /// Where it was interrupted.
    Full = 1,
}

/// Registers of a process that does not run.
#[repr(C, align(64))]
pub struct Context {
    pub(super) vector: [u8; VECTOR_LEN],
    pub(super) frame: TrapFrame,
    pub(super) kind: Kind,
    mxcsr: u32,
    fcw: u16,
    pub(super) fs_base: u64,
}

pub(super) mod offsets {
    use super::{Context, TrapFrame, offset_of};
    pub const VECTOR: usize = offset_of!(Context, vector);
    pub const FRAME: usize = offset_of!(Context, frame);
    pub const FRAME_END: usize = FRAME + offset_of!(TrapFrame, vector);
    pub const RBX: usize = FRAME + offset_of!(TrapFrame, rbx);
    pub const RBP: usize = FRAME + offset_of!(TrapFrame, rbp);
    pub const R12: usize = FRAME + offset_of!(TrapFrame, r12);
    pub const R13: usize = FRAME + offset_of!(TrapFrame, r13);
    pub const R14: usize = FRAME + offset_of!(TrapFrame, r14);
    pub const R15: usize = FRAME + offset_of!(TrapFrame, r15);
    pub const RAX: usize = FRAME + offset_of!(TrapFrame, rax);
    pub const RIP: usize = FRAME + offset_of!(TrapFrame, rip);
    pub const RFLAGS: usize = FRAME + offset_of!(TrapFrame, rflags);
    pub const RSP: usize = FRAME + offset_of!(TrapFrame, rsp);
    pub const KIND: usize = offset_of!(Context, kind);
    pub const MXCSR: usize = offset_of!(Context, mxcsr);
}

/// MXCSR and the x87 control word of a new process, and the kernel's: all exceptions masked, round to nearest.
const MXCSR: u32 = 0x1f80;
const FCW: u16 = 0x37f;
/// Where they lie in what FXSAVE and XSAVE write.
const FCW_AT: usize = 0;
pub(super) const MXCSR_AT: usize = 24;
/// Where XSAVE says which components follow; the others are as at a process's start.
const COMPONENTS_AT: usize = 512;

/// Interrupts on, and the bit that is always set.
pub(super) const RFLAGS: u64 = 1 << 9 | 1 << 1;

impl Context {
    /// One that begins at `entry` on the stack that ends at `sp`, with `arguments` as a function's first ones.
    #[must_use]
    pub fn start(entry: usize, sp: usize, arguments: [u64; 3]) -> Self {
        let frame = Self::first_frame(entry, sp, arguments);
        Self { vector: initial_vector_state(), frame, kind: Kind::Full, mxcsr: MXCSR, fcw: FCW, fs_base: 0 }
    }

    /// Has it begin like a new one, but that the FS base stays.
    #[inline(always)]
    pub fn restart(&mut self, entry: usize, sp: usize, arguments: [u64; 3]) {
        self.frame = Self::first_frame(entry, sp, arguments);
        self.kind = Kind::Full;
        self.clear_vector_state();
    }

    /// Makes the vector state a new process's.
    #[inline(always)]
    pub(super) fn clear_vector_state(&mut self) {
        if HAS_XSAVE.load(Ordering::Relaxed) {
            self.vector[COMPONENTS_AT..COMPONENTS_AT + 8].fill(0);
            self.vector[MXCSR_AT..MXCSR_AT + 4].copy_from_slice(&MXCSR.to_le_bytes());
        } else {
            self.vector = initial_vector_state();
        }
    }

    #[inline(always)]
    fn first_frame(entry: usize, sp: usize, [rdi, rsi, rdx]: [u64; 3]) -> TrapFrame {
        TrapFrame {
            r15: 0,
            r14: 0,
            r13: 0,
            r12: 0,
            r11: 0,
            r10: 0,
            r9: 0,
            r8: 0,
            rbp: 0,
            rdi,
            rsi,
            rdx,
            rcx: 0,
            rbx: 0,
            rax: 0,
            vector: 0,
            error: 0,
            rip: entry as u64,
            cs: USER_CODE.into(),
            rflags: RFLAGS,
            rsp: sp as u64,
            ss: USER_DATA.into(),
        }
    }

    /// The general registers. Of [`Kind::Call`], only those are right that are kept.
    #[must_use]
    pub fn frame(&self) -> &TrapFrame {
        &self.frame
    }

    /// Says that what it came by had no error code.
    pub fn clear_error(&mut self) {
        self.frame.error = 0;
    }

    /// How it is gone on with.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the `syscall` that it came by will return.
    #[must_use]
    pub fn result(&self) -> usize {
        self.frame.rax as usize
    }

    /// Says what the `syscall` that it came by will return.
    pub fn set_result(&mut self, result: usize) {
        self.frame.rax = result as u64;
    }

    /// Takes out of the running core's registers what was left there when it came in. Once the core is to run another.
    ///
    /// # Safety
    /// The context is the one that was attached to this core last, which has run no other since. Interrupts off.
    #[inline(always)]
    pub unsafe fn detach(&mut self) {
        if self.kind == Kind::Call {
            // SAFETY: a store of two bytes of our own.
            unsafe { asm!("fnstcw word ptr [{}]", in(reg) &raw mut self.fcw, options(nostack, preserves_flags)) };
        }
        if self.fs_base != 0 {
            // SAFETY: as the next one finds it.
            unsafe { write_msr(FS_BASE, 0) };
        }
    }

    /// Puts into the running core's registers what [`resume`](super::resume) does not: segment registers, their bases, and
    /// for what came by a call the x87 state; so that of the process before nothing is left.
    ///
    /// # Safety
    /// Interrupts off; the core is active ([`activate`](super::activate)), the one attached before was detached, and the core
    /// resumes this context before any other.
    #[inline(always)]
    pub unsafe fn attach(&self) {
        // SAFETY: null selectors are fine in ring 0, whose GS base is out of the way meanwhile. The bases are null already: a
        // process changes them by selectors only, which make them null, and FS's by a call, of which `detach` has taken care.
        unsafe {
            asm!(
                "mov ds, {0:e}", "mov es, {0:e}", "mov fs, {0:e}",
                "swapgs", "mov gs, {0:e}", "swapgs",
                in(reg) 0, options(nostack, preserves_flags),
            );
            if self.fs_base != 0 {
                write_msr(FS_BASE, self.fs_base);
            }
        }
        if self.kind == Kind::Call {
            // SAFETY: kernel code keeps nothing in these registers; `resume` clears the vector registers.
            unsafe {
                reset_x87();
                asm!("fldcw word ptr [{}]", in(reg) &raw const self.fcw, options(nostack, preserves_flags));
            }
        }
    }
}

#[repr(align(64))]
struct InitialState(#[expect(dead_code, reason = "the processor reads it")] [u8; VECTOR_LEN]);

/// What XRSTOR and FXRSTOR make the state of a new process of.
const fn initial_vector_state() -> [u8; VECTOR_LEN] {
    let mut state = [0; VECTOR_LEN];
    [state[FCW_AT], state[FCW_AT + 1]] = FCW.to_le_bytes();
    [state[MXCSR_AT], state[MXCSR_AT + 1], state[MXCSR_AT + 2], state[MXCSR_AT + 3]] = MXCSR.to_le_bytes();
    state
}

/// Makes the x87 state that of a new process. (`fninit` alone leaves what is in the registers.)
///
/// # Safety
/// Nobody needs what is in the x87 and MMX registers.
#[inline(always)]
unsafe fn reset_x87() {
    static INITIAL: InitialState = InitialState(initial_vector_state());
    const X87: u32 = 1;
    // SAFETY: the area is aligned, and one that the instruction could have written; the caller's word, and every register
    // that it writes is named as lost.
    unsafe {
        if HAS_XSAVE.load(Ordering::Relaxed) {
            asm!("xrstor64 [{}]", in(reg) &INITIAL, in("eax") X87, in("edx") 0, options(nostack, preserves_flags));
        } else {
            asm!("fxrstor64 [rdi]", in("rdi") &INITIAL, clobber_abi("C"), options(nostack));
        }
    }
}

pub(super) const FS_BASE: u32 = 0xc000_0100;

/// # Safety
/// The register exists, and the value is right for it.
pub(super) unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller's word.
    unsafe {
        asm!(
            "wrmsr",
            in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags),
        );
    }
}
