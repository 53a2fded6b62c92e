//! Ring 3: the ways there and back.
//!
//! ```text
//!                 syscall                                  interrupt, exception
//!   ring 3 ---------------------> handlers.call   ring 3 ------------------------> handlers.trap
//!     ^                               |             ^                                   |
//!     |  sysret                       | returns     |  iret                             | returns
//!     +-------------------------------+             +-----------------------------------+
//!     ^                               | does not return                                 |
//!     |  resume                       v                                                 v
//!     +--------------------------- the idle loop <--------------------------------------+
//! ```
//!
//! # A core that runs processes
//!
//! The kernel's interrupt descriptor table, and what its stubs cost, know nothing of ring 3. A core that is about to run
//! its first process changes to another table ([`activate`]), whose stubs look where they come from and leave to the
//! kernel's what comes from ring 0. In an image without processes none of this module is there at all: handlers are
//! registered, and named by nobody else.
//!
//! # In
//!
//! Registers go to the core's [`Context`], whose address is in its block; the kernel's work begins at the top of the running
//! kthread's stack, on which there is nothing while the core is in ring 3 (K15). `FROM_USER` goes up, interrupts are off,
//! MXCSR is the kernel's, the direction and alignment-check flags are clear.
//!
//! # Out
//!
//! A handler that returns has decided that the core goes on with the same context, and has `FROM_USER` down and interrupts
//! off. `sysret` is for what came by `syscall` only, whose address cannot but be canonical: nothing is ever mapped in the
//! last page of the lower half. No register holds anything of the kernel's.
//!
//! # Hazards
//!
//! 1. *Between `swapgs` and ring 3.* NMI, #DF and #MC find their core from their stack, and put GS back as it was.
//! 2. *A context that `iret` refuses* would fault in ring 0 with the process's GS. Contexts are made by the kernel or the
//!    processor; what a process writes is sanitised before it becomes one.

pub mod access;
mod context;
mod saved;

use core::arch::{asm, global_asm};
use core::mem::size_of;
use core::ptr::addr_of;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use conquer_once::spin::OnceCell;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{Efer, EferFlags, FsBase, KernelGsBase, LStar, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::structures::idt::{Entry, HandlerFunc, InterruptDescriptorTable};

use super::core_block::{self, KERNEL_CODE, TrapStack, USER_DATA};
use super::depth::{self};
use super::features;
use super::slot;
use super::traps::{FIRST_QUICK, HAS_SMAP, quick_stubs};
use context::HAS_XSAVE;
pub use context::{Context, Kind, VECTOR_LEN};
pub use saved::Refused;

/// The counter (`depth`) that is raised on the way in.
const FROM_USER: usize = 2;
/// The word (`slot`) in which a core has its context's address; zero if it has none.
const SLOT_CONTEXT: usize = 4;

/// Where, from GS on, a core has the counter that is raised on the way in.
pub const FROM_USER_AT: usize = core_block::offsets::DEPTH + FROM_USER;
/// Where, from GS on, a core has its context's address.
pub const CONTEXT_AT: usize = core_block::offsets::SLOTS + SLOT_CONTEXT * 8;
/// Where a context has what its `syscall` will return.
pub const RESULT_AT: usize = context::offsets::RAX;

/// Whether the kernel has to lift a protection to touch a process's memory.
#[must_use]
pub fn has_smap() -> bool {
    HAS_SMAP.load(Ordering::Relaxed)
}

/// What the ways in call.
#[derive(Clone, Copy, Debug)]
pub struct Handlers {
    /// Code that takes a `syscall`, whose first two arguments are in `rdi` and `rsi`; the second one is what it will return
    /// if nobody says otherwise ([`Context::set_result`]). It may change every register but the stack pointer, which is 8
    /// above a multiple of 16 as in a function, and returns only if the core goes on with its context.
    pub call: usize,
    /// A trap, with the context. Returns only if the core goes on with it.
    pub trap: extern "C" fn(*mut Context),
    /// The kernel itself executed `syscall`; the address behind that.
    pub stray: extern "C" fn(usize) -> !,
    /// What of the first of these touches a process's memory.
    pub fix_ups: [access::FixUp; 2],
}

/// The handlers' addresses, where the assembly finds them.
static HANDLERS: [AtomicPtr<()>; 3] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 3];
/// Whether vector registers have upper halves.
static HAS_AVX: AtomicBool = AtomicBool::new(false);
/// The kernel's own stubs of the vectors that have one each.
static QUICK_STUBS: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];

