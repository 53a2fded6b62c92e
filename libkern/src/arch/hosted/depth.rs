//! Eight one-byte counters of the running core.
//!
//! On the metal each of the three changes is one instruction on `gs:[offset + LANE]`. Here the counters belong to the
//! thread: a thread is one core at a time, and what it has counted is its own nesting.

use std::cell::Cell;

/// How many counters there are.
pub const LANES: usize = 8;

thread_local! {
    static COUNTERS: [Cell<u8>; LANES] = const { [const { Cell::new(0) }; LANES] };
}

/// Raises counter `LANE` of the running core by one. Any context.
#[inline(always)]
pub fn raise<const LANE: usize>() {
    COUNTERS.with(|counters| {
        let raised = counters[LANE].get().checked_add(1);
        counters[LANE].set(raised.expect("nothing nests 256 deep"));
    });
}

/// Lowers counter `LANE` of the running core by one. Any context.
#[inline(always)]
pub fn lower<const LANE: usize>() {
    COUNTERS.with(|counters| {
        let lowered = counters[LANE].get().checked_sub(1);
        counters[LANE].set(lowered.expect("every lowering had a raising"));
    });
}

/// Counter `LANE` of the running core. Any context.
#[inline(always)]
#[must_use]
pub fn get<const LANE: usize>() -> u8 {
    COUNTERS.with(|counters| counters[LANE].get())
}
