//! The races of rings and their bells.

use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::bell::{Bell, Interrupted};
use crate::duplex::{self, Duplex, Side};
use crate::memory::testing::Words;
use crate::mpsc;
use crate::spsc::{self, Receiver, RecvError, Sender};

/// Both sides' bells, which count how often each was rung, and who is gone.
struct Bells {
    rung: Mutex<[u64; 2]>,
    changed: Condvar,
    gone: [crate::sync::AtomicU64; 2],
}

#[derive(Clone, Copy)]
struct OneBell {
    bells: &'static Bells,
    side: usize,
}

impl OneBell {
    fn pair() -> [OneBell; 2] {
        let gone = [(); 2].map(|()| crate::sync::AtomicU64::new(0));
        let bells = Bells { rung: Mutex::new([0; 2]), changed: Condvar::new(), gone };
        let bells: &'static Bells = Box::leak(Box::new(bells));
        [0, 1].map(|side| OneBell { bells, side })
    }

    fn leave(self) {
        self.bells.gone[self.side].store(1, crate::sync::Ordering::Release);
        self.ring();
    }
}

impl Bell for OneBell {
    fn ring(&self) {
        self.bells.rung.lock().unwrap()[1 - self.side] += 1;
        self.bells.changed.notify_all();
    }

    fn prepare(&self) -> u64 {
        self.bells.rung.lock().unwrap()[self.side]
    }

    fn wait(&self, since: u64) -> Result<(), Interrupted> {
        let mut rung = self.bells.rung.lock().unwrap();
        while rung[self.side] == since {
            rung = self.bells.changed.wait(rung).unwrap();
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.bells.gone[1 - self.side].load(crate::sync::Ordering::Acquire) != 0
    }
}

fn bounded(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(f);
}

/// Hazards 1 and 2: through room for one message, each side sleeps for the other, and none for ever. Four preemptions, or it
/// takes hours.
#[test]
fn model_no_side_sleeps_when_there_is_something_to_do() {
    bounded(4, || {
        let layout = spsc::Layout::new(0, 2);
        let words = Words::leak(layout.words());
        let [ours, theirs] = OneBell::pair();
        let mut sender = Sender::new(words, layout, ours);
        let other = thread::spawn(move || {
            let mut receiver = Receiver::new(words, layout, theirs);
            [1, 2].map(|_| receiver.recv_message::<u64>())
        });
        for message in [7u64, 8] {
            assert_eq!(sender.send_message(&message), Ok(()));
        }
        assert_eq!(other.join().unwrap(), [Ok(7), Ok(8)]);
    });
}

/// As above, of two sides that call: one fence stands for two.
#[test]
fn model_no_side_that_calls_sleeps_when_there_is_something_to_do() {
    bounded(4, || {
        let words = Words::leak(duplex::len(2) / 8);
        let [ours, theirs] = OneBell::pair();
        let mut duplex = Duplex::new(words, 2, Side::First, ours);
        let other = thread::spawn(move || {
            let mut duplex = Duplex::new(words, 2, Side::Second, theirs);
            let first = duplex.receiver.recv_message::<u64>();
            let second = duplex.call_message::<u64, u64>(&8);
            (first, second, duplex.sender.send_message(&10u64))
        });
        assert_eq!(duplex.call_message::<u64, u64>(&7), Ok(8));
        assert_eq!(duplex.call_message::<u64, u64>(&9), Ok(10));
        assert_eq!(other.join().unwrap(), (Ok(7), Ok(9), Ok(())));
    });
}

/// Hazard 3.
#[test]
fn model_what_was_sent_before_its_sender_went_is_received() {
    bounded(4, || {
        let layout = spsc::Layout::new(0, 2);
        let words = Words::leak(layout.words());
        let [ours, theirs] = OneBell::pair();
        let other = thread::spawn(move || {
            let sent = Sender::new(words, layout, ours).send_message(&9u64);
            ours.leave();
            sent
        });
        let mut receiver = Receiver::new(words, layout, theirs);
        assert_eq!(receiver.recv_message::<u64>(), Ok(9));
        assert_eq!(receiver.recv_message::<u64>(), Err(RecvError::Closed));
        assert_eq!(other.join().unwrap(), Ok(()));
    });
}

/// Two senders and one slot: both get their turn, and no message is half of each. Three preemptions, as there are three
/// parties.
#[test]
fn model_many_senders_take_turns() {
    bounded(3, || {
        let layout = mpsc::Layout::new(0, 1, 8);
        let words = Words::leak(layout.words());
        let [ours, theirs] = OneBell::pair();
        let senders = [1u8, 2].map(|byte| {
            let sender = mpsc::Sender::new(words, layout, ours);
            thread::spawn(move || sender.send(&[byte; 8]))
        });
        let mut receiver = mpsc::Receiver::new(words, layout, theirs);
        let mut received = [0; 2].map(|_: i32| {
            let mut message = [0; 8];
            assert_eq!(receiver.recv(&mut message), Ok(8));
            message
        });
        received.sort_unstable();
        assert_eq!(received, [[1; 8], [2; 8]]);
        senders.into_iter().for_each(|sender| assert_eq!(sender.join().unwrap(), Ok(())));
    });
}
