//! Timing two things in turn.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How often each is timed.
const RUNS: usize = 9;
/// How long a run takes, about.
const LENGTH: Duration = Duration::from_millis(20);

/// Times `ours` and `theirs`, which each do as many operations as they are told to, in turn, and prints what came of it.
pub fn compare(name: &str, peer: &str, ours: &mut dyn FnMut(u64), theirs: &mut dyn FnMut(u64)) {
    let (of_ours, of_theirs) = (operations(ours), operations(theirs));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        times[0].push(time(ours, of_ours));
        times[1].push(time(theirs, of_theirs));
    }
    let mut line = format!("{name}\t{peer}");
    for times in times {
        let words: Vec<_> = times.iter().map(|time| format!("{time:.3}")).collect();
        write!(line, "\t{}", words.join(" ")).expect("a string takes all");
    }
    println!("{line}");
}

/// How many operations a run has. Finding out warms up, too.
fn operations(run: &mut dyn FnMut(u64)) -> u64 {
    let mut count = 1000;
    loop {
        let from = Instant::now();
        run(count);
        if from.elapsed() >= LENGTH {
            return count;
        }
        count *= 2;
    }
}

/// Nanoseconds per operation.
fn time(run: &mut dyn FnMut(u64), operations: u64) -> f64 {
    let from = Instant::now();
    run(operations);
    from.elapsed().as_nanos() as f64 / operations as f64
}
