//! What a core does with its own inbox.
//!
//! Everything here is called with interrupts off on the core itself, which is what makes [`Local`] a plain structure. The
//! routine messages taken from the queue wait in a list of the core's own, so that a handler that blocks or does not
//! return leaves them where the idle loop, on whatever stack, finds them.

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::hog::Patience;
use super::inbox::{Inbox, Was};
use super::message::{Here, List, Message, NODE, Run};
use super::nodes::Cache;
use crate::arch::{self, irq};
use crate::sync::{SLOT_KMSG, per_core};

/// What a core's messages need. Other cores see the inbox only.
#[repr(C, align(64))]
pub(crate) struct Core {
    /// First, for what one instruction less is worth.
    local: LocalCell,
    pub(super) inbox: Inbox,
    pub(super) patience: Patience,
}

#[repr(align(64))]
struct LocalCell(UnsafeCell<Local>);

// SAFETY: `Local::here` is the only way to it, and gives each core its own, with interrupts off.
unsafe impl Sync for LocalCell {}

/// What a core has for itself.
pub(super) struct Local {
    /// Routine messages taken from the queue and not run yet.
    pub(super) pending: List,
    pub(super) nodes: Cache,
    pub(super) counts: Counts,
    /// The immediate message that is running.
    running: Option<Run>,
}

/// What has happened so far.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Messages put into a queue.
    pub(super) queued: u64,
    /// Messages of the core to itself, which went behind those that it had taken, and into no queue.
    pub(super) kept: u64,
    /// Messages taken from the core's queues.
    pub(super) taken: u64,
    pub(super) interrupts_sent: u64,
    pub(super) interrupts_saved: u64,
    pub(super) longest_wait_ticks: u64,
}

per_core! {
    pub(crate) static CORE: Core = Core {
        local: LocalCell(UnsafeCell::new(Local {
            pending: List::new(),
            nodes: Cache::new(),
            counts: Counts {
                queued: 0,
                kept: 0,
                taken: 0,
                interrupts_sent: 0,
                interrupts_saved: 0,
                longest_wait_ticks: 0,
            },
            running: None,
        })),
        inbox: Inbox::new(),
        patience: Patience::new(),
    };
}

impl Core {
    /// The running core's.
    ///
    /// # Safety
    /// Interrupts are off for as long as the reference lives.
    #[inline(always)]
    pub(super) unsafe fn here() -> &'static Core {
        // SAFETY: `core_online` has set it; what others may see is shared by type; the caller stays on the core.
        unsafe { &*ptr::with_exposed_provenance(arch::slot::get::<SLOT_KMSG>()) }
    }

    /// Whether routine messages wait in the queue, for this core, which takes them if so.
    #[inline(always)]
    pub(super) fn has_routine(&self) -> bool {
        // SAFETY: the queue is its last message's address.
        unsafe { arch::is_set_at::<{ offset_of!(Self, inbox.routine) }, _>(self) }
    }

    /// As [`has_routine`](Self::has_routine), of immediate messages.
    #[inline(always)]
    pub(super) fn has_immediate(&self) -> bool {
        // SAFETY: as above.
        unsafe { arch::is_set_at::<{ offset_of!(Self, inbox.immediate) }, _>(self) }
    }

    /// Whether the core has taken routine messages that it has not run.
    #[inline(always)]
    pub(super) fn has_pending(&self) -> bool {
        const FIRST: usize = offset_of!(Core, local.0) + offset_of!(Local, pending) + List::FIRST;
        // SAFETY: a list is not empty if its first word is not zero.
        unsafe { arch::is_set_at::<FIRST, _>(self) }
    }

    fn as_here(&self) -> Here {
        Here(NonNull::from(self).cast())
    }

    /// What it has for itself.
    ///
    /// # Safety
    /// This is the running core's. Interrupts are off for as long as the reference lives, and no other one does.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the caller vouches that there is no other")]
    pub(super) unsafe fn local(&self) -> &mut Local {
        // SAFETY: with interrupts off nobody else reaches it; the caller's word.
        unsafe { &mut *self.local.0.get() }
    }
}

/// Has this core find what it needs for messages in one instruction. Before the first message, as the core starts.
pub(crate) fn core_online() {
    // SAFETY: the core does not change here.
    let core = unsafe { CORE.get_unguarded() };
    arch::slot::set::<SLOT_KMSG>(ptr::from_ref(core).expose_provenance());
}

