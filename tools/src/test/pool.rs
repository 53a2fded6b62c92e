//! Runs jobs side by side, as many as the host has cores for.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;

/// Something to run, and how many of the host's cores it keeps busy.
pub struct Job<'a, T> {
    /// Cores, at least one. A job that wants more than there are runs alone.
    pub weight: usize,
    /// What to do.
    pub work: Box<dyn FnOnce() -> T + Send + 'a>,
}

/// Runs `jobs` in their order, several at a time, and hands each result to `each` on the calling thread as
/// it comes. Blocks until all are done.
pub fn run<T: Send>(capacity: usize, jobs: Vec<Job<'_, T>>, mut each: impl FnMut(T)) {
    let capacity = capacity.max(1);
    let workers = capacity.min(jobs.len());
    let queue = Mutex::new((VecDeque::from(jobs), capacity));
    let freed = Condvar::new();
    let (sender, results) = mpsc::channel();
    let worker = |sender: mpsc::Sender<T>| {
        let mut state = queue.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = state.0.front() {
            let weight = first.weight.clamp(1, capacity);
            if weight > state.1 {
                state = freed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.1 -= weight;
            let job = state.0.pop_front();
            drop(state);
            let result = job.map(|job| (job.work)());
            state = queue.lock().unwrap_or_else(PoisonError::into_inner);
            state.1 += weight;
            freed.notify_all();
            // The receiver is gone only if the caller is: then nobody wants the result.
            let _ = result.map(|result| sender.send(result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            let sender = sender.clone();
            scope.spawn(|| worker(sender));
        }
        drop(sender);
        results.iter().for_each(&mut each);
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_job_runs_and_no_more_than_fit_do_at_once() {
        let busy = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let job = |weight: usize| {
            let (busy, most) = (&busy, &most);
            let work = move || {
                let cores = weight.min(3);
                let now = busy.fetch_add(cores, Ordering::Relaxed) + cores;
                most.fetch_max(now, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
                busy.fetch_sub(cores, Ordering::Relaxed);
                weight
            };
            Job { weight, work: Box::new(work) as Box<dyn FnOnce() -> usize + Send> }
        };
        let mut done = Vec::new();
        run(3, [1, 1, 1, 2, 1, 8, 1, 3].map(job).into(), |weight| done.push(weight));
        done.sort_unstable();
        assert_eq!(done, [1, 1, 1, 1, 1, 2, 3, 8]);
        assert!(most.load(Ordering::Relaxed) <= 3);
    }

    #[test]
    fn no_jobs_are_no_problem() {
        run(2, Vec::<Job<'_, ()>>::new(), |()| {});
    }
}
