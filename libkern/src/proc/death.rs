//! The end of a process.
//!
//! ```text
//!   die: state DYING; blocked calls are asked to give up (DYING_ABORT); its core is told, and handles are to be closed
//!     |
//!     |   the core lets go, blocked calls end, the rest of a batch is dropped, handles are closed: nobody works for it
//!     v
//!   finish: cores that still have its space loaded are told; its reference to itself goes
//!     |
//!     |   the last reference goes
//!     v
//!   its memory is free, and those who wait are told, once
//! ```
//!
//! (DESIGN, section 8; seed `processes.txt`, 2.4.5.)

use alloc::sync::Arc;

use super::blocked;
use super::current;
use super::event;
use super::exit::Exit;
use super::handles;
use super::process::Proc;
use super::state::State;
use crate::kmsg;

/// Ends a process, unless it is ending. Any context but NMI; does not wait.
pub(crate) fn die(proc: &Arc<Proc>, exit: Exit) {
    let mut inner = proc.inner.lock();
    if inner.state.is_dying() {
        return;
    }
    inner.state.become_state(State::Dying);
    inner.exit = Some(exit);
    let core = inner.core;
    if !inner.blocked.is_null() {
        inner.state.become_state(State::DyingAbort);
        blocked::abort(inner.blocked, |_| true);
    }
    // Whoever closes its handles works for it.
    inner.busy += usize::from(proc.has_handles);
    let ends = inner.ends_now();
    drop(inner);
    if proc.has_handles {
        handles::close_all_soon(proc.clone());
    }
    event::cancel_alarm(proc);
    *proc.record.exit.lock() = Some(exit);
    if let Some(core) = core {
        let proc = proc.clone();
        kmsg::send_routine(core, move |_| current::forget(&proc));
    }
    if ends {
        current::finish(proc);
    }
}
