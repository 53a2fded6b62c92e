//! From the loader's jump to the application's `main`, and out again.
//!
//! | module | what it does |
//! |---|---|
//! | [`start`] | the order of boot |
//! | [`early_frames`], [`address_space`], [`cores`] | its steps |
//! | [`trap`], [`fault`] | where every trap goes |
//! | [`panic`](mod@panic) | the end of an image that failed |
//! | [`exit`] | the end of one that did not |

mod address_space;
mod cores;
mod early_frames;
mod exit;
mod fault;
mod panic;
mod start;
mod trap;

pub use exit::{ExitCode, Termination, exit, reboot};
#[doc(hidden)]
pub use mcp_abi::note;
#[doc(hidden)]
pub use panic::panic;

/// Writes one of the image's entry points: everything that has to live in the application's own crate.
///
/// The panic handler and the allocator are items of a final program, and `libkern` must also link into host programs
/// that have others. The note tells the host tool what kind of image this is.
#[doc(hidden)]
#[macro_export]
macro_rules! __image {
    ($kind:ident, $run:expr) => {
        const _: () = {
            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::entry::panic(info)
            }

            #[global_allocator]
            static HEAP: $crate::mem::Heap = $crate::mem::Heap;

            #[used]
            #[unsafe(link_section = ".note.roost")]
            static NOTE: $crate::entry::note::Note = $crate::entry::note::Note::new($crate::entry::note::Kind::$kind);

            // Never inlined: the boot benchmark ends its count at its first instruction.
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "Rust" fn __roost_main() -> $crate::ExitCode {
                $run
            }
        };
    };
}

/// What `#[libkern::main]` adds to the function.
#[doc(hidden)]
#[macro_export]
macro_rules! __main {
    ($main:ident) => {
        $crate::__image!(Application, $crate::Termination::report($main()));
    };
}
