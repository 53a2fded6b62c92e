//! From one call stack to another: the kernel's own switch, and corosensei's.

use std::cell::Cell;
use std::hint::black_box;

use corosensei::{Coroutine, CoroutineResult};

use crate::metal::switch::{prepare, switch};
use crate::runs::compare as compare_runs;

const STACK_WORDS: usize = 8 << 10;

thread_local! {
    /// Where each of the two stacks was left.
    static HERE: Cell<usize> = const { Cell::new(0) };
    static THERE: Cell<usize> = const { Cell::new(0) };
}

/// The other call stack, which only ever goes back.
extern "C" fn back(_token: usize) -> ! {
    let (here, there) = (HERE.with(Cell::as_ptr), THERE.with(Cell::as_ptr));
    loop {
        // SAFETY: `here` was stored when this stack was switched to, and nobody else runs on either.
        unsafe { switch(there, *here, 0) };
    }
}

/// An operation is one way.
pub fn compare() {
    let stack: &'static mut [u128] = Box::leak(vec![0; STACK_WORDS].into_boxed_slice());
    let top = stack.as_mut_ptr_range().end.expose_provenance();
    // SAFETY: the end of memory that is leaked for this stack.
    THERE.set(unsafe { prepare(top, back) });
    let mut ours = |operations: u64| {
        let (here, there) = (HERE.with(Cell::as_ptr), THERE.with(Cell::as_ptr));
        for _ in 0..operations / 2 {
            // SAFETY: `there` is what `prepare` made or what the other stack's switch stored, and that stack stands still.
            black_box(unsafe { switch(here, *there, 0) });
        }
    };
    let mut coroutine = Coroutine::new(|yielder, ()| -> () {
        loop {
            yielder.suspend(());
        }
    });
    let mut theirs = |operations: u64| {
        for _ in 0..operations / 2 {
            assert!(matches!(coroutine.resume(()), CoroutineResult::Yield(())));
        }
    };
    compare_runs("switch stacks, one way", "corosensei", &mut ours, &mut theirs);
    // Its stack holds nothing that would have to be dropped.
    // SAFETY: as said.
    unsafe { coroutine.force_reset() };
}
