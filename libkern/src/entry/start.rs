//! The order of boot.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{address_space, cores, early_frames, exit::ExitCode, trap};
use crate::arch::boot::{Handover, boot_only};
use crate::arch::core_block::CoreBlock;
use crate::arch::{
    self, PAGE_SIZE, apic, clock, core_block, features, firmware, ioapic, irq, paging, qemu, smp, timer, traps,
};
use crate::bootinfo::{BootInfo, Kind};
use crate::mem::frames::{self, FrameUse};
use crate::mem::stack::KernelStack;
use crate::{args, console, cpu, dev, kmsg, kthread, mem, random};

/// The stack of `main`.
const MAIN_STACK_LEN: usize = 256 * 1024;

/// Where boot is, for `main`'s thread to finish.
struct Boot {
    info: BootInfo<'static>,
    handover: Handover,
}

unsafe extern "Rust" {
    /// The application's `main`, wrapped by `libkern::main`.
    #[link_name = "__roost_main"]
    safe fn application_main() -> ExitCode;
}

/// The boot processor's first Rust function: from the loader's bare machine to a kernel in which all cores idle.
#[unsafe(no_mangle)]
extern "Rust" fn __roost_start(handover: Handover) -> ! {
    features::enable_on_this_core();
    dev::serial::init();
    // SAFETY: the boot mappings are in place and nothing has been written yet.
    let mut info = match unsafe { handover.parse() } {
        Ok(info) => info,
        Err(error) => panic!("cannot boot: {error}"),
    };
    let page = claim_startup_page(&mut info);
    let startup;
    // SAFETY: once, and in this order.
    unsafe {
        early_frames::begin(&info.memory);
        expect(address_space::build(&info.memory, handover.image, early_frames::take), "map the kernel");
        let block = expect(cores::create(0, 0, Some(core_block::current_stack()), early_frames::take), "set up core 0");
        block.load();
        startup = page.map(|page| (page, expect(paging::create_startup(page), "make the tables on which cores start")));
    }
    traps::load();
    let taken = early_frames::end(&mut info.memory);
    // SAFETY: what the map calls usable is free, below 2^52, and in the direct map.
    expect(unsafe { mem::init(info.memory.usable().map(|region| region.start..region.end), taken) }, "manage memory");
    mem::core_online();
    kmsg::core_online();
    paging::set_frame_source(page_table_frame);
    args::init(info.command_line);
    let options = args::command_line().options();
    console::init_log(options.log);
    for region in info.memory.regions() {
        log::debug!("memory {:#012x}..{:#012x} {:?}", region.start, region.end, region.kind);
    }
    log::debug!("boot information at {:#x}, loader {:?}", handover.information, info.loader);
    dev::choose_consoles(options.console, info.framebuffer.as_ref());
    qemu::control(format_args!("boot {}", info.protocol.name()));
    firmware::init(info.rsdp);
    ioapic::silence_8259s();
    // SAFETY: the first core, interrupts off, the 8259s masked.
    unsafe { apic::init_boot_core() };
    clock::calibrate();
    timer::init_core();
    console::set_clock(clock::now_ns);
    clock::check_against_others();
    cpu::set_up();
    random::init(features::entropy, clock::tsc);
    start_others(startup);
    for problem in args::command_line().problems() {
        log::warn!("command line: {problem}");
    }
    for note in info.notes() {
        log::warn!("boot information: {note}");
    }
    clock::report_synchronisation();
    finish(Boot { info, handover })
}

/// The lowest free page below 1 MiB, for the other cores to start in. There always is one on a PC; without one, there is
/// one core.
fn claim_startup_page(info: &mut BootInfo<'_>) -> Option<u64> {
    const LOWEST: u64 = 0x1000;
    const END: u64 = 0xa_0000;
    let page = info
        .memory
        .usable()
        .map(|region| region.start.max(LOWEST)..region.end.min(END))
        .find(|free| free.start + PAGE_SIZE as u64 <= free.end)?
        .start;
    // In the direct map like all of it, and given back with the rest of what only boot needs.
    info.memory.claim(page, page + PAGE_SIZE as u64, Kind::BootData);
    Some(page)
}

fn page_table_frame() -> Option<u64> {
    frames::alloc(FrameUse::PageTables).ok().map(|frame| frame.into_raw().as_u64())
}

fn stack_frame() -> Option<u64> {
    frames::alloc(FrameUse::KernelStacks).ok().map(|frame| frame.into_raw().as_u64())
}