impl Local {
    /// That of the core that runs a message.
    ///
    /// # Safety
    /// As for [`here`](Self::here); `here` is what the message's function was called with.
    #[inline(always)]
    pub(super) unsafe fn of<'a>(here: Here) -> &'a mut Local {
        // SAFETY: made by `Core::as_here`; the caller's word.
        unsafe { here.0.cast::<Core>().as_ref().local() }
    }

    /// Puts a message of the core to itself behind those that it has taken.
    ///
    /// # Safety
    /// The message is the caller's, who gives it up.
    #[inline(always)]
    pub(super) unsafe fn keep(&mut self, message: NonNull<Message>) {
        self.counts.kept += 1;
        // SAFETY: the caller's word.
        unsafe { self.pending.push_back(message) };
    }

    /// As [`keep`](Self::keep), where the core has taken none.
    ///
    /// # Safety
    /// As for [`keep`](Self::keep).
    #[inline(always)]
    pub(super) unsafe fn keep_first(&mut self, message: NonNull<Message>) {
        self.counts.kept += 1;
        // SAFETY: the caller's word.
        unsafe { self.pending.begin(message) };
    }

    /// The running core's.
    ///
    /// # Safety
    /// Interrupts are off for as long as the reference lives, and no other one does.
    #[inline(always)]
    pub(super) unsafe fn here<'a>() -> &'a mut Local {
        // SAFETY: the caller's word.
        unsafe { Core::here().local() }
    }
}

/// The counts of `core`, as they are or were a moment ago.
pub(super) fn counts_of(core: usize) -> Counts {
    // SAFETY: a volatile copy of plain words that their core may be changing: each is some value that it had.
    unsafe { ptr::read_volatile(&raw const (*CORE.on(core).local.0.get()).counts) }
}

/// The messages that `core` has taken and not run yet, for a dump.
///
/// # Safety
/// The core is this one, with interrupts off, or stopped.
pub(super) unsafe fn pending_of<'a>(core: usize) -> &'a List {
    // SAFETY: the caller's word.
    unsafe { &(*CORE.on(core).local.0.get()).pending }
}

#[inline(always)]
fn inbox() -> &'static Inbox {
    // SAFETY: shared between cores; the caller has interrupts off and so stays here.
    &unsafe { Core::here() }.inbox
}

/// Turns interrupts on for the handler of a routine message, which is called with them off.
#[inline(always)]
pub(super) fn open() {
    // SAFETY: routine messages run in kthread context: nothing depends on interrupts being off.
    unsafe { irq::enable() };
}

/// Runs the immediate messages that have been sent to this core. In the handler of the message interrupt. Interrupts off.
/// What is sent meanwhile finds an empty queue, and interrupts again.
pub(crate) fn run_immediates() {
    // SAFETY: interrupts are off, and stay so: handlers do not block.
    let here = unsafe { Core::here() };
    // Most often it is a routine message that has interrupted a core that halts.
    if !here.has_immediate() {
        return;
    }
    let mut list = here.inbox.immediate.take(|_| ());
    while let Some(message) = list.pop() {
        // SAFETY: the message is this core's since `take`; the function is read before it is given up.
        let run = unsafe { (*message.as_ptr()).run };
        // SAFETY: interrupts are off, and the reference ends here.
        let local = unsafe { here.local() };
        local.counts.taken += 1;
        local.nodes.come(1);
        local.running = Some(run);
        // SAFETY: taken once, on its core, interrupts off.
        unsafe { run(message, here.as_here()) };
    }
    // SAFETY: as above; handlers keep no reference.
    unsafe { here.local() }.running = None;
}

/// What the idle loop runs next: a routine message, once no immediate one waits. Interrupts off.
#[inline(always)]
pub(crate) fn take_next() -> Option<(NonNull<Message>, Here)> {
    // SAFETY: interrupts are off, and the references end here.
    let (here, pending) = unsafe {
        let here = Core::here();
        (here, &mut here.local().pending)
    };
    if here.has_immediate() {
        return None;
    }
    Some((pending.pop()?, here.as_here()))
}

