//! The end of the image: what happened, where every core was, and out.
//!
//! The first core to get here stops the others by NMI, which nothing can hold off; each notes what it was doing and
//! halts. A second core that panics meanwhile just waits for its NMI. A panic inside the panic ends the image without a
//! further word. Nothing here takes a lock that a stopped core may hold: output goes around the console's buffer.

use alloc::string::ToString;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::arch::traps::TrapFrame;
use crate::arch::{self, apic, backtrace, clock, core_block, irq, qemu};
use mcp_abi::exit;

use crate::console::{self, Seized};
use crate::kthread::EndAlone;
use crate::sync::per_core;
use crate::{cpu, dev, kthread, mem};

const NOBODY: usize = usize::MAX;

/// Which core is panicking.
static PANICKING: AtomicUsize = AtomicUsize::new(NOBODY);

/// A chain of calls longer than this is a recursion, of which the rest says nothing new.
const LONGEST: usize = 48;

/// How long a core has to answer its NMI.
const STOP_TIMEOUT_NS: u64 = 100_000_000;

per_core! {
    /// Where this core was when it was stopped: instruction and stack pointer; 0 while it runs.
    static STOPPED_AT: AtomicUsize = AtomicUsize::new(0);
}

/// Where to begin the backtrace.
pub(super) enum Origin<'a> {
    /// At the instruction that trapped.
    Trap(&'a TrapFrame),
    /// At the caller of whoever panicked.
    Here {
        /// Its frame pointer.
        frame: usize,
    },
}

/// What the application's panic handler calls.
#[doc(hidden)]
pub fn panic(info: &PanicInfo<'_>) -> ! {
    let frame = backtrace::frame_pointer();
    if PANICKING.load(Ordering::Relaxed) == NOBODY
        && let Some(way) = kthread::may_end_alone()
    {
        end_alone(info, frame, way);
    }
    die(format_args!("{}{}", info.message(), Place(info)), Origin::Here { frame })
}

/// Where it happened, as far as that is known, to be put behind what happened.
struct Place<'a>(&'a PanicInfo<'a>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.location().map_or(Ok(()), |at| write!(f, ", at {at}"))
    }
}

/// Logs what happened, and ends the running kthread alone.
fn end_alone(info: &PanicInfo<'_>, frame: usize, way: EndAlone) -> ! {
    let message = info.message().to_string();
    log::error!("panic of {}, which ends alone: {message}{}", kthread::current_description(), Place(info));
    let mut number = 0;
    let _ = backtrace::walk(frame, core_block::current_stack(), |address| {
        if number < LONGEST {
            log::error!("#{number} {address:#018x}");
        }
        number += 1;
    });
    way.end(message)
}

/// Prints everything there is to say and ends the image.
pub(super) fn die(message: fmt::Arguments<'_>, origin: Origin<'_>) -> ! {
    let _ = irq::save_and_disable();
    let core = arch::core_id();
    match PANICKING.compare_exchange(NOBODY, core, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        Err(first) if first == core => {
            // What the first panic had to say is out as far as it got; printing may be what failed.
            leave();
        }
        Err(_) => irq::halt_forever(),
    }
    stop_others(core);
    qemu::control(format_args!("panic {}", FirstLine(&message)));
    dev::screen::take_back();
    // SAFETY: the others are stopped, or hang for good; this core does not go back; and only the first gets here.
    let out = &mut unsafe { console::seize() };
    say(out, format_args!("\npanic on core {core} ({}): {message}\n", kthread::current_description()));
    print_backtrace(out, &origin);
    for other in (0..core_block::count()).filter(|&other| other != core) {
        print_core(out, other);
    }
    if kthread::is_deadlock() {
        let _ = kthread::dump_stopped(out);
    }
    if mem::exhausted() {
        // It cannot fail, as above.
        let _ = mem::report(out);
    }
    leave()
}

/// Writes to the console. It cannot fail; a sink that is dead is left out.
fn say(out: &mut Seized<'_>, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// Out of QEMU, or, on a real machine, a halt that leaves the message on the screen.
fn leave() -> ! {
    qemu::exit(exit::PANICKED);
    irq::halt_forever()
}

fn stop_others(core: usize) {
    let others = (0..core_block::count()).filter(|&other| other != core && cpu::is_up(other));
    for other in others.clone() {
        apic::send_nmi(other);
    }
    let end = clock::tsc() + clock::ns_to_ticks(STOP_TIMEOUT_NS);
    for other in others {
        while STOPPED_AT.on(other).load(Ordering::Acquire) == 0 && clock::tsc() < end {
            arch::relax();
        }
    }
}

/// A non-maskable interrupt: if somebody is panicking, this core's end; otherwise the hardware's complaint.
pub(super) fn non_maskable(frame: &TrapFrame) {
    if PANICKING.load(Ordering::Acquire) == NOBODY {
        die(
            format_args!("non-maskable interrupt: the hardware reports an error, at {:#x}", frame.rip),
            Origin::Trap(frame),
        );
    }
    STOPPED_AT.on(arch::core_id()).store(frame.rip as usize, Ordering::Release);
    irq::halt_forever();
}

fn print_backtrace(out: &mut Seized<'_>, origin: &Origin<'_>) {
    let stack = core_block::current_stack();
    let (mut number, mut frame) = match origin {
        Origin::Trap(frame) => {
            say(out, format_args!("  #0 {:#018x}\n", frame.rip));
            (1, frame.rbp as usize)
        }
        Origin::Here { frame } => (0, *frame),
    };
    for bounds in [core_block::interrupt_stack(), stack] {
        frame = backtrace::walk(frame, bounds, |address| {
            if number < LONGEST {
                say(out, format_args!("  #{number} {address:#018x}\n"));
            }
            number += 1;
        });
    }
    if number > LONGEST {
        say(out, format_args!("  ... and {} more\n", number - LONGEST));
    }
}

fn print_core(out: &mut Seized<'_>, core: usize) {
    if !cpu::is_up(core) {
        return say(out, format_args!("core {core}: did not start\n"));
    }
    match STOPPED_AT.on(core).load(Ordering::Acquire) {
        0 => say(out, format_args!("core {core}: did not stop ({})\n", kthread::description_on(core))),
        rip => say(out, format_args!("core {core}: {} at {rip:#018x}\n", kthread::description_on(core))),
    }
}

/// The first line of a message.
struct FirstLine<'a>(&'a fmt::Arguments<'a>);

impl fmt::Display for FirstLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct UntilNewline<'a, 'b>(&'a mut fmt::Formatter<'b>, bool);
        impl fmt::Write for UntilNewline<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                if self.1 {
                    return Ok(());
                }
                let (line, ended) = match text.split_once('\n') {
                    Some((line, _)) => (line, true),
                    None => (text, false),
                };
                self.1 = ended;
                self.0.write_str(line)
            }
        }
        fmt::write(&mut UntilNewline(f, false), *self.0)
    }
}
