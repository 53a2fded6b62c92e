use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::bell::testing::Silent;
use crate::memory::testing::Words;

const CAPACITY: usize = 8;
/// The ring lies between others' words.
const FIRST: usize = 8;
const LAYOUT: Layout = Layout::new(FIRST, CAPACITY);
const ALL: usize = FIRST + LAYOUT.words() + 5;

type Ends = (Sender<&'static Words, Silent>, Receiver<&'static Words, Silent>);

fn ring() -> (&'static Words, Ends) {
    let words = Words::leak(ALL);
    (words, (Sender::new(words, LAYOUT, Silent::default()), Receiver::new(words, LAYOUT, Silent::default())))
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Receive(usize),
    /// What a hostile peer writes, and where.
    Lie(usize, u64),
}

fn honest() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..70).prop_map(Step::Send),
        (0..70usize).prop_map(Step::Receive),
    ]
}

fn hostile() -> impl Strategy<Value = Step> {
    let value = prop_oneof![0..100u64, any::<u64>(), (0..20u64).prop_map(|n| u64::MAX - n)];
    prop_oneof![honest(), (FIRST..FIRST + LAYOUT.words(), value).prop_map(|(at, value)| Step::Lie(at, value))]
}

proptest! {
    #[test]
    fn a_ring_is_a_queue_of_so_many_words(steps in proptest::collection::vec(honest(), 1..200)) {
        let (_, (mut sender, mut receiver)) = ring();
        let mut queue: VecDeque<Vec<u8>> = VecDeque::new();
        for step in steps {
            match step {
                Step::Send(message) => {
                    let taken: usize = queue.iter().map(|message| 1 + message.len().div_ceil(8)).sum();
                    let expected = match 1 + message.len().div_ceil(8) {
                        words if words > CAPACITY => Err(SendError::TooLong),
                        words if words > CAPACITY - taken => Err(SendError::Full),
                        _ => {
 queue.push_back(message.clone());
 Ok(())
 }
                    };
                    prop_assert_eq!(sender.try_send(&message), expected);
                }
                Step::Receive(room) => {
                    let mut into = vec![0; room];
                    let received = receiver.try_recv(&mut into);
                    match queue.pop_front() {
                        None => prop_assert_eq!(received, Err(RecvError::Empty)),
                        Some(message) if message.len() > room => {
                            prop_assert_eq!(received, Err(RecvError::TooLong(message.len())));
                        }
                        Some(message) => {
                            prop_assert_eq!(received, Ok(message.len()));
                            prop_assert_eq!(&into[..message.len()], &message[..]);
                        }
                    }
                }
                Step::Lie(..) => unreachable!(),
            }
        }
    }

    /// Hazard 4: no panic, no word of anybody else's, and what is corrupt stays so.
    #[test]
    fn whatever_the_other_side_writes_does_no_harm(steps in proptest::collection::vec(hostile(), 1..200)) {
        let (words, (mut sender, mut receiver)) = ring();
        let others = (0..FIRST).chain(FIRST + LAYOUT.words()..ALL);
        others.clone().for_each(|at| words.word(at).store(at as u64, Ordering::Relaxed));
        let (mut cannot_send, mut cannot_receive) = (false, false);
        for step in steps {
            match step {
                Step::Send(message) => {
                    let sent = sender.try_send(&message);
                    prop_assert!(!cannot_send || matches!(sent, Err(SendError::Corrupt | SendError::TooLong)));
                    cannot_send |= sent == Err(SendError::Corrupt);
                }
                Step::Receive(room) => {
                    let mut into = vec![0; room];
                    let received = receiver.try_recv(&mut into);
                    prop_assert!(received.is_err() || received.is_ok_and(|len| len <= room));
                    prop_assert!(!cannot_receive || received == Err(RecvError::Corrupt));
                    if let Err(RecvError::TooLong(len)) = received {
                        prop_assert!(len <= LAYOUT.longest());
                    }
                    cannot_receive |= received == Err(RecvError::Corrupt);
                }
                Step::Lie(at, value) => words.word(at).store(value, Ordering::Relaxed),
            }
        }
        for at in others {
            prop_assert_eq!(words.word(at).load(Ordering::Relaxed), at as u64);
        }
    }
}

