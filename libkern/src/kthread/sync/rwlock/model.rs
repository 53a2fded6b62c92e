//! The reader-writer lock's races. Three preemptions where there are three parties; all of them would take an hour.

use super::RwLock;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, leak, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

/// What loom watches: accesses that nothing orders are reported.
struct Shared {
    lock: RwLock<()>,
    data: UnsafeCell<usize>,
}

impl Shared {
    fn new() -> &'static Self {
        leak(Self { lock: RwLock::new(()), data: UnsafeCell::new(0) })
    }

    fn change(&self) {
        let _guard = self.lock.write();
        // SAFETY: with the lock taken for writing; loom checks it.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn look(&self) -> usize {
        let _guard = self.lock.read();
        // SAFETY: with the lock taken for reading; loom checks it.
        self.data.with(|data| unsafe { *data })
    }

    fn assert_free(&self) {
        assert!(self.lock.try_write().is_some(), "nobody has the lock");
    }
}

/// Hazard 1: a reader leaves while a writer goes to queue, and the other way round.
#[test]
fn model_a_reader_and_a_writer_take_turns() {
    loom::model(|| {
        let shared = Shared::new();
        let writer = spawn(move || shared.change());
        assert!(shared.look() <= 1);
        writer.join().expect("it does not panic");
        assert_eq!(shared.look(), 1);
        shared.assert_free();
    });
}

/// Two writers.
#[test]
fn model_two_writers_take_turns() {
    loom::model(|| {
        let shared = Shared::new();
        let writer = spawn(move || shared.change());
        shared.change();
        writer.join().expect("it does not panic");
        assert_eq!(shared.look(), 2);
        shared.assert_free();
    });
}

/// Two readers leave while a writer goes to queue: the last of them lets it in.
#[test]
fn model_the_last_of_two_readers_lets_the_writer_in() {
    model_bounded(3, || {
        let shared = Shared::new();
        let reader = spawn(move || shared.look());
        let writer = spawn(move || shared.change());
        shared.look();
        reader.join().expect("it does not panic");
        writer.join().expect("it does not panic");
        assert_eq!(shared.look(), 1);
        shared.assert_free();
    });
}

/// Two writers and a reader.
#[test]
fn model_writers_and_a_reader_take_turns() {
    model_bounded(3, || {
        let shared = Shared::new();
        let reader = spawn(move || shared.look());
        let writer = spawn(move || shared.change());
        shared.change();
        reader.join().expect("it does not panic");
        writer.join().expect("it does not panic");
        assert_eq!(shared.look(), 2);
        shared.assert_free();
    });
}

/// Hazard 2: the writer between two readers gives up while the first leaves.
#[test]
fn model_a_writer_gives_up_between_readers() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = Shared::new();
        let writer = spawn(move || shared.lock.write_until(soon).map(drop));
        let reader = spawn(move || shared.look());
        let reading = shared.lock.read();
        clock.advance(MS);
        drop(reading);
        reader.join().expect("it does not panic");
        let _ = writer.join().expect("it does not panic");
        shared.assert_free();
    });
}
