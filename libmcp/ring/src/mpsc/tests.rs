use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::bell::testing::Silent;
use crate::memory::testing::Words;

const LAYOUT: Layout = Layout::new(3, 4, 20);
const ALL: usize = 3 + LAYOUT.words() + 3;

type Ends = (Sender<&'static Words, Silent>, Receiver<&'static Words, Silent>);

fn ring() -> (&'static Words, Ends) {
    let words = Words::leak(ALL);
    (words, (Sender::new(words, LAYOUT, Silent::default()), Receiver::new(words, LAYOUT, Silent::default())))
}

#[test]
fn a_ring_is_a_queue_of_so_many_messages() {
    let (_, (sender, mut receiver)) = ring();
    let senders = [sender.clone(), sender];
    let mut queue = VecDeque::new();
    for round in 0..100u8 {
        // It fills up, and empties.
        if round / 5 % 2 == 0 {
            let message = vec![round; usize::from(round) % 25];
            let expected = match message.len() {
                25.. => Err(SendError::TooLong),
                _ if queue.len() == 4 => Err(SendError::Full),
                _ => {
                    queue.push_back(message.clone());
                    Ok(())
                }
            };
            assert_eq!(senders[usize::from(round) % 2].try_send(&message), expected);
        } else {
            let mut into = [0; 24];
            let received = receiver.try_recv(&mut into).map(|len| into[..len].to_vec());
            assert_eq!(received, queue.pop_front().ok_or(RecvError::Empty));
        }
    }
}

#[test]
fn what_ends_a_wait_and_what_is_wrong_is_said() {
    let (words, (sender, mut receiver)) = ring();
    assert_eq!(receiver.recv(&mut [0; 8]), Err(RecvError::Interrupted));
    sender.try_send(&[1; 9]).unwrap();
    assert_eq!(receiver.try_recv(&mut [0; 8]), Err(RecvError::TooLong(9)));
    (0..4).for_each(|_| sender.try_send(&[1]).unwrap());
    assert_eq!(sender.send(&[1]), Err(SendError::Interrupted));
    assert_eq!(receiver.recv(&mut [0; 8]), Ok(1));
    assert_eq!(receiver.bell.rung(), 1, "for the sender that found no room");
    // A length that cannot be, and a turn.
    words.word(3 + HEADER + 2 * 5 + LEN).store(25, Ordering::Relaxed);
    assert_eq!(receiver.try_recv(&mut [0; 24]), Err(RecvError::Corrupt));
    assert_eq!(receiver.try_recv(&mut [0; 24]), Err(RecvError::Corrupt), "for good");
    let (words, (sender, mut receiver)) = ring();
    words.word(3 + HEADER + TURN).store(2, Ordering::Relaxed);
    assert_eq!(sender.try_send(&[1]), Err(SendError::Full));
    assert_eq!(receiver.try_recv(&mut [0; 8]), Err(RecvError::Corrupt));
    sender.bell.close();
    assert_eq!(sender.send(&[1]), Err(SendError::Closed));
    let (_, (sender, mut receiver)) = ring();
    sender.try_send(&[1]).unwrap();
    receiver.bell.close();
    assert_eq!(receiver.recv(&mut [0; 8]), Ok(1));
    assert_eq!(receiver.recv(&mut [0; 8]), Err(RecvError::Closed));
}

proptest! {
    #[test]
    fn whatever_the_other_side_writes_does_no_harm(
        steps in proptest::collection::vec((0..3u8, 3..3 + LAYOUT.words(), any::<u64>(), 0..30u64), 1..200),
    ) {
        let (words, (sender, mut receiver)) = ring();
        let others = (0..3).chain(3 + LAYOUT.words()..ALL);
        others.clone().for_each(|at| words.word(at).store(at as u64, Ordering::Relaxed));
        let mut cannot_receive = false;
        for (step, at, wild, tame) in steps {
            match step {
                0 => _ = sender.try_send(&[7; 24][..tame.min(24) as usize]),
                1 => {
                    let mut into = vec![0; tame as usize];
                    let received = receiver.try_recv(&mut into);
                    prop_assert!(received.is_err() || received.is_ok_and(|len| len <= into.len()));
                    prop_assert!(!cannot_receive || received == Err(RecvError::Corrupt));
                    cannot_receive |= received == Err(RecvError::Corrupt);
                }
                _ => words.word(at).store(if wild % 2 == 0 { tame } else { wild }, Ordering::Relaxed),
            }
        }
        for at in others {
            prop_assert_eq!(words.word(at).load(Ordering::Relaxed), at as u64);
        }
    }
}
