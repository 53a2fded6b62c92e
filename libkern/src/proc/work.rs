//! Who works for a process: as long as somebody does, a process that has died is not gone.

use alloc::sync::Arc;

use super::current;
use super::process::Proc;

/// Notes that somebody works for the process, who says [`end_work`] later.
pub(crate) fn begin_work(proc: &Proc) {
    proc.inner.lock().busy += 1;
}

/// See [`begin_work`].
pub(crate) fn end_work(proc: &Arc<Proc>) {
    let ends = {
        let mut inner = proc.inner.lock();
        inner.busy -= 1;
        inner.ends_now()
    };
    if ends {
        current::finish(proc);
    }
}

/// Whether the process is dying.
pub(crate) fn is_dying(proc: &Proc) -> bool {
    proc.inner.lock().state.is_dying()
}
