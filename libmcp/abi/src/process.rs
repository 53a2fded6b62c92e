//! What the kernel shares with each process: a page that it can only read, and pages that it can write.
//!
//! ```text
//! info      one page, read-only: what it is and has         [`Info`]
//! data      one page: words of the whole process            [`Data`]
//! slots     one page for each vcore that it may ever have   [`VcoreSlot`]
//! ```
//!
//! They are pinned: the kernel reaches them by the direct map, and they cannot be unmapped. Of what the process can write,
//! the kernel keeps copies of its own wherever a decision hangs on it. (DESIGN, section 9.)

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::handle::MAX_HANDLES;

/// Bytes in a page.
pub const PAGE_LEN: usize = 4096;

/// Version of these layouts.
pub const VERSION: u32 = 1;

/// The most vcores that a process can have.
pub const MAX_VCORES: usize = 288;

/// A vcore that has no core, in [`Info::core_of_vcore`].
pub const NO_CORE: u16 = u16::MAX;

/// Where the arguments begin, from [`Info`] on.
pub const ARGS_AT: usize = 1024;

/// The most bytes that arguments take, each with its NUL.
pub const MAX_ARGS_LEN: usize = PAGE_LEN - ARGS_AT;

/// Addresses of a process lie below this. The last page of the lower half is left out, so that no instruction is followed
/// by an address that is none.
pub const USER_END: usize = 0x7fff_ffff_f000;

/// The clock, by which a process tells the time without a call: nanoseconds are
/// `((tsc - base_tsc) * multiplier) >> shift`, plus `base_ns`, with 128 bits in between. Where `multiplier` is 0, the machine's
/// time-stamp counters do not agree, and the kernel has to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Clock {
    /// The time-stamp counter at `base_ns`.
    pub base_tsc: u64,
    /// Nanoseconds of the kernel's clock at `base_tsc`.
    pub base_ns: u64,
    /// See above.
    pub multiplier: u64,
    /// See above.
    pub shift: u64,
}

/// What a process is told about itself. It can only read it.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Info {
    /// [`VERSION`].
    pub version: u32,
    /// The most vcores that this process can have.
    pub max_vcores: u32,
    /// Its number, which no other process of this boot has.
    pub id: u64,
    /// Where it was loaded: what was added to the addresses in its file.
    pub load_offset: u64,
    /// Address of [`Data`].
    pub data: u64,
    /// Address of the first [`VcoreSlot`].
    pub slots: u64,
    /// Address of its arguments: as many bytes as `args_len`, each argument ended by a NUL.
    pub args: u64,
    /// See `args`.
    pub args_len: u64,
    /// Bytes that the vector state of one context takes.
    pub vector_len: u64,
    /// Frames of memory that it may have.
    pub memory_limit_frames: u64,
    /// Frames of memory that it has.
    pub memory_used_frames: AtomicU64,
    /// The clock.
    pub clock: Clock,
    /// Cores that it has been granted.
    pub granted: AtomicU32,
    /// Keeps what follows aligned.
    pub reserved: u32,
    /// The core of each vcore, or [`NO_CORE`].
    pub core_of_vcore: [core::sync::atomic::AtomicU16; MAX_VCORES],
}

/// Kinds of events that have a number of their own; further ones are registered at run time.
pub mod event {
    /// A call is done.
    pub const CALL_DONE: u32 = 0;
    /// The core will be taken.
    pub const PREEMPT_PENDING: u32 = 1;
    /// A vcore's core was taken.
    pub const PREEMPTED: u32 = 2;
    /// A vcore whose core was taken has one again.
    pub const RETURNED: u32 = 3;
    /// Cores have come or gone.
    pub const GRANT_CHANGED: u32 = 4;
    /// An access to memory failed.
    pub const PAGE_FAULT: u32 = 5;
    /// An exception.
    pub const TRAP: u32 = 6;
    /// An alarm rings.
    pub const ALARM: u32 = 7;
    /// Something that a process sends.
    pub const USER: u32 = 8;
    /// A child's state has changed.
    pub const CHILD: u32 = 9;
    /// A channel has become ready.
    pub const CHANNEL: u32 = 10;
    /// How many kinds there may be.
    pub const KINDS: usize = 64;
}

/// How the process wants to hear of one kind of event.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Vector {
    /// The vcore that is notified, plus one; 0 if none is to be interrupted.
    pub vcore_plus_one: AtomicU32,
}

/// Words of the whole process, which it can write.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Data {
    /// How many cores it wants.
    pub wanted: AtomicU32,
    /// With fewer than these it does not want to run.
    pub min_wanted: AtomicU32,
    /// By kind of event.
    pub vectors: [Vector; event::KINDS],
    /// By the place of a handle, a bit: that it is an end of a channel whose other end is closed. The kernel sets it before
    /// it wakes the process.
    pub closed: [AtomicU64; MAX_HANDLES / 64],
}

/// General registers of a context, as a process sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "each field is the register of its name")]
pub struct Registers {
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
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub fs_base: u64,
    /// Not zero: the vector state is there; if not, it is as at a process's start.
    pub has_vector_state: u64,
}

impl fmt::Display for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, row) in [
            [("rax", self.rax), ("rbx", self.rbx), ("rcx", self.rcx), ("rdx", self.rdx)],
            [("rsi", self.rsi), ("rdi", self.rdi), ("rbp", self.rbp), ("rsp", self.rsp)],
            [("r8", self.r8), ("r9", self.r9), ("r10", self.r10), ("r11", self.r11)],
            [("r12", self.r12), ("r13", self.r13), ("r14", self.r14), ("r15", self.r15)],
            [("rip", self.rip), ("flags", self.rflags), ("fs", self.fs_base), ("", 0)],
        ]
        .into_iter()
        .enumerate()
        {
            if n > 0 {
                f.write_str("\n")?;
            }
            for (name, value) in row.into_iter().filter(|(name, _)| !name.is_empty()) {
                write!(f, " {name:>6} {value:016x}")?;
            }
        }
        Ok(())
    }
}

