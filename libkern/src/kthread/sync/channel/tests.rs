//! Channels on the host's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{ChannelError, Closed, Empty, Full, Unsent, bounded, unbounded};
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn};
use crate::kthread::sync::{Aborted, Interrupted, TimedOut};
use crate::sync::{IrqGuard, SpinLock};
use crate::time::Duration;

#[test]
fn values_come_out_in_the_order_in_which_they_went_in() {
    let (sender, receiver) = bounded(3);
    sender.send_all([1, 2, 3]).expect("there is a receiver");
    assert_eq!(sender.try_send(4), Err(Unsent { value: 4, why: ChannelError::GaveUp(Full) }));
    assert_eq!((sender.len(), sender.capacity()), (3, 3));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(receiver.try_recv(), Err(ChannelError::GaveUp(Empty)));
    assert!(receiver.is_empty());
}

#[test]
fn a_receiver_sleeps_until_a_value_comes_and_has_it_then() {
    let (sender, receiver) = bounded(1);
    let sleeper = spawn({
        let receiver = receiver.clone();
        move || receiver.recv()
    });
    sleeper.until_asleep();
    sender.send(7).expect("there is a receiver");
    assert!(receiver.is_empty(), "it went from hand to hand");
    assert_eq!(sleeper.join(), Ok(7));
}

#[test]
fn a_sender_sleeps_until_there_is_room() {
    let (sender, receiver) = bounded(1);
    sender.send(1).expect("there is a receiver");
    let sleepers = [2, 3].map(|value| {
        let sender = sender.clone();
        let sleeper = spawn(move || sender.send(value));
        sleeper.until_asleep();
        sleeper
    });
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(receiver.len(), 1, "who had waited longest has the room");
    assert_eq!((receiver.recv(), receiver.recv()), (Ok(2), Ok(3)));
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [Ok(()), Ok(())]);
}

#[test]
fn without_any_room_values_go_from_hand_to_hand() {
    let (sender, receiver) = bounded(0);
    assert_eq!(sender.try_send(1), Err(Unsent { value: 1, why: ChannelError::GaveUp(Full) }));
    let sleeper = spawn({
        let sender = sender.clone();
        move || sender.send(2)
    });
    sleeper.until_asleep();
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sleeper.join(), Ok(()));
    let sleeper = spawn(move || receiver.recv());
    sleeper.until_asleep();
    assert_eq!(sender.try_send(3), Ok(()));
    assert_eq!(sleeper.join(), Ok(3));
}

#[test]
fn receivers_are_served_in_the_order_in_which_they_came() {
    let (sender, receiver) = unbounded();
    let sleepers = [0, 1, 2].map(|_| {
        let receiver = receiver.clone();
        let sleeper = spawn(move || receiver.recv());
        sleeper.until_asleep();
        sleeper
    });
    sender.send_all([10, 11, 12]).expect("there are receivers");
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [Ok(10), Ok(11), Ok(12)]);
}

#[test]
fn when_the_senders_are_gone_what_is_left_is_received_and_then_it_is_over() {
    let (sender, receiver) = unbounded();
    let other = sender.clone();
    sender.send(1).expect("there is a receiver");
    drop(sender);
    other.send(2).expect("there is a receiver");
    assert!(!receiver.is_closed());
    drop(other);
    assert!(receiver.is_closed());
    assert_eq!((receiver.recv(), receiver.try_recv()), (Ok(1), Ok(2)));
    assert_eq!((receiver.recv(), receiver.try_recv()), (Err(Closed), Err(ChannelError::Closed)));
    assert_eq!(receiver.recv_timeout(MS), Err(ChannelError::Closed));
}

#[test]
fn sleepers_go_on_when_the_other_side_goes() {
    let (sender, receiver) = bounded::<u32>(0);
    let receivers = [(); 2].map(|()| {
        let receiver = receiver.clone();
        let sleeper = spawn(move || receiver.recv());
        sleeper.until_asleep();
        sleeper
    });
    drop((sender, receiver));
    assert_eq!(receivers.map(|sleeper| sleeper.join()), [Err(Closed), Err(Closed)]);

    let (sender, receiver) = bounded(0);
    let senders = [1, 2].map(|value| {
        let sender = sender.clone();
        let sleeper = spawn(move || sender.send(value));
        sleeper.until_asleep();
        sleeper
    });
    drop(receiver);
    assert!(sender.is_closed());
    let unsent = |value| Err(Unsent { value, why: Closed });
    assert_eq!(senders.map(|sleeper| sleeper.join()), [unsent(1), unsent(2)]);
    assert_eq!(sender.send(3), unsent(3));
}

