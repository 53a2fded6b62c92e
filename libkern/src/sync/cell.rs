//! An `UnsafeCell` whose accesses a model can see.
//!
//! Loom finds a data race by knowing when each access begins and ends; so access goes through a closure that is given
//! the pointer, here and there alike.

#[cfg(all(loom, test))]
pub use loom::cell::UnsafeCell;

/// Memory that several parties may reach, by a protocol that its owner states.
#[cfg(not(all(loom, test)))]
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(all(loom, test)))]
impl<T> UnsafeCell<T> {
    /// A cell that holds `value`.
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for reading. Reading through it is the caller's proof that nobody writes meanwhile.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with a pointer for writing. Using it is the caller's proof that nobody else has access meanwhile.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    /// The value, once nobody else can have access.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}