/// Bytes that a saved vector state has room for: the XSAVE area of x87, SSE and AVX.
pub const VECTOR_LEN: usize = 832;

/// A context that was interrupted.
///
/// The kernel goes on with one that a process gives it ([`RESUME`](crate::call::number::RESUME)) as the processor would:
/// segments are a process's, of `rflags` the bits count that a process may change, and what no processor would go on with
/// (an address that is none of the process's in `rip` or `fs_base`, a vector state whose header is not right) is a general
/// protection fault, of which the process dies.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct SavedContext {
    /// Vector state as XSAVE writes it, or FXSAVE.
    pub vector: [u8; VECTOR_LEN],
    /// The rest.
    pub registers: Registers,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// One of [`event`], or registered.
    pub kind: u32,
    /// By kind; of a trap the vector, of a call the tag.
    pub tag: u32,
    /// By kind; of a trap the error code.
    pub a: u64,
    /// By kind; of a page fault the address.
    pub b: u64,
    /// The time-stamp counter when it happened.
    pub tsc: u64,
}

/// Events that a ring holds.
pub const RING_LEN: usize = 32;

/// Events for one vcore: the kernel puts them in, the vcore takes them out.
///
/// The kernel has an index of its own and only publishes it here; of `taken` it believes no more than that it is between.
#[derive(Debug)]
#[repr(C)]
pub struct EventRing {
    /// How many were put in, ever.
    pub put: AtomicU32,
    /// How many were taken out, ever.
    pub taken: AtomicU32,
    /// How often one found no room.
    pub overflows: AtomicU32,
    /// Keeps what follows aligned.
    pub reserved: u32,
    /// Bits of the kinds that found no room, or carry nothing.
    pub mask: AtomicU64,
    /// The events.
    pub events: [core::cell::UnsafeCell<Event>; RING_LEN],
}

/// A vcore's page.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct VcoreSlot {
    /// Not zero: this vcore is not to be notified.
    pub notif_disabled: AtomicU32,
    /// Not zero: something was posted.
    pub notif_pending: AtomicU32,
    /// The time-stamp counter at which the core will be taken, or 0.
    pub preempt_pending: AtomicU64,
    /// Where this vcore starts; 0 until the process has said.
    pub entry: AtomicU64,
    /// The end of the stack on which it starts.
    pub stack: AtomicU64,
    /// Its FS base.
    pub tls: AtomicU64,
    /// Which thread the process's own scheduler runs here. The process's business.
    pub user: [AtomicU64; 3],
    /// Events.
    pub ring: EventRing,
    /// The thread that was interrupted, by a notification or a fault.
    pub thread: core::cell::UnsafeCell<SavedContext>,
    /// The vcore itself, where it was interrupted with notifications disabled.
    pub vcore: core::cell::UnsafeCell<SavedContext>,
}

// SAFETY: memory that a process and the kernel share; the cells are for whom the protocol names.
unsafe impl Sync for VcoreSlot {}

const _: () = {
    assert!(size_of::<Info>() == PAGE_LEN);
    assert!(core::mem::offset_of!(Info, core_of_vcore) + size_of::<[u16; MAX_VCORES]>() <= ARGS_AT);
    assert!(size_of::<Data>() == PAGE_LEN);
    assert!(size_of::<VcoreSlot>() == PAGE_LEN);
    assert!(align_of::<VcoreSlot>() == PAGE_LEN);
    assert!(core::mem::offset_of!(VcoreSlot, thread) % 64 == 0);
    assert!(core::mem::offset_of!(VcoreSlot, vcore) % 64 == 0);
    assert!(USER_END.is_multiple_of(PAGE_LEN));
    // Of a register that the process sees, the names are the trap frame's: see `arch::user`.
    assert!(size_of::<Registers>() == 20 * 8);
};

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn what_the_process_writes_and_what_it_reads_are_different_pages() {
        // By size and alignment: no page can hold parts of two of them.
        for (size, align) in [
            (size_of::<Info>(), align_of::<Info>()),
            (size_of::<Data>(), align_of::<Data>()),
            (size_of::<VcoreSlot>(), align_of::<VcoreSlot>()),
        ] {
            assert_eq!((size, align), (PAGE_LEN, PAGE_LEN));
        }
    }

    #[test]
    fn a_slot_s_parts_lie_where_they_did() {
        // Programs compiled apart rely on these.
        assert_eq!(offset_of!(VcoreSlot, notif_disabled), 0);
        assert_eq!(offset_of!(VcoreSlot, notif_pending), 4);
        assert_eq!(offset_of!(VcoreSlot, preempt_pending), 8);
        assert_eq!(offset_of!(VcoreSlot, entry), 16);
        assert_eq!(offset_of!(VcoreSlot, stack), 24);
        assert_eq!(offset_of!(VcoreSlot, tls), 32);
        assert_eq!(offset_of!(VcoreSlot, ring), 64);
        assert_eq!(offset_of!(VcoreSlot, thread), 1152);
        assert_eq!(offset_of!(VcoreSlot, vcore), 2176);
    }

    #[test]
    fn a_ring_s_length_divides_what_its_counters_wrap_at() {
        assert!(RING_LEN.is_power_of_two());
    }
}
