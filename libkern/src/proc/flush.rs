//! Making processors forget what was unmapped.
//!
//! The tables have been changed, and what was in them gathered, under the space's lock, which is free again. A core that
//! loads the space from now on finds the new tables; those that had it loaded before are interrupted, once for a whole
//! range, and only they. Waiting for them is a kthread's blocking. Then the frames are free. (DESIGN, section 4.)

use core::ops::Range;

use super::process::Proc;
use crate::arch::user_tables::UserRights;
use crate::arch::{self, irq, paging};
use crate::cpu::CoreSet;
use crate::kthread;
use crate::mem::space::SpaceError;
use crate::mem::space::flush::Flush;

/// Ends what `range` shows. Blocks if another core has the space loaded.
///
/// # Errors
/// As [`Space::unmap`](crate::mem::space::Space::unmap).
pub(crate) fn unmap(proc: &Proc, range: Range<usize>) -> Result<(), SpaceError> {
    let mut flush = Flush::new(range);
    proc.space.unmap(&mut flush)?;
    forget(proc, &mut flush);
    Ok(())
}

/// Changes what may be done in `range`. Blocks if another core has the space loaded.
///
/// # Errors
/// As [`Space::protect`](crate::mem::space::Space::protect).
pub(crate) fn protect(proc: &Proc, range: Range<usize>, rights: UserRights) -> Result<(), SpaceError> {
    let mut flush = Flush::new(range);
    proc.space.protect(&mut flush, rights)?;
    forget(proc, &mut flush);
    Ok(())
}

/// Makes all processors forget what `flush` is about, and frees its frames.
#[inline(always)]
fn forget(proc: &Proc, flush: &mut Flush) {
    if flush.is_needed() {
        let flags = irq::save_and_disable();
        let here = arch::core_id();
        let is_elsewhere = proc.space.is_loaded_elsewhere(here);
        if !is_elsewhere {
            // If this core has it loaded; else no harm is done.
            paging::flush_user(flush.range());
        }
        // SAFETY: the innermost.
        unsafe { irq::restore(flags) };
        if is_elsewhere {
            forget_everywhere(proc, flush, here);
        }
    }
    flush.is_done();
}

#[cold]
fn forget_everywhere(proc: &Proc, flush: &Flush, here: usize) {
    let mut cores = CoreSet::new();
    proc.space.loaded_elsewhere(here).chain([here]).for_each(|core| cores.insert(core));
    kthread::interrupt_set(&cores, |_| paging::flush_user(flush.range()));
}
