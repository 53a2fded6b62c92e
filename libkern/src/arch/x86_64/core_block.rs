//! What a core finds behind GS.
//!
//! Each core has one [`CoreBlock`], with its copy of the per-core variables (`sync::percore`) right behind it. GS points
//! at the block. `gs:[0]` holds the distance from the template of the per-core variables to this core's copy, so that
//! the address of a variable is two instructions away.
//!
//! The boot processor starts on [`BOOT_CORE`], whose distance is zero: it works on the template itself until its own
//! block exists. Whatever it leaves in the template at that moment is what every core starts with.

use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::mem::{offset_of, size_of};
use core::ptr::{self, addr_of, addr_of_mut};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::model_specific::GsBase;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

use super::MAX_CORES;

/// How many one-byte counters a block has. See `depth`.
pub(super) const DEPTH_LANES: usize = 8;

/// How many words for upper layers a block has. See `slot`.
pub(super) const SLOTS: usize = 5;

/// From the lowest byte's address to that behind the highest.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct StackBounds {
    /// The lowest byte's.
    pub lo: usize,
    /// That behind the highest.
    pub hi: usize,
}

/// Who this core is, which stacks it has, and its descriptor tables.
///
/// # Invariants
/// Written only by its own core, or before that core starts. `delta` never changes after GS points here.
#[repr(C, align(64))]
pub struct CoreBlock {
    delta: usize,
    core: usize,
    apic_id: u32,
    depth: [Cell<u8>; DEPTH_LANES],
    slots: [Cell<usize>; SLOTS],
    /// Where the bounds of the stack are that this core's kernel work runs on now.
    stack: *const StackBounds,
    /// Those of a stack that has nobody else to keep them.
    own: StackBounds,
    interrupt: StackBounds,
    /// Where the entry from ring 3 puts a stack pointer for a moment.
    user_sp: Cell<usize>,
    tss: TaskStateSegment,
    gdt: GlobalDescriptorTable,
}

/// Offsets that the assembly uses.
pub(super) mod offsets {
    use super::{CoreBlock, StackBounds, offset_of};
    pub const DEPTH: usize = offset_of!(CoreBlock, depth);
    pub const SLOTS: usize = offset_of!(CoreBlock, slots);
    pub const STACK: usize = offset_of!(CoreBlock, stack);
    pub const OWN_HI: usize = offset_of!(CoreBlock, own) + HI;
    pub const INTERRUPT: usize = offset_of!(CoreBlock, interrupt);
    pub const USER_SP: usize = offset_of!(CoreBlock, user_sp);
    pub const LO: usize = offset_of!(StackBounds, lo);
    pub const HI: usize = offset_of!(StackBounds, hi);
}

const _: () = assert!(offset_of!(CoreBlock, delta) == 0, "`gs:[0]` is the distance");
const _: () = assert!(offset_of!(CoreBlock, core) == 8, "core_id() reads `gs:[8]`");

/// Which of a core's trap stacks is used for what. Index into the TSS's table, so one less than the IST number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum TrapStack {
    /// Device and inter-processor interrupts.
    Interrupt = 0,
    /// Exceptions, but for those below.
    Exception = 1,
    /// Non-maskable interrupts.
    Nmi = 2,
    /// Debug exceptions.
    Debug = 3,
    /// Machine checks.
    MachineCheck = 4,
    /// Double faults.
    DoubleFault = 5,
}

impl TrapStack {
    /// All of them, in the order of the TSS's table.
    pub const ALL: [TrapStack; 6] = [
        TrapStack::Interrupt,
        TrapStack::Exception,
        TrapStack::Nmi,
        TrapStack::Debug,
        TrapStack::MachineCheck,
        TrapStack::DoubleFault,
    ];

    /// The one that a vector enters on.
    pub(super) fn of_vector(vector: usize) -> TrapStack {
        match vector {
            1 => TrapStack::Debug,
            2 => TrapStack::Nmi,
            8 => TrapStack::DoubleFault,
            18 => TrapStack::MachineCheck,
            0..32 => TrapStack::Exception,
            _ => TrapStack::Interrupt,
        }
    }
}

/// Selectors of the kernel's code, and of a process's data and code.
pub(super) const KERNEL_CODE: u16 = 0x08;
pub(super) const USER_DATA: u16 = 0x18 | 3;
pub(super) const USER_CODE: u16 = 0x20 | 3;

/// Bytes at the top of each trap stack that hold the address of the core's block.
const TRAP_STACK_HEADER: usize = 16;

#[expect(dead_code, reason = "reached through GS, by address")]
pub(super) struct BootCore(UnsafeCell<CoreBlock>);