#[test]
fn every_value_is_dropped_once_at_the_latest_when_the_receivers_go() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = || dropped.load(Ordering::Relaxed);
    let value = || Counted(Arc::clone(&dropped));

    let (sender, receiver) = bounded(2);
    sender.send_all([value(), value()]).expect("there is a receiver");
    drop(receiver.recv());
    assert_eq!(count(), 1);
    drop(receiver);
    assert_eq!(count(), 2, "nobody will ask for it, though the sender lives");
    drop(sender.send(value()).expect_err("it is closed"));
    assert_eq!(count(), 3);

    let (sender, receiver) = unbounded();
    sender.send_all([value(), value()]).expect("there is a receiver");
    drop(sender);
    assert_eq!(count(), 3);
    drop(receiver);
    assert_eq!(count(), 5);
}

#[test]
fn time_ends_sleeps_on_both_sides_and_a_sender_has_its_value_back() {
    let (sender, receiver) = bounded(1);
    assert_eq!(receiver.recv_until(now()), Err(ChannelError::GaveUp(TimedOut)));
    sender.send("there").expect("there is a receiver");
    let gave_up = |value| Err(Unsent { value, why: ChannelError::GaveUp(TimedOut) });
    assert_eq!(sender.send_timeout("late", Duration::ZERO), gave_up("late"));
    let sleeper = spawn({
        let sender = sender.clone();
        move || sender.send_timeout("slow", 10 * MS)
    });
    sleeper.until_asleep();
    Clock::mine().advance(10 * MS);
    assert_eq!(sleeper.join(), gave_up("slow"));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["there"]);
    let sleeper = spawn(move || receiver.recv_timeout(10 * MS));
    sleeper.until_asleep();
    Clock::mine().advance(10 * MS);
    assert_eq!(sleeper.join(), Err(ChannelError::GaveUp(TimedOut)));
}

#[test]
fn a_request_to_give_up_ends_sleeps_on_both_sides() {
    let (sender, receiver) = bounded(0);
    let sleeper = spawn(move || (receiver.recv_abortable(), receiver.recv_abortable_until(now())));
    sleeper.until_asleep().abort();
    let gave_up = (Err(ChannelError::GaveUp(Aborted)), Err(ChannelError::GaveUp(Interrupted::TimedOut)));
    assert_eq!(sleeper.join(), gave_up);
    assert!(sender.send(1).is_err());

    let (sender, _receiver) = bounded(0);
    let sleeper = spawn(move || (sender.send_abortable(1).is_err(), sender.send_abortable_until(2, now())));
    sleeper.until_asleep().abort();
    let unsent = Unsent { value: 2, why: ChannelError::GaveUp(Interrupted::TimedOut) };
    assert_eq!(sleeper.join(), (true, Err(unsent)));
}

#[test]
fn interrupt_handlers_and_holders_of_locks_send_and_look() {
    let lock = SpinLock::new("held by a sender", ());
    let (_held, _off) = (lock.lock(), IrqGuard::new());
    let (sender, receiver) = unbounded();
    sender.send(1).expect("there is a receiver");
    assert_eq!(receiver.try_recv(), Ok(1));
    let (sender, receiver) = bounded(1);
    sender.try_send(2).expect("there is room");
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
#[should_panic(expected = "Sender::send would block with interrupts off")]
fn sending_with_interrupts_off_is_a_panic_even_if_there_is_room() {
    let (sender, _receiver) = bounded(1);
    let _off = IrqGuard::new();
    let _ = sender.send(1);
}

#[test]
fn each_value_of_many_senders_reaches_one_of_many_receivers_in_its_senders_order() {
    const EACH: usize = 500;
    for capacity in [0, 1, 16] {
        let (sender, receiver) = bounded(capacity);
        let senders = [0, 1, 2].map(|number| {
            let sender = sender.clone();
            spawn(move || sender.send_all((0..EACH).map(|i| (number, i))).expect("there are receivers"))
        });
        drop(sender);
        let receivers = [(); 2].map(|()| {
            let receiver = receiver.clone();
            spawn(move || receiver.into_iter().collect::<Vec<_>>())
        });
        drop(receiver);
        senders.into_iter().for_each(|sender| sender.join());
        let received = receivers.map(|receiver| receiver.join());
        for values in &received {
            for number in 0..3 {
                let of_one: Vec<_> = values.iter().filter(|value| value.0 == number).collect();
                assert!(of_one.is_sorted());
            }
        }
        let mut all = received.concat();
        all.sort_unstable();
        let expected: Vec<_> = (0..3).flat_map(|number| (0..EACH).map(move |i| (number, i))).collect();
        assert_eq!(all, expected);
    }
}
