//! Turning the machine into one that has processes.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

use super::blocked::Rest;
use super::process::Proc;
use super::{blocked, current, ready, trap};
use crate::arch::user::access::FixUp;
use crate::arch::user::{self, Handlers};
use crate::cpu;
use crate::kthread;
use crate::sync::depth;

/// What takes system calls.
pub(crate) struct Calls {
    /// As [`Handlers::call`].
    pub(crate) entry: usize,
    /// As [`Handlers::fix_ups`].
    pub(crate) fix_ups: [FixUp; 2],
    /// What is done with what is left of a batch whose call has blocked.
    pub(crate) pass_on: fn(Arc<Proc>, Rest),
}

unsafe extern "Rust" {
    /// Defined by the layer `syscall`, above.
    safe fn __roost_calls() -> Calls;
}

extern "C" fn on_stray_call(behind: usize) -> ! {
    let at = behind - 2;
    panic!("the kernel itself executed `syscall`, at {at:#018x}: a dependency was written for another system")
}

/// Before the first process is made; again is harmless.
pub(super) fn once() {
    static IS_DONE: AtomicBool = AtomicBool::new(false);
    if !IS_DONE.load(Ordering::Acquire) {
        // Two who do this at the same time do the same.
        let Calls { entry, fix_ups, pass_on } = __roost_calls();
        user::set_handlers(Handlers { call: entry, trap: trap::on_trap, stray: on_stray_call, fix_ups });
        blocked::set_pass_on(pass_on);
        depth::set_on_block(blocked::on_block);
        kthread::set_idle_hook(current::go_on);
        // Those that halt since before do not know of processes.
        (0..cpu::count()).filter(|&core| cpu::is_up(core)).for_each(ready::note_idle);
        IS_DONE.store(true, Ordering::Release);
    }
}