// SAFETY: only the boot processor uses it, through GS, before any other core runs.
unsafe impl Sync for BootCore {}

/// The block with which `boot.s` sets GS.
pub(super) static BOOT_CORE: BootCore = BootCore(UnsafeCell::new(CoreBlock::new(0, 0, 0)));

static BLOCKS: [AtomicPtr<CoreBlock>; MAX_CORES] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CORES];
static COUNT: AtomicUsize = AtomicUsize::new(1);

unsafe extern "C" {
    static __percore_start: u8;
    static __percore_end: u8;
}

impl CoreBlock {
    const fn new(delta: usize, core: usize, apic_id: u32) -> Self {
        Self {
            delta,
            core,
            apic_id,
            depth: [const { Cell::new(0) }; DEPTH_LANES],
            slots: [const { Cell::new(0) }; SLOTS],
            stack: ptr::null(),
            own: StackBounds { lo: 0, hi: 0 },
            interrupt: StackBounds { lo: 0, hi: 0 },
            user_sp: Cell::new(0),
            tss: TaskStateSegment::new(),
            gdt: GlobalDescriptorTable::new(),
        }
    }

    /// Bytes that a block and the per-core variables behind it take.
    pub fn len_with_variables() -> usize {
        size_of::<CoreBlock>() + template_len()
    }

    /// Makes the block of `core` at `at`, with a fresh copy of the per-core variables, and enters it in the table that
    /// [`percore_base`] reads.
    ///
    /// # Safety
    /// `at` is aligned to 64 and good for [`CoreBlock::len_with_variables`] bytes that nobody else uses, for ever.
    /// `trap_stacks` are the ends of mapped stacks of this core, one for each of [`TrapStack::ALL`], 16-aligned, with
    /// their lengths. Called once for a core.
    pub unsafe fn create(
        at: *mut u8,
        core: usize,
        apic_id: u32,
        stack: (usize, usize),
        trap_stacks: [(usize, usize); TrapStack::ALL.len()],
    ) -> &'static mut CoreBlock {
        let block = at.cast::<CoreBlock>();
        // SAFETY: the caller's memory, long enough for both; the template is initialised data.
        let block = unsafe {
            let variables = at.add(size_of::<CoreBlock>());
            let template = addr_of!(__percore_start);
            ptr::copy_nonoverlapping(template, variables, template_len());
            let delta = variables.addr().wrapping_sub(template.addr());
            block.write(CoreBlock::new(delta, core, apic_id));
            &mut *block
        };
        block.own = StackBounds { lo: stack.0, hi: stack.1 };
        block.stack = &raw const block.own;
        let (lo, hi) = trap_stacks[TrapStack::Interrupt as usize];
        block.interrupt = StackBounds { lo, hi };
        for (index, (_, hi)) in trap_stacks.into_iter().enumerate() {
            let top = hi - TRAP_STACK_HEADER;
            // SAFETY: the top words of a mapped stack that is not in use yet.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(top).write(at.addr()) };
            block.tss.interrupt_stack_table[index] = VirtAddr::new(top as u64);
        }
        BLOCKS[core].store(block, Ordering::Release);
        block
    }

    /// Makes this the block of the running core: GS, descriptor table, task register.
    ///
    /// # Safety
    /// Interrupts are off, and the block is that of the running core and of no other.
    pub unsafe fn load(&'static mut self) {
        GsBase::write(VirtAddr::from_ptr(addr_of!(*self)));
        let code = self.gdt.append(Descriptor::kernel_code_segment());
        let data = self.gdt.append(Descriptor::kernel_data_segment());
        // In this order, with which `sysret` reckons.
        let user_data = self.gdt.append(Descriptor::user_data_segment());
        let user_code = self.gdt.append(Descriptor::user_code_segment());
        debug_assert!(
            user_data.0 == USER_DATA && user_code.0 == USER_CODE,
            "the segments lie where entry and exit want them"
        );
        let tss = addr_of_mut!(self.tss);
        // SAFETY: the block lives for ever, so does the task state in it.
        let task = self.gdt.append(unsafe { Descriptor::tss_segment_unchecked(tss) });
        let block: &'static CoreBlock = self;
        // SAFETY: the table lives for ever, and its segments are the flat ones that the core runs on already.
        unsafe {
            block.gdt.load();
            CS::set_reg(code);
            SS::set_reg(data);
            DS::set_reg(data);
            ES::set_reg(data);
            load_tss(task);
            // From reset on there is a local table at address 0, in which a process could look for segments.
            asm!("lldt {0:x}", in(reg) 0u16, options(nomem, nostack, preserves_flags));
        }
    }

    /// The end of the stack that the core starts on.
    pub fn stack_hi(&self) -> usize {
        self.own.hi
    }

    /// The local APIC's id of the block's core.
    pub fn apic_id(&self) -> u32 {
        self.apic_id
    }
}