/// Bytes at the top of the kthread's stack that the ways in leave alone. See [`reserved`].
const RESERVED_LEN: usize = 64;

global_asm!(
    include_str!("entry.s"),
    reserved = const RESERVED_LEN,
    user_sp = const core_block::offsets::USER_SP,
    context = const core_block::offsets::SLOTS + SLOT_CONTEXT * 8,
    stack = const core_block::offsets::STACK,
    hi = const core_block::offsets::HI,
    from_user = const core_block::offsets::DEPTH + FROM_USER,
    handlers = sym HANDLERS,
    first_quick = const FIRST_QUICK,
    quick_stubs = sym QUICK_STUBS,
    has_smap = sym HAS_SMAP,
    has_xsave = sym HAS_XSAVE,
    rbx = const context::offsets::RBX,
    rbp = const context::offsets::RBP,
    r12 = const context::offsets::R12,
    r13 = const context::offsets::R13,
    r14 = const context::offsets::R14,
    r15 = const context::offsets::R15,
    rax = const context::offsets::RAX,
    rip = const context::offsets::RIP,
    rflags = const context::offsets::RFLAGS,
    rsp = const context::offsets::RSP,
    kind = const context::offsets::KIND,
    mxcsr = const context::offsets::MXCSR,
    vector = const context::offsets::VECTOR,
    frame = const context::offsets::FRAME,
    frame_end = const context::offsets::FRAME_END,
);

unsafe extern "C" {
    static __user_stubs: u8;
    static __user_call: u8;
    static __user_call_avx: u8;
    fn __user_resume_call(context: *const Context) -> !;
    fn __user_resume_call_avx(context: *const Context) -> !;
    fn __user_resume_full(context: *const Context) -> !;
}

/// Says what the ways in call. Once, before any core is activated.
pub fn set_handlers(handlers: Handlers) {
    let Handlers { call, trap, stray, fix_ups } = handlers;
    let addresses = [core::ptr::with_exposed_provenance_mut(call), trap as *mut (), stray as *mut ()];
    for (place, address) in HANDLERS.iter().zip(addresses) {
        place.store(address, Ordering::Release);
    }
    for (place, address) in QUICK_STUBS.iter().zip(quick_stubs(features::get().smap)) {
        place.store(core::ptr::with_exposed_provenance_mut(address), Ordering::Release);
    }
    HAS_XSAVE.store(features::get().xsave, Ordering::Release);
    HAS_AVX.store(is_avx_on(), Ordering::Release);
    access::begin_use(fix_ups);
}

static TABLE: OnceCell<InterruptDescriptorTable> = OnceCell::uninit();

