//! The end of interrupt: sent once, and before any message's function runs.
//!
//! What the local APIC has in service tells that the message interrupt's end was sent before. That it was not sent twice shows
//! only if the second one would end something else: so another interrupt, of a lower priority, is kept in service for
//! as long as the case lasts. Its handler does nothing, not even end it.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, Ordering};

use guest_tests::{spin_until, with_interrupts_off};
use libkern::arch::paging::{self, Caching};
use libkern::arch::{apic, features};
use libkern::kthread::sync::Semaphore;
use libkern::{cpu, kmsg, kthread};

use crate::target;

global_asm!(".global held_in_service", "held_in_service:", "iretq");

unsafe extern "C" {
    static held_in_service: u8;
}

/// Of no device, and of a lower priority than messages.
const HELD: usize = 0x30;

/// Registers of the local APIC, by their number: a sixteenth of the offset in the one mode, an MSR in the other.
const END_OF_INTERRUPT: usize = 0x0b;
const IN_SERVICE: usize = 0x10;
const COMMAND: usize = 0x30;
/// To this core itself, asserted.
const TO_SELF: u32 = 1 << 18 | 1 << 14;

fn xapic_register(number: usize) -> *mut u32 {
    // SAFETY: the local APIC's registers, where they are after a reset, reached as the kernel reaches them.
    let base = unsafe { paging::reach(0xfee0_0000, 4096, Caching::Uncached) };
    base.expect("mapped since boot").wrapping_add(number * 16).cast()
}

fn read(number: usize) -> u32 {
    if !features::get().x2apic {
        // SAFETY: a read of a register without side effects.
        return unsafe { xapic_register(number).read_volatile() };
    }
    let value: u32;
    // SAFETY: as above.
    unsafe { asm!("rdmsr", in("ecx") 0x800 + number, out("eax") value, out("edx") _, options(nostack)) };
    value
}

/// # Safety
/// What the register does with the value is what the caller wants.
unsafe fn write(number: usize, value: u32) {
    // SAFETY: the caller's word.
    unsafe {
        if features::get().x2apic {
            asm!("wrmsr", in("ecx") 0x800 + number, in("eax") value, in("edx") 0, options(nostack));
        } else {
            xapic_register(number).write_volatile(value);
        }
    }
}

/// The interrupts that are in service on this core, a word for each 32.
fn in_service() -> [u32; 8] {
    core::array::from_fn(|word| read(IN_SERVICE + word))
}

const fn only(vector: usize) -> [u32; 8] {
    let mut words = [0; 8];
    words[vector / 32] = 1 << (vector % 32);
    words
}

/// An interrupt descriptor table, two words for each vector.
#[repr(align(16))]
struct Table([[u64; 2]; 256]);

/// What `sidt` stores.
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Place {
    limit: u16,
    base: usize,
}

impl Table {
    /// The running core's, but for a handler of `vector` that returns at once.
    fn with_handler(place: Place, vector: usize, handler: usize) -> Self {
        // SAFETY: the table that the core uses, which is constant.
        let mut table = Table(unsafe { core::ptr::with_exposed_provenance::<[[u64; 2]; 256]>(place.base).read() });
        let handler = handler as u64;
        let [low, high] = &mut table.0[vector];
        // The handler's address lies in three pieces; stack, segment and kind stay what they are.
        *low = *low & 0x0000_ffff_ffff_0000 | handler & 0xffff | (handler >> 16 & 0xffff) << 48;
        *high = handler >> 32;
        table
    }
}

fn table_place() -> Place {
    let mut place = Place { limit: 0, base: 0 };
    // SAFETY: stores ten bytes.
    unsafe { asm!("sidt [{}]", in(reg) &raw mut place, options(nostack, preserves_flags)) };
    place
}

/// # Safety
/// There is a table, good for whatever interrupts until another is loaded.
unsafe fn load_table(place: &Place) {
    // SAFETY: the caller's word.
    unsafe { asm!("lidt [{}]", in(reg) place, options(nostack, preserves_flags)) };
}

#[libkern::test(ids = ["M10"])]
fn the_end_of_interrupt_is_sent_once_and_before_a_message_s_function_runs() {
    static SEEN: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];
    static DONE: Semaphore = Semaphore::new(0);
    for core in [cpu::id(), target()] {
        let run = move || {
            assert_eq!(in_service(), [0; 8], "before");
            let before = table_place();
            let table = Table::with_handler(before, HELD, (&raw const held_in_service).addr());
            let place = Place { base: (&raw const table).expose_provenance(), ..before };
            // SAFETY: the same table but for one vector, which nobody uses; it stays until the first is loaded again.
            with_interrupts_off(|| unsafe { load_table(&place) });
            // SAFETY: an interrupt of this core, which has a handler.
            unsafe { write(COMMAND, TO_SELF | HELD as u32) };
            spin_until("the interrupt to be in service", || in_service() == only(HELD));
            for _ in 0..3 {
                for word in &SEEN {
                    word.store(u32::MAX, Ordering::Relaxed);
                }
                kmsg::send_immediate(cpu::id(), |_| {
                    for (word, seen) in in_service().into_iter().zip(&SEEN) {
                        seen.store(word, Ordering::Release);
                    }
                });
                let seen = || SEEN.each_ref().map(|word| word.load(Ordering::Acquire));
                spin_until("the message", || !seen().contains(&u32::MAX));
                // Its own is over, and no other.
                assert_eq!(seen(), only(HELD), "in the message, of {:#x}", apic::vector::WAKE);
                assert_eq!(in_service(), only(HELD), "after the message");
            }
            // SAFETY: ends what is in service.
            unsafe { write(END_OF_INTERRUPT, 0) };
            // SAFETY: what there was before.
            with_interrupts_off(|| unsafe { load_table(&before) });
            assert_eq!(in_service(), [0; 8], "after");
        };
        // A message's handler stays on its core, this one too.
        kmsg::send_routine(core, move |_| {
            run();
            DONE.up();
        });
        DONE.down();
    }
    kthread::call_all(|_| assert_eq!(in_service(), [0; 8]));
}