fn template_len() -> usize {
    addr_of!(__percore_end).addr() - addr_of!(__percore_start).addr()
}

/// The running core, counted from 0 without gaps. Any context; stale after anything that may migrate.
#[inline(always)]
pub fn core_id() -> usize {
    let core: usize;
    // SAFETY: GS points at a block from the first Rust instruction on. Not `pure`: a kthread may move to another core.
    unsafe { asm!("mov {}, gs:[8]", out(reg) core, options(nostack, preserves_flags, readonly)) };
    core
}

/// Whether `core` is the running core. Stale like [`core_id`]. (One instruction less than a comparison with that.)
#[inline(always)]
pub fn is_here(core: usize) -> bool {
    // SAFETY: as in `core_id`.
    unsafe { asm!("cmp gs:[8], {}", "jne {}", in(reg) core, label { return false }, options(nostack, readonly)) };
    true
}

/// The distance from the template of the per-core variables to the running core's copy. Stale like [`core_id`].
#[inline(always)]
pub fn percore_delta() -> usize {
    let delta: usize;
    // SAFETY: as in `core_id`.
    unsafe { asm!("mov {}, gs:[0]", out(reg) delta, options(nostack, preserves_flags, readonly)) };
    delta
}

/// The distance from the template of the per-core variables to the copy of `core`.
///
/// # Panics
/// If `core` has no block: it is not below [`count`].
pub fn percore_base(core: usize) -> usize {
    block_of(core).delta
}

/// The local APIC's id of `core`, which is below [`count`].
pub fn apic_id_of(core: usize) -> u32 {
    block_of(core).apic_id
}

fn block_of(core: usize) -> &'static CoreBlock {
    let block = BLOCKS[core].load(Ordering::Acquire);
    if block.is_null() {
        no_such_core(core);
    }
    // SAFETY: blocks are entered complete, live for ever, and the fields read through this never change.
    unsafe { &*block }
}

#[cold]
#[inline(never)]
fn no_such_core(core: usize) -> ! {
    panic!("core {core} does not exist: there are {}", count());
}

/// Word `SLOT` of `core`, as it is or was a moment ago.
pub fn slot_of<const SLOT: usize>(core: usize) -> usize {
    const { assert!(SLOT < SLOTS) };
    let block = block_of(core);
    // SAFETY: a volatile copy of a word that its core may be changing.
    unsafe { block.slots[SLOT].as_ptr().read_volatile() }
}

/// How many cores there are. One until the others have been counted.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Says how many cores there are. Once, before any of the others starts.
pub fn set_count(cores: usize) {
    COUNT.store(cores, Ordering::Relaxed);
}

/// The bounds of the stack that this core's kernel work runs on now.
pub fn current_stack() -> (usize, usize) {
    // SAFETY: GS points at this core's block, which only this core writes.
    unsafe {
        let StackBounds { lo, hi } = *addr_of!((*current()).stack).read();
        (lo, hi)
    }
}

/// Where that stack ends, in two instructions.
#[inline(always)]
pub fn current_stack_end() -> usize {
    let end;
    // SAFETY: as in `current_stack`.
    unsafe {
        asm!(
            "mov {0}, gs:[{stack}]", "mov {0}, [{0} + {hi}]",
            out(reg) end, stack = const offsets::STACK, hi = const offsets::HI,
            options(nostack, preserves_flags, readonly),
        );
    }
    end
}

/// The bounds of this core's interrupt stack.
pub fn interrupt_stack() -> (usize, usize) {
    // SAFETY: as in `current_stack`.
    unsafe {
        let StackBounds { lo, hi } = addr_of!((*current()).interrupt).read();
        (lo, hi)
    }
}

/// Says which stack this core's kernel work runs on from now on.
///
/// # Safety
/// Interrupts are off, and the core switches to that stack before they come on again.
pub unsafe fn set_current_stack(lo: usize, hi: usize) {
    // SAFETY: as in `current_stack`; no trap reads the words between the writes, since interrupts are off.
    unsafe {
        let block = current();
        addr_of_mut!((*block).own).write(StackBounds { lo, hi });
        addr_of_mut!((*block).stack).write(addr_of!((*block).own));
    }
}

fn current() -> *mut CoreBlock {
    ptr::with_exposed_provenance_mut(GsBase::read().as_u64() as usize)
}
