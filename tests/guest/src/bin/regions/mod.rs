//! Marks for counting from outside, shared by the benchmarks.
//!
//! A region is what runs from the instruction at `bench_begin_NAME` to the one at `bench_end_NAME`, on all cores. Each is
//! visited with N operations and then with 2N, so that what is not the operation cancels out.

/// Visits the region `$name` with `$operations` operations, then with twice as many, after a visit that does not count, in
/// which caches are filled and lists get as long as they will.
macro_rules! measure {
    ($name:ident, $operations:expr, $run:expr) => {{
        #[unsafe(export_name = concat!("bench_begin_", stringify!($name)))]
        #[inline(never)]
        extern "C" fn begin() {
            // SAFETY: does nothing. The comment keeps functions that are otherwise alike from being merged into one.
            unsafe { core::arch::asm!(concat!("nop // begin ", stringify!($name)), options(nomem, nostack)) };
        }
        #[unsafe(export_name = concat!("bench_end_", stringify!($name)))]
        #[inline(never)]
        extern "C" fn end() {
            // SAFETY: as above.
            unsafe { core::arch::asm!(concat!("nop // end ", stringify!($name)), options(nomem, nostack)) };
        }
        let operations: usize = core::hint::black_box($operations);
        let run = $run;
        $crate::regions::run(&run, operations);
        for operations in [operations, 2 * operations] {
            begin();
            $crate::regions::run(&run, operations);
            end();
        }
    }};
}

pub(crate) use measure;

/// One copy of the code for each visit.
#[inline(never)]
pub(crate) fn run(operation: &impl Fn(usize), operations: usize) {
    operation(operations);
}
