//! What frames are used for.

use core::fmt;

macro_rules! uses {
    ($($(#[$doc:meta])+ $name:ident = $label:literal),+ $(,)?) => {
        /// What a frame is used for. Whoever takes a frame says it, so that a report can say who holds the memory.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum FrameUse {
            $($(#[$doc])+ $name),+
        }

        impl FrameUse {
            /// All of them.
            pub const ALL: [FrameUse; [$($label),+].len()] = [$(FrameUse::$name),+];

            /// The label in reports.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(FrameUse::$name => $label),+ }
            }
        }
    };
}

uses! {
    /// Taken while booting, before there was an allocator: the first page tables and what core 0 runs on.
    Boot = "boot",
    /// Page tables.
    PageTables = "page tables",
    /// Stacks of cores and kthreads.
    KernelStacks = "kernel stacks",
    /// What each core has of its own.
    PerCore = "per-core data",
    /// Arenas of the heap, from which it cuts small objects.
    HeapArenas = "heap, small objects",
    /// Large objects of the heap, in frames of their own.
    HeapLarge = "heap, large objects",
    /// Memory shared with devices.
    Devices = "devices",
    /// Memory of processes.
    Processes = "processes",
    /// Taken by the application itself.
    Application = "application",
}

impl FrameUse {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

/// The number of a [`FrameUse`], as a frame carries it, where the use itself does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UseNumber(pub(super) usize);

impl UseNumber {
    /// The use.
    pub(super) const fn usage(self) -> FrameUse {
        FrameUse::ALL[self.0]
    }
}

impl fmt::Display for FrameUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}