/// As [`take_next`], which found nothing, of what others have sent and the core has not taken yet. Interrupts off.
/// `MAY_HAVE_WAITED`: whether it is worth a reading of the clock how long.
#[inline(always)]
pub(crate) fn take_sent<const MAY_HAVE_WAITED: bool>() -> Option<(NonNull<Message>, Here)> {
    // SAFETY: interrupts are off, and the references end here.
    let (here, local) = unsafe {
        let here = Core::here();
        (here, here.local())
    };
    // Immediate messages run in interrupt context only. Their interrupt is here, or about to be sent.
    if !here.has_immediate() && here.has_routine() {
        return Some((take_first::<MAY_HAVE_WAITED>(here, local)?, here.as_here()));
    }
    None
}

/// The function of the immediate message that this core is running. For messages of panics.
pub(crate) fn current_immediate() -> Option<usize> {
    // SAFETY: a copy, on this core, of a word that only this core writes; an interrupt between leaves it as it was.
    unsafe { Local::here() }.running.map(|run| run as usize)
}

/// The next routine message of this core, if it calls what `wanted` accepts. Interrupts off.
#[inline(always)]
pub(crate) fn take_routine_if(wanted: impl FnOnce(Run) -> bool) -> Option<NonNull<Message>> {
    // SAFETY: interrupts are off, and the references end with this function, which calls nothing that has one.
    let (core, local) = unsafe {
        let core = Core::here();
        (core, core.local())
    };
    if local.pending.peek().is_none() {
        if core.inbox.routine.is_empty() {
            return None;
        }
        collect(core, local);
    }
    let first = local.pending.peek()?;
    // SAFETY: this core's message.
    if !wanted(unsafe { first.as_ref() }.run) {
        return None;
    }
    local.pending.pop()
}

/// Moves what is in the queue to what the core has taken.
#[inline(never)]
pub(super) fn collect(core: &Core, local: &mut Local) {
    let taken = empty_queue::<true>(core, local);
    local.pending.append(taken);
}

/// Takes the first of the queue, and moves the others to what the core has taken, of which there is nothing. Most often there
/// is one, which then goes through no list.
#[inline(never)]
fn take_first<const MAY_HAVE_WAITED: bool>(core: &Core, local: &mut Local) -> Option<NonNull<Message>> {
    debug_assert!(local.pending.peek().is_none(), "what was sent earlier comes first");
    let mut taken = empty_queue::<MAY_HAVE_WAITED>(core, local);
    let first = taken.pop();
    local.pending.append(taken);
    first
}

/// All that is in the queue. Counts it, and notes how long the first of it has waited.
#[inline(always)]
fn empty_queue<const MAY_HAVE_WAITED: bool>(core: &Core, local: &mut Local) -> List {
    let (mut count, mut nodes) = (0, 0);
    let taken = core.inbox.routine.take(|message| {
        count += 1;
        nodes += message.since & NODE;
    });
    local.counts.taken += count;
    local.nodes.come(nodes as isize);
    if MAY_HAVE_WAITED && let Some(first) = taken.peek() {
        // SAFETY: this core's message.
        let since = unsafe { first.as_ref() }.since;
        let waited = arch::clock::tsc().saturating_sub(since);
        local.counts.longest_wait_ticks = local.counts.longest_wait_ticks.max(waited);
    }
    taken
}

/// Gives back the memory of messages that were run, where it is more than a core keeps. Before the idle loop is left, or the
/// core halts. Interrupts off.
#[inline(always)]
pub(crate) fn trim(here: Here) {
    // SAFETY: interrupts are off, and the reference ends here.
    unsafe { Local::of(here) }.nodes.trim();
}

/// Whether nothing has been sent to `core` that it has not taken. For a core that halts, which takes what it is sent, it
/// means that nothing is under way to it.
pub(crate) fn is_empty(core: usize) -> bool {
    let inbox = &CORE.on(core).inbox;
    inbox.routine.is_empty() && inbox.immediate.is_empty()
}

/// For the way in of system calls, which is assembly and looks as [`has_routine`] does: where a core's words are, from its
/// distance (`gs:[0]`) on.
pub(crate) mod offsets {
    use core::mem::offset_of;

    use super::{Core, Inbox, List, Local};

    pub(crate) const PENDING: usize = offset_of!(Core, local) + offset_of!(Local, pending) + List::FIRST;
    pub(crate) const ROUTINE: usize = offset_of!(Core, inbox) + Inbox::ROUTINE_LAST;
}

/// Whether there is a routine message for this core. Interrupts off.
#[inline(always)]
pub(crate) fn has_routine() -> bool {
    // SAFETY: as in `take_routine_if`.
    let (core, local) = unsafe {
        let core = Core::here();
        (core, core.local())
    };
    local.pending.peek().is_some() || !core.inbox.routine.is_empty()
}

