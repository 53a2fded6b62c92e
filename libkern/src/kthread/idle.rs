//! What a core does between things.
//!
//! In this order, from the top again after each: immediate messages that wait, one routine message, some of the
//! console's output, memory that others want back. Then a short poll, and with interrupts off the announcement that the
//! core will not look any more, a last look, and `sti; hlt`. Under a hypervisor `mwait` is no better than `hlt`, which
//! is why it is `hlt` everywhere.
//!
//! The loop holds nothing from one round to the next: a message that blocks takes this stack away, and the core goes on
//! with another one from the beginning. And one that blocked returns here on whatever core it is then.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::switch::current;
use super::thread::Name;
use super::{pool, watch};
use crate::arch::switch::restart as restart_at;
use crate::arch::{self, clock, irq};
use crate::console::{self, Drained};
use crate::kmsg::{self, Halt, Here, Message, Routine};
use crate::mem;
use crate::sync::{self, depth};

/// What an idle core writes out of the console's ring before it looks for messages again, in bytes.
const DRAIN_BUDGET: usize = 256;

/// How long an idle core polls before it halts, in ticks of the clock.
static POLL_TICKS: AtomicU64 = AtomicU64::new(0);

/// Sets how long an idle core looks for messages before it halts. A message to a core that polls needs no interrupt, which
/// is quicker, at the price of power and, under a hypervisor, of other machines' time. None at boot. Any context.
pub fn set_idle_poll(duration: core::time::Duration) {
    let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    POLL_TICKS.store(clock::ns_to_ticks(ns), Ordering::Relaxed);
}

/// What an idle core does before it drains and halts.
static HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has every core call `hook` where it finds no message, interrupts off: it goes to ring 3, or returns and has them off. It
/// says whether it wants to be called again, once what has come meanwhile is done: the core does not halt then.
pub(crate) fn set_idle_hook(hook: fn() -> bool) {
    HOOK.store(hook as *mut (), Ordering::Release);
}

/// How many processes are ready, which a core runs where it finds no message.
pub(crate) static READY: AtomicUsize = AtomicUsize::new(0);

/// The name of a kthread on which the idle loop runs.
pub(super) fn name() -> Name {
    const IDLE: &str = "idle";
    Name::new(IDLE)
}

/// The idle loop, on the running kthread. Interrupts may be on or off at its beginning.
pub(crate) fn run() -> ! {
    loop {
        irq::disable();
        if let Some((message, here)) = kmsg::take_next() {
            handle(message, here);
            continue;
        }
        if let Some((message, here)) = kmsg::take_sent::<true>() {
            handle(message, here);
            continue;
        }
        let hook = HOOK.load(Ordering::Acquire);
        if !hook.is_null() {
            // SAFETY: only `set_idle_hook` writes the pointer, and it writes such functions.
            let hook = unsafe { core::mem::transmute::<*mut (), fn() -> bool>(hook) };
            if hook() {
                // An immediate message runs by its interrupt.
                // SAFETY: the idle loop depends on nothing here.
                unsafe { irq::enable() };
                arch::relax();
                continue;
            }
        }
        // SAFETY: the idle loop depends on nothing here.
        unsafe { irq::enable() };
        if console::drain(DRAIN_BUDGET) == Drained::More {
            continue;
        }
        mem::answer_trim();
        pool::trim_if_needed();
        let ticks = POLL_TICKS.load(Ordering::Relaxed);
        if ticks > 0
            && let Some((message, here)) = kmsg::poll(ticks)
        {
            handle(message, here);
            continue;
        }
        irq::disable();
        if let Halt::Now { cores } = kmsg::prepare_to_halt() {
            watch::core_halts(cores);
            // SAFETY: as above.
            unsafe { irq::halt_until_interrupt() };
            kmsg::stop_halting();
            watch::core_wakes();
        }
    }
}

/// Runs a routine message. Interrupts off; the function turns them on, and may not come back.
#[inline(always)]
fn handle(message: NonNull<Message>, here: Here) {
    // SAFETY: the message was taken from this core's inbox, and its function has not been called yet.
    unsafe { (message.as_ref().run())(message, here) };
    if !depth::may_block() {
        left_something();
    }
}

#[cold]
#[inline(never)]
fn left_something() -> ! {
    sync::assert_may_block("a routine message returned, and what comes next");
    unreachable!("the depth was not zero a moment ago");
}

/// Ends the handler of a routine message without returning: its stack is given up as it is, without dropping what is on
/// it, and the core goes on with the next thing. (Seed `kernel_messages.txt`, To Return or Not; M7.)
///
/// # Panics
/// If a lock is held or interrupts are off.
pub fn finish(_: Routine) -> ! {
    super::assert_may_block(|| "kthread::finish");
    irq::disable();
    // SAFETY: the running kthread is alive.
    let me = unsafe { current().0.as_ref() };
    // SAFETY: the end of the running stack, on which nothing is needed any more: the idle loop holds nothing.
    unsafe { restart_at(me.bounds.hi, again) }
}

/// Leaves whatever is on the running stack behind, without dropping it, for the idle loop.
///
/// # Safety
/// Nothing that is on the stack is needed, no lock is held, and interrupts are off.
pub(crate) unsafe fn restart() -> ! {
    // SAFETY: the running kthread is alive, and its stack the one that runs; the caller's word.
    unsafe { restart_at(current().0.as_ref().bounds.hi, again) }
}

/// Gives the running kthread, which works for somebody, that one's name.
#[inline(always)]
pub(crate) fn rename_current(new: &Name) {
    // SAFETY: the running kthread is alive, and its name its own to change.
    unsafe { current().0.as_ref() }.name.set(*new);
}

/// Gives the running kthread the idle loop's name again.
pub(crate) fn unname_current() {
    rename_current(&name());
}

extern "C" fn again() -> ! {
    run()
}
