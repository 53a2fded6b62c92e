//! Variables of which each core has its own.
//!
//! ```ignore
//! per_core! {
//!     /// Messages sent by this core.
//!     static SENT: Cell<usize> = Cell::new(0);
//! }
//! without_interrupts(|off| SENT.with(off, |sent| sent.set(sent.get() + 1)));
//! ```
//!
//! The statics that the macro defines are the *template*: a link section that is copied for each core as it starts. A
//! core's copy of a variable is at the variable's own address plus a distance that is the core's (`arch::percore_delta`),
//! three instructions away. What must be found in one has a word of its own in the core's block (`arch::slot`).
//!
//! # Staleness
//!
//! "This core" is a fact about the present. Code that may block, or may be moved, can be on another core the next moment,
//! with a reference to the first one's data in its hand. So the ways to reach a variable are these, and each says what
//! keeps it fresh:
//!
//! - [`PerCore::with`] takes a proof that interrupts are off, and lends the variable to a closure: nothing can move the
//!   code meanwhile, because moving starts with an interrupt or with blocking, and blocking checks for the proof.
//! - [`PerCore::on`] names a core. It never goes stale, and is for variables that cores may share (`Sync`).
//! - [`PerCore::get_unguarded`] is unsafe, and its caller argues.

use core::cell::UnsafeCell;
use core::ptr;

use super::IrqGuard;
use crate::arch;

/// The word of the core (`arch::slot`) in which the heap keeps the address of its magazines.
pub(crate) const SLOT_HEAP: usize = 0;
/// The word in which, on the machine, the kthread layer keeps the address of the running kthread.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) const SLOT_KTHREAD: usize = 1;
/// The word in which, on the machine, kernel messages keep the address of what the core has for them.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) const SLOT_KMSG: usize = 3;
/// The word in which, on the machine, `arch::user` keeps the address of the context that the core goes back to.
#[cfg(not(any(test, feature = "hosted")))]
#[expect(dead_code, reason = "its user is below, and has the number; here it is said whose it is")]
pub(crate) const SLOT_CONTEXT: usize = 4;
/// The word in which spin locks keep the address of the one that was taken last.
pub(super) const SLOT_LOCK: usize = 2;

/// The place of a per-core variable. Made by [`per_core!`](crate::sync::per_core) only.
///
/// # Invariants
/// It lies in the link section that is copied for each core, and is reached only at a core's distance from there.
#[repr(transparent)]
pub struct PerCore<T> {
    template: UnsafeCell<T>,
}

// SAFETY: what is shared between cores is the template's address. Each copy belongs to one core, which reaches it with
// `with` or `get_unguarded`; other cores reach it with `on`, which demands `T: Sync`.
unsafe impl<T> Sync for PerCore<T> {}

impl<T> PerCore<T> {
    /// The template.
    ///
    /// # Safety
    /// The value becomes a static in the link section of per-core variables. A copy of its bytes is as good a value as
    /// itself.
    pub const unsafe fn new(value: T) -> Self {
        const { assert!(align_of::<T>() <= 64, "copies of the template are aligned to 64 bytes") };
        Self { template: UnsafeCell::new(value) }
    }

    /// Lends this core's copy to `f`. Any context in which there is a proof; `f` must not block.
    #[inline(always)]
    pub fn with<R>(&'static self, _off: &IrqGuard, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: the proof outlives the closure, so the code stays on this core while it has the reference. The core's
        // other references to the copy are shared ones too.
        f(unsafe { self.get_unguarded() })
    }

    /// The running core's copy.
    ///
    /// # Safety
    /// While the reference lives, the caller does not move to another core, or `T` is `Sync` and the caller means "a
    /// core that I was on lately".
    #[inline(always)]
    pub unsafe fn get_unguarded(&'static self) -> &'static T {
        // SAFETY: a core that runs has a copy, which lives for ever (invariant of the type).
        unsafe { &*self.at(arch::percore_delta()) }
    }

    /// The copy of `core`. Any context.
    ///
    /// # Panics
    /// If there is no such core.
    #[inline]
    pub fn on(&'static self, core: usize) -> &'static T
    where
        T: Sync,
    {
        // SAFETY: `percore_base` vouches for the copy; `T` may be shared.
        unsafe { &*self.at(arch::percore_base(core)) }
    }

    #[inline(always)]
    fn at(&self, distance: usize) -> *const T {
        ptr::with_exposed_provenance(self.template.get().addr().wrapping_add(distance))
    }
}

/// Defines per-core variables: `per_core! { [pub] static NAME: Type = constant; .. }`.
///
/// Each core's copy starts as the constant. The type needs no other property: no `Sync`, unless a core wants to look at
/// another's.
#[cfg(not(any(test, feature = "hosted")))]
#[macro_export]
#[doc(hidden)]
macro_rules! __per_core {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)+) => {$(
        $(#[$attribute])*
        #[unsafe(link_section = ".percore")]
        $visibility static $name: $crate::sync::PerCore<$type> =
            // SAFETY: the attribute puts it into the section; a constant's bytes do not know where they are.
            unsafe { $crate::sync::PerCore::new(const { $value }) };
    )+};
}

/// Defines per-core variables: `per_core! { [pub] static NAME: Type = constant; .. }`.
///
/// Each core's copy starts as the constant. The type needs no other property: no `Sync`, unless a core wants to look at
/// another's.
#[cfg(any(test, feature = "hosted"))]
#[macro_export]
#[doc(hidden)]
macro_rules! __per_core {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;)+) => {$(
        $(#[$attribute])*
        #[unsafe(link_section = "percore")]
        $visibility static $name: $crate::sync::PerCore<$type> =
            // SAFETY: the attribute puts it into the section; a constant's bytes do not know where they are.
            unsafe { $crate::sync::PerCore::new(const { $value }) };
    )+};
}

pub use crate::__per_core as per_core;

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::sync::atomic::{AtomicUsize, Ordering};

    use super::per_core;
    use crate::arch::{core_id, enter_core};
    use crate::sync::without_interrupts;

    per_core! {
        static COUNT: Cell<usize> = Cell::new(7);
        static SHARED: AtomicUsize = AtomicUsize::new(5);
    }

    #[test]
    fn each_core_has_its_own_copy_that_starts_as_the_constant() {
        let add = |n| without_interrupts(|off| COUNT.with(off, |count| count.replace(count.get() + n)));
        let cores = [40, 41].map(|core| {
            std::thread::spawn(move || {
                let _core = enter_core(core);
                (add(core), add(0))
            })
        });
        let counts = cores.map(|core| core.join().expect("the thread ends well"));
        assert_eq!(counts, [(7, 47), (7, 48)]);
    }

    #[test]
    fn another_core_s_copy_can_be_reached_by_its_number() {
        let core = std::thread::spawn(|| {
            let _core = enter_core(42);
            SHARED.on(core_id()).store(9, Ordering::Relaxed);
            core_id()
        })
        .join()
        .expect("the thread ends well");
        assert_eq!(SHARED.on(core).load(Ordering::Relaxed), 9);
    }
}
