//! Making processors forget what was unmapped.
//!
//! The tables have been changed, and what was in them gathered, under the space's lock, which is free again. A core that
//! loads the space from now on finds the new tables; those that had it loaded before are interrupted, once for a whole
//! range, and only they. Waiting for them is a kthread's blocking. Then the frames are free. (DESIGN, section 4.)

use super::process::Proc;
use crate::arch::{self, irq, paging};
use crate::cpu::CoreSet;
use crate::kthread;
use crate::mem::space::flush::Flush;

/// Makes all processors forget what `flush` is about, and frees its frames. Blocks if another core has the space loaded.
pub(crate) fn flush(proc: &Proc, flush: Flush) {
    if flush.is_needed() {
        let flags = irq::save_and_disable();
        let here = arch::core_id();
        let mut others = proc.space.loaded_elsewhere(here).peekable();
        let is_alone = others.peek().is_none();
        if is_alone && proc.space.is_loaded_on(here) {
            paging::flush_user(flush.range());
        }
        // SAFETY: the innermost.
        unsafe { irq::restore(flags) };
        if !is_alone {
            let mut cores = CoreSet::new();
            others.chain([here]).for_each(|core| cores.insert(core));
            kthread::interrupt_set(&cores, |_| paging::flush_user(flush.range()));
        }
    }
    flush.is_done();
}