/// Cores that halt, or are about to, and have not been sent for.
static HALTING: AtomicUsize = AtomicUsize::new(0);

/// Whether `core` halts, or is about to, and nobody has sent it a routine message since.
pub(crate) fn is_halting(core: usize) -> bool {
    CORE.on(core).inbox.is_halting()
}

/// How many cores halt that nobody has sent a routine message since.
pub(crate) fn halting() -> usize {
    // SeqCst: of two cores that halt at the same time, one sees both.
    HALTING.load(Ordering::SeqCst)
}

/// Whether a core may halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Halt {
    /// Nothing has come: `sti; hlt`, then [`stop_halting`].
    Now {
        /// As many cores halt now, this one included, as [`halting`] counts them.
        cores: usize,
    },
    /// Something has. Look again.
    No,
}

/// Announces that this core will not look at its inbox any more unless it is interrupted, and looks once more. Interrupts
/// off, and they stay off until the halt.
pub(crate) fn prepare_to_halt() -> Halt {
    // SAFETY: as in `take_routine_if`.
    let (core, local) = unsafe {
        let core = Core::here();
        (core, core.local())
    };
    local.nodes.trim();
    if local.pending.peek().is_some() {
        return Halt::No;
    }
    // Counted before it is announced: whoever takes the announcement back counts it out.
    let cores = HALTING.fetch_add(1, Ordering::SeqCst) + 1;
    if core.inbox.may_halt() {
        return Halt::Now { cores };
    }
    stop_halting();
    Halt::No
}

/// Takes back what [`prepare_to_halt`] announced, unless a sender has. Interrupts off.
#[inline(always)]
pub(crate) fn stop_halting() {
    call_back(inbox());
}

/// Has the core of `inbox` no longer count as one that halts, and says whether an interrupt is needed to have it look. (Not if
/// it is the running one.)
#[inline(always)]
pub(super) fn call_back(inbox: &Inbox) -> bool {
    let was = inbox.call_back();
    if was == Was::Halting {
        HALTING.fetch_sub(1, Ordering::SeqCst);
    }
    was != Was::Looking
}

/// Announces that this core goes to ring 3, where it does not look at its inbox, and says whether it may. It has to look each
/// time that it goes back there. Interrupts off, and they stay off until it is there.
pub(crate) fn prepare_to_leave() -> bool {
    // SAFETY: as in `take_routine_if`.
    let (core, local) = unsafe {
        let core = Core::here();
        (core, core.local())
    };
    local.nodes.trim();
    local.pending.peek().is_none() && core.inbox.may_leave()
}

/// Spins until a routine message comes, which it takes, or `ticks` of the clock have passed. For the idle loop; interrupts on,
/// and off if there is a message. Senders see a core that looks.
pub(crate) fn poll(ticks: u64) -> Option<(NonNull<Message>, Here)> {
    /// Reading the clock takes longer than looking, so it begins when an answer does not come at once.
    const LOOKS_PER_READING: usize = 8;
    // SAFETY: the idle loop stays on its core, whoever interrupts it. What interrupts write is looked at in one instruction.
    let here = unsafe { Core::here() };
    let has_come = || here.has_routine() || here.has_pending();
    // What is there at the first look may have waited; afterwards, for no longer than between two looks, unless something
    // interrupts the core there.
    if has_come()
        && let Some(taken) = close_and_take::<true>()
    {
        return Some(taken);
    }
    let mut end = None;
    loop {
        for _ in 0..LOOKS_PER_READING {
            arch::relax();
            if has_come()
                && let Some(taken) = close_and_take::<false>()
            {
                return Some(taken);
            }
        }
        let now = arch::clock::tsc();
        let end = *end.get_or_insert(now.wrapping_add(ticks));
        if end.wrapping_sub(now) as i64 <= 0 {
            return None;
        }
    }
}

/// What the idle loop runs next, with interrupts off then. They are on before, and stay so if an immediate message is to come
/// first, which it does by its interrupt.
#[inline(always)]
fn close_and_take<const MAY_HAVE_WAITED: bool>() -> Option<(NonNull<Message>, Here)> {
    irq::disable();
    let taken = take_next().or_else(take_sent::<MAY_HAVE_WAITED>);
    if taken.is_none() {
        // SAFETY: the idle loop depends on nothing here.
        unsafe { irq::enable() };
    }
    taken
}
