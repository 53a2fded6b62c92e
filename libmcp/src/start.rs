//! The first instructions of an isolated process, and what a program must have.
//!
//! The kernel starts every vcore at `_start`, with its number in `edi` and the address of the info page in `rsi`, on the
//! stack that it is to have. The first time that is the beginning of the program: it adjusts what refers to addresses,
//! because only the kernel knows where it was loaded, and calls `main`.

use core::arch::naked_asm;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use mcp_abi::exit::PANICKED;
use mcp_abi::process::Info;

use crate::process;

/// The entry point.
///
/// Relocations come first, in assembly: Rust code may rely on them. All are relative ones, because nothing is linked
/// dynamically. A vcore that comes up later finds them done, by the flag.
///
/// # Safety
/// Entered by the kernel only.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "cmp byte ptr [rip + {is_started}], 0",
        "jne 3f",
        "lea rax, [rip + __mcp_image]",
        "lea rcx, [rip + __mcp_rela_start]",
        "lea rdx, [rip + __mcp_rela_end]",
        "2:",
        "cmp rcx, rdx",
        "jae 3f",
        "mov r8, [rcx]",
        "mov r9, [rcx + 16]",
        "add r9, rax",
        "mov [rax + r8], r9",
        "add rcx, 24",
        "jmp 2b",
        "3:",
        "call {run}",
        "ud2",
        is_started = sym IS_STARTED,
        run = sym run,
    )
}

static IS_STARTED: AtomicBool = AtomicBool::new(false);

unsafe extern "Rust" {
    /// The program's own, by [`program!`](crate::program).
    safe fn __mcp_main();
}

extern "C" fn run(_vcore: u32, info: *mut Info) -> ! {
    IS_STARTED.store(true, Ordering::Relaxed);
    process::set_info(info);
    __mcp_main();
    process::exit(0)
}

/// What a program's panic handler calls.
#[doc(hidden)]
pub fn panic(message: impl fmt::Display) -> ! {
    crate::println!("{message}");
    process::exit(PANICKED.into())
}

/// Makes a crate a program that begins with the function named.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        const _: () = {
            #[panic_handler]
            fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
                $crate::start::panic(info)
            }

            #[global_allocator]
            static HEAP: $crate::heap::Heap = $crate::heap::new();

            #[unsafe(no_mangle)]
            extern "Rust" fn __mcp_main() {
                $main()
            }
        };
    };
}