#[test]
fn indices_that_cannot_be_are_noticed() {
    for lie in [CAPACITY as u64 + 1, u64::MAX, 1 << 63] {
        let (words, (mut sender, mut receiver)) = ring();
        words.word(FIRST + PRODUCED).store(lie, Ordering::Relaxed);
        assert_eq!(receiver.try_recv(&mut [0; 64]), Err(RecvError::Corrupt));
        words.word(FIRST + CONSUMED).store(lie, Ordering::Relaxed);
        assert_eq!(sender.try_send(&[0; 48]), Ok(()), "there is room, whatever is said");
        assert_eq!(sender.try_send(&[0; 48]), Err(SendError::Corrupt));
    }
    // Backwards.
    let (words, (mut sender, mut receiver)) = ring();
    sender.try_send(&[0; 8]).unwrap();
    receiver.try_recv(&mut [0; 8]).unwrap();
    words.word(FIRST + PRODUCED).store(1, Ordering::Relaxed);
    assert_eq!(receiver.try_recv(&mut [0; 8]), Err(RecvError::Corrupt));
}

#[test]
fn a_length_that_is_more_than_there_is_is_noticed() {
    for lie in [9, 57, u64::MAX - 7, u64::MAX] {
        let (words, (mut sender, mut receiver)) = ring();
        sender.try_send(&[1; 8]).unwrap();
        words.word(FIRST + HEADER).store(lie, Ordering::Relaxed);
        assert_eq!(receiver.try_recv(&mut [0; 64]), Err(RecvError::Corrupt), "{lie}");
    }
}

#[test]
fn nobody_rings_while_nobody_sleeps() {
    let (words, (mut sender, mut receiver)) = ring();
    for _ in 0..10 {
        sender.try_send(&[1]).unwrap();
        receiver.try_recv(&mut [0]).unwrap();
    }
    assert_eq!((sender.bell().rung(), receiver.bell().rung()), (0, 0));
    words.word(FIRST + RECEIVER_SLEEPS).store(1, Ordering::Relaxed);
    words.word(FIRST + SENDER_SLEEPS).store(1, Ordering::Relaxed);
    for _ in 0..10 {
        sender.try_send(&[1]).unwrap();
        receiver.try_recv(&mut [0]).unwrap();
    }
    assert_eq!((sender.bell().rung(), receiver.bell().rung()), (1, 1), "once for each that sleeps");
}

#[test]
fn waits_end_by_what_ends_them() {
    let (words, (mut sender, mut receiver)) = ring();
    assert_eq!(receiver.recv(&mut [0; 8]), Err(RecvError::Interrupted));
    sender.try_send(&[0; 56]).unwrap();
    assert_eq!(sender.send(&[0; 8]), Err(SendError::Interrupted));
    for sleeps in [RECEIVER_SLEEPS, SENDER_SLEEPS] {
        assert_eq!(words.word(FIRST + sleeps).load(Ordering::Relaxed), 0, "nobody sleeps any more");
    }
    let mut sends = |_: &Silent, _: u64| sender.try_send(b"late").map_err(|_| Interrupted);
    receiver.try_recv(&mut [0; 56]).unwrap();
    let mut into = [0; 8];
    assert_eq!(receiver.recv_by(&mut into, &mut sends), Ok(4));
    assert_eq!(&into[..4], b"late");
}

#[test]
fn a_typed_message_is_of_its_type_or_malformed() {
    let (_, (mut sender, mut receiver)) = ring();
    sender.send_message(&0x1234_5678_u32).unwrap();
    assert_eq!(receiver.recv_message::<u32>(), Ok(0x1234_5678));
    for wrong in [&[1, 2, 3][..], &[1; 5], &[]] {
        sender.try_send(wrong).unwrap();
        assert_eq!(receiver.recv_message::<u32>(), Err(RecvError::Malformed));
    }
    sender.send_message(&[7u8; 3]).unwrap();
    assert_eq!(receiver.recv_message::<[u8; 3]>(), Ok([7; 3]));
}

#[test]
fn what_was_sent_is_received_when_its_sender_is_gone() {
    let (_, (mut sender, mut receiver)) = ring();
    sender.try_send(&[5]).unwrap();
    receiver.bell().close();
    assert_eq!(receiver.recv(&mut [0; 8]), Ok(1));
    assert_eq!(receiver.recv(&mut [0; 8]), Err(RecvError::Closed));
    assert_eq!(receiver.try_recv(&mut [0; 8]), Err(RecvError::Closed));
    sender.bell().close();
    assert_eq!(sender.try_send(&[5]), Err(SendError::Closed));
    assert_eq!(sender.send(&[5]), Err(SendError::Closed));
}
