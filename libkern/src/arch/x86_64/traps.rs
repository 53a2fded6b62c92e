//! The interrupt descriptor table, and the frame that a trap leaves.
//!
//! All 256 vectors have a stub in `traps.s`, on the IST stack that [`TrapStack`] names, and all end in one function:
//! `__roost_trap`, which the `entry` layer defines. It is the only upward edge in the library.

use core::arch::global_asm;
use core::mem::{offset_of, size_of};
use core::ptr::addr_of;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use conquer_once::spin::OnceCell;
use x86_64::VirtAddr;
use x86_64::structures::idt::InterruptDescriptorTable;

use super::core_block::{TrapStack, offsets};
use super::features;

// The stubs save xmm registers only. An image compiled with AVX would clobber the upper halves in its handlers.
#[cfg(target_feature = "avx")]
compile_error!("images are compiled for baseline x86-64: use `#[target_feature]` on the functions that want AVX");

/// What a trap interrupted.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs, reason = "each field is the register of its name")]
pub struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    /// Which of the 256.
    pub vector: u64,
    /// The processor's error code, 0 for vectors that have none.
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

const _: () = assert!(size_of::<TrapFrame>() == 22 * 8);

/// Room below the interrupted stack pointer that an exception wants before it continues there: red zone, frame, vector
/// registers and a handler's own frames.
const STACK_MARGIN: usize = 2048;

/// Whether handlers clear the AC flag.
pub(super) static HAS_SMAP: AtomicBool = AtomicBool::new(false);

unsafe extern "Rust" {
    /// Handles every trap. Runs with interrupts off.
    fn __roost_trap(frame: &mut TrapFrame);
}

extern "C" fn dispatch(frame: &mut TrapFrame) {
    // SAFETY: defined by `entry` with this signature.
    unsafe { __roost_trap(frame) }
}

global_asm!(
    include_str!("traps.s"),
    handler = sym dispatch,
    has_smap = sym HAS_SMAP,
    quick_handlers = sym __roost_quick,
    frame_len = const size_of::<TrapFrame>(),
    frame_rip = const offset_of!(TrapFrame, rip),
    frame_rsp = const offset_of!(TrapFrame, rsp),
    stack_margin = const STACK_MARGIN,
    stack = const offsets::STACK,
    interrupt = const offsets::INTERRUPT,
    lo = const offsets::LO,
    hi = const offsets::HI,
);

/// The first of the vectors that have a stub of their own, which calls a function and builds no frame.
pub(super) const FIRST_QUICK: u8 = 0xf0;

/// What those stubs call: on the interrupt stack, interrupts off, before the end of interrupt.
#[unsafe(no_mangle)]
static __roost_quick: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(too_early as *mut ()) }; 2];

extern "C" fn too_early() {
    panic!("a message or the timer interrupts before there is a handler for it");
}

/// Has the stub of `vector` call `handler`, which ends the interrupt itself.
///
/// # Panics
/// If the vector has no stub of its own.
pub fn set_quick_handler(vector: u8, handler: extern "C" fn()) {
    let index = vector.checked_sub(FIRST_QUICK).map(usize::from);
    let slot = index.and_then(|index| __roost_quick.get(index)).expect("messages and the timer have quick handlers");
    slot.store(handler as *mut (), Ordering::Release);
}

/// What the stub of `vector` calls, if it has one of its own.
#[must_use]
pub fn quick_handler(vector: u8) -> Option<extern "C" fn()> {
    let slot = __roost_quick.get(usize::from(vector.checked_sub(FIRST_QUICK)?))?;
    // SAFETY: only such functions are ever stored there.
    Some(unsafe { core::mem::transmute::<*mut (), extern "C" fn()>(slot.load(Ordering::Acquire)) })
}

unsafe extern "C" {
    static __trap_stubs: u8;
    static __trap_quick_0: u8;
    static __trap_quick_1: u8;
    static __trap_quick_smap_0: u8;
    static __trap_quick_smap_1: u8;
}

/// Where the vectors from [`FIRST_QUICK`] on enter.
pub(super) fn quick_stubs(has_smap: bool) -> [usize; 2] {
    if has_smap {
        [addr_of!(__trap_quick_smap_0).addr(), addr_of!(__trap_quick_smap_1).addr()]
    } else {
        [addr_of!(__trap_quick_0).addr(), addr_of!(__trap_quick_1).addr()]
    }
}

static TABLE: OnceCell<InterruptDescriptorTable> = OnceCell::uninit();

/// Loads the table on this core, whose block is loaded.
pub fn load() {
    TABLE.get_or_init(build).load();
}

fn build() -> InterruptDescriptorTable {
    use x86_64::structures::idt::Entry;

    /// Bytes from one stub to the next.
    const STUB_LEN: usize = 16;

    let has_smap = features::get().smap;
    HAS_SMAP.store(has_smap, Ordering::Relaxed);
    let quick_stubs = quick_stubs(has_smap);
    let mut table = InterruptDescriptorTable::new();
    let entries: *mut Entry<x86_64::structures::idt::HandlerFunc> = (&raw mut table).cast();
    for vector in 0..256_usize {
        let stack = TrapStack::of_vector(vector);
        let quick = vector.checked_sub(FIRST_QUICK.into()).and_then(|index| quick_stubs.get(index));
        let stub = quick.copied().unwrap_or(addr_of!(__trap_stubs).addr() + vector * STUB_LEN);
        let mut entry = Entry::missing();
        // SAFETY: the stub is an interrupt handler, and the stack index is one that `CoreBlock::create` fills.
        unsafe { entry.set_handler_addr(VirtAddr::new(stub as u64)).set_stack_index(stack as u16) };
        // SAFETY: the table is 256 entries of this layout, which differ only in the handler's type.
        unsafe { entries.add(vector).write(entry) };
    }
    table
}

/// The name of an exception, or none for other vectors.
pub fn exception_name(vector: u64) -> Option<&'static str> {
    const NAMES: [&str; 32] = [
        "divide error",
        "debug exception",
        "non-maskable interrupt",
        "breakpoint",
        "overflow",
        "bound range exceeded",
        "invalid opcode",
        "device not available",
        "double fault",
        "coprocessor segment overrun",
        "invalid task state segment",
        "segment not present",
        "stack fault",
        "general protection fault",
        "page fault",
        "reserved exception 15",
        "x87 floating-point error",
        "alignment check",
        "machine check",
        "SIMD floating-point error",
        "virtualization exception",
        "control protection exception",
        "reserved exception 22",
        "reserved exception 23",
        "reserved exception 24",
        "reserved exception 25",
        "reserved exception 26",
        "reserved exception 27",
        "hypervisor injection exception",
        "VMM communication exception",
        "security exception",
        "reserved exception 31",
    ];
    NAMES.get(usize::try_from(vector).ok()?).copied()
}