/// Makes the running core one that can run processes. Again is harmless.
///
/// # Safety
/// Interrupts off; the handlers are set.
pub unsafe fn activate() {
    // Not `get_or_init`: that panics where another core has just done it (conquer-once 0.4).
    TABLE.init_once(build_table);
    TABLE.try_get().expect("made above").load();
    let entry = if HAS_AVX.load(Ordering::Relaxed) { addr_of!(__user_call_avx) } else { addr_of!(__user_call) };
    let masked = RFlags::INTERRUPT_FLAG
        | RFlags::DIRECTION_FLAG
        | RFlags::TRAP_FLAG
        | RFlags::ALIGNMENT_CHECK
        | RFlags::NESTED_TASK
        | RFlags::RESUME_FLAG
        | RFlags::IOPL_LOW
        | RFlags::IOPL_HIGH;
    // SAFETY: the segments lie where `core_block` says; the entry does what `syscall` expects of it.
    unsafe {
        Star::write_raw((USER_DATA - 8) | 3, KERNEL_CODE);
        LStar::write(VirtAddr::new(entry.addr() as u64));
        SFMask::write(masked);
        Efer::update(|efer| efer.insert(EferFlags::SYSTEM_CALL_EXTENSIONS));
        FsBase::write(VirtAddr::zero());
        KernelGsBase::write(VirtAddr::zero());
    }
}

/// As on every core.
fn is_avx_on() -> bool {
    const AVX: u32 = 1 << 2;
    let enabled: u32;
    if !features::get().xsave {
        return false;
    }
    // SAFETY: XSAVE is on, so the register can be read.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack, preserves_flags)) };
    enabled & AVX != 0
}

fn build_table() -> InterruptDescriptorTable {
    /// Bytes from one stub to the next.
    const STUB_LEN: usize = 32;
    const BREAKPOINT: usize = 3;

    let mut table = InterruptDescriptorTable::new();
    let entries: *mut Entry<HandlerFunc> = (&raw mut table).cast();
    for vector in 0..256 {
        let stub = addr_of!(__user_stubs).addr() + vector * STUB_LEN;
        let mut entry = Entry::missing();
        // SAFETY: the stub is an interrupt handler, on the stack that the kernel's has.
        let options = unsafe {
            entry.set_handler_addr(VirtAddr::new(stub as u64)).set_stack_index(TrapStack::of_vector(vector) as u16)
        };
        if vector == BREAKPOINT {
            // The one that a process may raise by an instruction of its own.
            options.set_privilege_level(x86_64::PrivilegeLevel::Ring3);
        }
        // SAFETY: the table is 256 entries of this layout, which differ only in the handler's type.
        unsafe { entries.add(vector).write(entry) };
    }
    table
}

/// The context that this core goes back to, or null.
#[inline(always)]
#[must_use]
pub fn current() -> *mut Context {
    core::ptr::with_exposed_provenance_mut(slot::get::<SLOT_CONTEXT>())
}

/// Says which context this core goes back to: null for none.
///
/// # Safety
/// Interrupts off; the context stays where it is while it is the core's, which alone uses it.
pub unsafe fn set_current(context: *mut Context) {
    slot::set::<SLOT_CONTEXT>(context.expose_provenance());
}

/// Goes to ring 3.
///
/// # Safety
/// Interrupts are off, nothing on the running stack is needed. The context is the core's current one and attached, its
/// process's space is loaded, and the core is active.
#[inline(always)]
pub unsafe fn resume(context: *const Context) -> ! {
    // SAFETY: the caller's word.
    unsafe {
        match (*context).kind() {
            Kind::Full => __user_resume_full(context),
            Kind::Call if HAS_AVX.load(Ordering::Relaxed) => __user_resume_call_avx(context),
            Kind::Call => __user_resume_call(context),
        }
    }
}

/// Memory for whoever works for the trap that runs: on the kthread's stack, above all that the trap uses. It is there until
/// the trap's work is done, and holds nothing at its beginning.
///
/// In a trap from ring 3, on the stack on which that came in.
#[must_use]
pub fn reserved() -> *mut [usize; RESERVED_LEN / 8] {
    core::ptr::with_exposed_provenance_mut(core_block::current_stack_end() - RESERVED_LEN)
}

/// Whether the running code works for a trap from ring 3 that has not blocked.
#[inline(always)]
#[must_use]
pub fn is_from_user() -> bool {
    depth::get::<FROM_USER>() != 0
}

const _: () = assert!(size_of::<Context>() <= 1152);
