//! The channel's races. Three preemptions where there are three parties; all of them would take an hour.

use super::{ChannelError, Closed, Unsent, bounded, unbounded};
use crate::kthread::hosted::Clock;
use crate::kthread::sync::TimedOut;
use crate::kthread::sync::testing::{MS, Owned, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

/// A value whose contents loom watches.
struct Watched(UnsafeCell<usize>);

impl Watched {
    fn new(value: usize) -> Self {
        let watched = Self(UnsafeCell::new(0));
        // SAFETY: nobody else has it.
        watched.0.with_mut(|data| unsafe { *data = value });
        watched
    }

    fn value(&self) -> usize {
        // SAFETY: whoever has it has it alone; loom checks it.
        self.0.with_mut(|data| unsafe { *data })
    }
}

/// Both sides of a channel that is to be.
fn owned<S, R>((sender, receiver): (S, R)) -> (Owned<S>, Owned<R>) {
    (Owned::new(sender), Owned::new(receiver))
}

/// Through one place, by both who sleeps and who does not.
#[test]
fn model_values_arrive_whole_and_in_order() {
    loom::model(|| {
        let (sender, receiver) = owned(bounded(1));
        let other = spawn(move || (1..=2).all(|value| sender.send(Watched::new(value)).is_ok()));
        let received: Vec<_> = receiver.iter().map(|watched| watched.value()).collect();
        assert_eq!(received, [1, 2]);
        assert!(other.join().expect("it does not panic"));
    });
}

/// From hand to hand.
#[test]
fn model_values_arrive_where_there_is_no_room() {
    model_bounded(3, || {
        let (sender, receiver) = owned(bounded(0));
        let senders = [1, 2].map(|value| {
            let sender = Owned::new(sender.clone());
            spawn(move || sender.send(Watched::new(value)).is_ok())
        });
        drop(sender);
        let sum: usize = receiver.iter().map(|watched| watched.value()).sum();
        assert_eq!(sum, 3);
        senders.into_iter().for_each(|sender| assert!(sender.join().expect("it does not panic")));
    });
}

/// Two receivers, one value: one has it, the other learns that it is over.
#[test]
fn model_a_value_is_received_once() {
    model_bounded(3, || {
        let (sender, receiver) = owned(unbounded());
        let receivers = [(); 2].map(|()| {
            let receiver = Owned::new(receiver.clone());
            spawn(move || receiver.recv().map(|watched: Watched| watched.value()))
        });
        drop(receiver);
        assert!(sender.send(Watched::new(1)).is_ok());
        drop(sender);
        let mut received = receivers.map(|receiver| receiver.join().expect("it does not panic"));
        received.sort_unstable_by_key(Result::is_err);
        assert_eq!(received, [Ok(1), Err(Closed)]);
    });
}

/// Hazard 2: the receiver goes at every point of the sender's way. The value arrives, or comes back.
#[test]
fn model_closing_and_sending_meet() {
    loom::model(|| {
        let (sender, receiver) = owned(bounded(0));
        let other = spawn(move || receiver.try_recv().ok());
        let sent = sender.send(1);
        let received = other.join().expect("it does not panic");
        assert_eq!(sent, if received.is_some() { Ok(()) } else { Err(Unsent { value: 1, why: Closed }) });
    });
}

/// Hazard 1: the time of both is up while the value goes from hand to hand.
#[test]
fn model_time_and_receiver_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let (sender, receiver) = owned(bounded(0));
        let other = spawn(move || receiver.recv_until(soon));
        let time = spawn(move || clock.advance(MS));
        let sent = sender.send_until(1, soon);
        let received = other.join().expect("it does not panic");
        time.join().expect("it does not panic");
        assert_eq!(sent.is_ok(), received.is_ok());
        if let Err(unsent) = sent {
            assert_eq!(unsent.value, 1);
        }
        assert!(matches!(received, Ok(1) | Err(ChannelError::GaveUp(TimedOut) | ChannelError::Closed)));
    });
}