fn start_others(startup: Option<(u64, u64)>) {
    let mut ids = Vec::new();
    let found = smp::enumerate(|_, id| {
        // Firmware has been seen to list a processor in both of the forms that there are.
        if !ids.contains(&id) {
            ids.push(id);
        }
    });
    if found > arch::MAX_CORES {
        log::warn!("the machine has {found} cores, of which {} are used", arch::MAX_CORES);
    }
    let Some((page, tables)) = startup else {
        log::warn!("no memory below 1 MiB is free: the other {} cores cannot start", found - 1);
        return;
    };
    core_block::set_count(ids.len());
    let others: Vec<smp::Entry> = (1..ids.len())
        .map(|core| {
            // SAFETY: once for each core; the frames are given away for ever.
            let block = unsafe { cores::create(core, ids[core], None, stack_frame) };
            smp::Entry::new(&*expect(block, "set up a core"))
        })
        .collect();
    // SAFETY: the entries are leaked, the blocks are new, and the page was claimed.
    unsafe { smp::start_all(Box::leak(others.into_boxed_slice()), page, tables) };
}

/// An application processor's first Rust function.
#[unsafe(no_mangle)]
extern "Rust" fn __roost_start_core(block: &'static mut CoreBlock) -> ! {
    features::enable_on_this_core();
    paging::load_attributes();
    // SAFETY: the kernel's tables map all that these do, but for the start-up page. Interrupts are off, and the block is
    // this core's.
    unsafe {
        paging::load();
        block.load();
    }
    traps::load();
    mem::core_online();
    kmsg::core_online();
    // SAFETY: as above.
    unsafe { apic::init_core() };
    timer::init_core();
    clock::check_against_others();
    cpu::set_up();
    // SAFETY: the stack that `cores::create` made, on which this core runs.
    unsafe { kthread::adopt_running(KernelStack::from_raw(core_block::current_stack()), "idle") };
    smp::came_up();
    kthread::run_idle()
}

/// The rest happens on `main`'s own stack, so that the boot stack can be given back.
fn finish(boot: Boot) -> ! {
    traps::set_quick_handler(apic::vector::WAKE, trap::on_message);
    traps::set_quick_handler(apic::vector::TIMER, trap::on_timer);
    dev::serial::begin_interrupts();
    let stack = expect(KernelStack::new(MAIN_STACK_LEN), "make the stack of main");
    let (lo, hi) = stack.bounds();
    let boot: *mut Boot = Box::into_raw(Box::new(boot));
    // SAFETY: a fresh stack; interrupts are off until its first function turns them on.
    unsafe {
        kthread::adopt_running(stack, "main");
        core_block::set_current_stack(lo, hi);
        arch::stack::call_on(hi, main_thread, boot.cast())
    }
}

extern "C" fn main_thread(boot: *mut ()) -> ! {
    // SAFETY: `finish` made it.
    let Boot { info, handover } = *unsafe { Box::from_raw(boot.cast::<Boot>()) };
    crate::machine::init(&info, &handover);
    reclaim(&info);
    drop(info);
    // SAFETY: everything that an interrupt needs is in place.
    unsafe { irq::enable() };
    qemu::control(format_args!("main {}", clock::now_ns()));
    let code = application_main();
    super::exit::exit(code)
}

/// Gives back what only boot needed: its stack and page tables, and the loader's information.
fn reclaim(info: &BootInfo<'_>) {
    for page in boot_only().step_by(PAGE_SIZE) {
        // SAFETY: nothing refers to it any more; only this core ever used it.
        if let Some(phys) = unsafe { paging::unmap_local(page) } {
            // SAFETY: as above; the direct map shows it writable.
            unsafe {
                frames::reclaim(phys..phys + PAGE_SIZE as u64);
            }
        }
    }
    /// Below is where cores start. One that did not come up in time may still be about to.
    const START_END: u64 = 1 << 20;
    let all_up = smp::up() == cpu::count();
    let boot_data = info.memory.regions().iter().filter(|region| region.kind == Kind::BootData);
    for region in boot_data.filter(|region| all_up || region.start >= START_END) {
        // SAFETY: what the kernel keeps of it has been copied.
        unsafe {
            frames::reclaim(region.start..region.end);
        }
    }
}

fn expect<T, E: core::fmt::Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("cannot {what}: {error}"))
}
