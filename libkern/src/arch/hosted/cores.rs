//! Which thread is which core, and each core's copy of the per-core variables.
//!
//! A core id belongs to at most one thread at a time. Copies of the variables are made when a core id is used for the
//! first time and live for ever, like those of a real core: a thread that becomes core 3 finds what the last thread
//! that was core 3 left there.

use std::alloc::Layout;
use std::cell::Cell;
use std::ptr;
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::Duration;

use super::block::{self, Block};
use super::{MAX_CORES, PAGE_SIZE};

/// How long a thread waits for a core before it reports that the test uses too many threads.
const PATIENCE: Duration = Duration::from_secs(30);

static TAKEN: Mutex<[bool; MAX_CORES]> = Mutex::new([false; MAX_CORES]);
static RETURNED: Condvar = Condvar::new();
static DELTAS: [OnceLock<usize>; MAX_CORES] = [const { OnceLock::new() }; MAX_CORES];

thread_local! {
    static CORE: Cell<Option<usize>> = const { Cell::new(None) };
    /// Returns the core that the thread was given when the thread ends.
    static LEASE: Cell<Option<Lease>> = const { Cell::new(None) };
}

/// Keeps the section in programs that have no per-core variable: without one, the linker does not define its bounds.
#[used]
#[unsafe(link_section = "percore")]
static ANCHOR: u64 = 0;

unsafe extern "C" {
    // The linker defines these for a section whose name is an identifier.
    #[link_name = "__start_percore"]
    static TEMPLATE_START: u8;
    #[link_name = "__stop_percore"]
    static TEMPLATE_END: u8;
}

/// The right to be a core; gives it back when dropped.
struct Lease(usize);

impl Drop for Lease {
    fn drop(&mut self) {
        TAKEN.lock().expect("no holder of the table of cores panics")[self.0] = false;
        RETURNED.notify_all();
    }
}

/// While this lives, the thread that called [`enter_core`] is that core. Afterwards it is what it was before.
#[must_use = "the thread stops being the core when the guard is dropped"]
pub struct CoreGuard {
    lease: Option<Lease>,
    before: Option<usize>,
    /// A core is a property of the thread, so the guard stays with it.
    _not_send: std::marker::PhantomData<*mut ()>,
}

impl Drop for CoreGuard {
    fn drop(&mut self) {
        CORE.set(self.before);
        self.lease = None;
    }
}

/// Makes the calling thread core `core`; waits while another thread is.
///
/// # Panics
/// If `core` is not below [`MAX_CORES`], or another thread does not leave it.
pub fn enter_core(core: usize) -> CoreGuard {
    assert!(core < MAX_CORES, "core {core} does not exist: there are {MAX_CORES}");
    let before = CORE.get();
    let lease = (before != Some(core)).then(|| lease(|taken| (!taken[core]).then_some(core)));
    make_copy(core);
    CORE.set(Some(core));
    CoreGuard { lease, before, _not_send: std::marker::PhantomData }
}

/// Makes the calling thread core `core`, unless another thread is. For tests that finish what an ended thread began.
pub fn try_enter_core(core: usize) -> Option<CoreGuard> {
    let before = CORE.get();
    if before == Some(core) {
        return Some(enter_core(core));
    }
    {
        let mut taken = TAKEN.lock().expect("no holder of the table of cores panics");
        if core >= MAX_CORES || taken[core] {
            return None;
        }
        taken[core] = true;
    }
    block::start(core);
    make_copy(core);
    CORE.set(Some(core));
    Some(CoreGuard { lease: Some(Lease(core)), before, _not_send: std::marker::PhantomData })
}

/// The core that the calling thread is. It becomes one, until it ends, if it was none.
///
/// # Panics
/// If all cores are taken and no thread returns one.
pub fn core_id() -> usize {
    CORE.get().unwrap_or_else(|| {
        let lease = lease(|taken| taken.iter().position(|taken| !taken));
        let core = lease.0;
        make_copy(core);
        CORE.set(Some(core));
        LEASE.set(Some(lease));
        core
    })
}

/// The block of the core that the calling thread is.
pub(super) fn here() -> &'static Block {
    block::of(core_id())
}

/// The distance from the template of the per-core variables to the calling thread's copy.
pub fn percore_delta() -> usize {
    percore_base(core_id())
}

/// The distance from the template of the per-core variables to the copy of `core`.
///
/// # Panics
/// If no thread has been that core yet.
pub fn percore_base(core: usize) -> usize {
    *DELTAS[core].get().expect("a core exists once a thread has been it")
}

fn lease(choose: impl Fn(&[bool; MAX_CORES]) -> Option<usize>) -> Lease {
    let taken = TAKEN.lock().expect("no holder of the table of cores panics");
    let (mut taken, _) = RETURNED
        .wait_timeout_while(taken, PATIENCE, |taken| choose(taken).is_none())
        .expect("no holder of the table of cores panics");
    let chosen = choose(&taken);
    if let Some(core) = chosen {
        taken[core] = true;
    }
    drop(taken);
    chosen.inspect(|&core| block::start(core));
    Lease(chosen.expect("a thread that is a core ends or leaves it before others have waited long"))
}

fn make_copy(core: usize) {
    DELTAS[core].get_or_init(|| {
        let (start, end) = (&raw const TEMPLATE_START, &raw const TEMPLATE_END);
        let len = end.addr() - start.addr();
        // The copy keeps the template's place within a page, and with it every alignment up to a page.
        let offset = start.addr() % PAGE_SIZE;
        let layout = Layout::from_size_align(offset + len, PAGE_SIZE).expect("the template is not that large");
        // SAFETY: the layout has a size, since `sync` has per-core variables; the template, which nobody writes, is as
        // long as what is copied. The memory is leaked, because cores do not end.
        unsafe {
            let copy = std::alloc::alloc_zeroed(layout).add(offset);
            ptr::copy_nonoverlapping(start, copy, len);
            copy.expose_provenance().wrapping_sub(start.addr())
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_core_and_two_threads_never_share_one() {
        let mine = core_id();
        assert_eq!(mine, core_id());
        let other = std::thread::spawn(core_id).join().expect("the thread ends well");
        assert_ne!(mine, other);
    }

    #[test]
    fn entering_a_core_ends_with_the_guard() {
        let before = core_id();
        {
            let _guard = enter_core(MAX_CORES - 1);
            assert_eq!(core_id(), MAX_CORES - 1);
        }
        assert_eq!(core_id(), before);
    }
}
