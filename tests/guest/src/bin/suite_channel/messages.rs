//! Rings between the parent and a child, between siblings, and with somebody hostile.

use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::time::Duration;

use libkern::proc::{ChannelEnd, Child, Exit, Rights, SharedRegion, channel};
use libkern::ring::spsc::{RecvError, SendError};
use libkern::ring::{Duplex, Memory, Side, duplex, mpsc};
use libkern::time::Instant;
use libkern::{cpu, kthread};

use crate::support::{run, told};

const WORDS: usize = 64;

/// A region for two rings, the first side of them, and the end that is the second's.
fn rings(words: usize) -> (SharedRegion, Duplex<SharedRegion, ChannelEnd>, ChannelEnd) {
    let region = SharedRegion::new(duplex::len(words)).expect("there is memory");
    let (ours, theirs) = channel();
    (region.clone(), Duplex::new(region, words, Side::First, ours), theirs)
}

const SHARED: Rights = Rights::READ.union(Rights::WRITE).union(Rights::MAP);
const TALKS: Rights = Rights::READ.union(Rights::WRITE);

#[libkern::test(ids = ["P79"])]
fn what_was_put_there_before_the_child_runs_is_there_and_its_answer_too() {
    let region = SharedRegion::new(8192).expect("there is memory");
    let (_ours, theirs) = channel();
    region.word(1023).store(21, Ordering::Relaxed);
    run(told(&["share"]).pass(theirs, TALKS).pass(region.clone(), SHARED));
    assert_eq!(region.word(1023).load(Ordering::Relaxed), 42);
}

#[libkern::test(ids = ["P79"])]
fn messages_of_all_lengths_come_back() {
    let (region, mut ours, theirs) = rings(WORDS);
    let child = told(&["echo", "64"]).pass(theirs, TALKS).pass(region, SHARED).run().unwrap();
    let mut into = [0; 512];
    for len in (0..=504).step_by(7) {
        let message: Vec<u8> = (0..len).map(|n| (n * len) as u8).collect();
        assert_eq!(ours.sender.send(&message), Ok(()));
        assert_eq!(ours.receiver.recv(&mut into), Ok(len));
        assert_eq!(&into[..len], &message[..]);
    }
    assert_eq!(ours.sender.send(&[0; 505]), Err(SendError::TooLong));
    drop(ours);
    assert_eq!(child.wait(), Exit::Status(0));
}

#[libkern::test]
fn a_full_ring_makes_its_sender_sleep_until_there_is_room() {
    let (region, ours, theirs) = rings(4);
    let Duplex { mut sender, mut receiver } = ours;
    let child = told(&["echo", "4"]).pass(theirs, TALKS).pass(region, SHARED).run().unwrap();
    let sends = kthread::spawn(move || {
        (0..500u64).for_each(|n| assert_eq!(sender.send_message(&n), Ok(())));
        sender
    });
    for n in 0..500u64 {
        assert_eq!(receiver.recv_message::<u64>(), Ok(n));
    }
    drop((sends.join(), receiver));
    assert_eq!(child.wait(), Exit::Status(0));
}

#[libkern::test]
fn siblings_talk_and_learn_that_the_other_has_gone() {
    for _ in 0..5 {
        let region = SharedRegion::new(duplex::len(WORDS)).expect("there is memory");
        let (one, other) = channel();
        let echo = told(&["echo", "64"]).pass(one, TALKS).pass(region.clone(), SHARED).run().unwrap();
        let asks = told(&["ask", "300"]).pass(other, TALKS).pass(region, SHARED).run().unwrap();
        assert_eq!(asks.wait(), Exit::Status(0));
        assert_eq!(echo.wait(), Exit::Status(0));
    }
}

#[libkern::test]
fn a_call_is_a_message_each_way_between_siblings_and_with_the_parent() {
    for _ in 0..5 {
        let region = SharedRegion::new(duplex::len(WORDS)).expect("there is memory");
        let (one, other) = channel();
        let serves = told(&["serve"]).pass(one, TALKS).pass(region.clone(), SHARED).run().unwrap();
        let calls = told(&["call", "300"]).pass(other, TALKS).pass(region, SHARED).run().unwrap();
        assert_eq!(calls.wait(), Exit::Status(0));
        assert_eq!(serves.wait(), Exit::Status(0));
    }
    let (region, mut ours, theirs) = rings(WORDS);
    let serves = told(&["serve"]).pass(theirs, TALKS).pass(region, SHARED).run().unwrap();
    for n in 0..300u64 {
        assert_eq!(ours.call_message(&n), Ok(n + 1));
    }
    drop(ours);
    assert_eq!(serves.wait(), Exit::Status(0));
}

/// A core that two processes hand to each other is not theirs: a third one has its turns, and so have kthreads.
#[libkern::test(ids = ["K22", "K24"])]
fn two_that_call_each_other_starve_nobody() {
    let pair = || {
        let region = SharedRegion::new(duplex::len(WORDS)).expect("there is memory");
        let (one, other) = channel();
        let serves = told(&["serve"]).pass(one, TALKS).pass(region.clone(), SHARED).run().unwrap();
        [serves, told(&["call", "1000000000"]).pass(other, TALKS).pass(region, SHARED).run().unwrap()]
    };
    // More than there are cores, so that each core has both: some who talk, and somebody who goes on for ever.
    let talk: Vec<_> = (0..cpu::count()).flat_map(|_| pair()).collect();
    let others: Vec<_> = (0..=cpu::count()).map(|_| told(&["spin"]).run().unwrap()).collect();
    let turns = |all: &[Child]| all.iter().map(|child| child.stats().expect("it runs").turns).min();
    let deadline = Instant::now() + Duration::from_secs(40);
    while turns(&others) < Some(5) || turns(&talk) < Some(5) {
        assert!(Instant::now() < deadline, "turns: {:?} and {:?}", turns(&others), turns(&talk));
        kthread::sleep(Duration::from_millis(1));
    }
    talk.iter().chain(&others).for_each(Child::kill);
    assert!(talk.iter().chain(&others).all(|child| child.wait() == Exit::Killed));
}

#[libkern::test]
fn many_processes_send_to_one_receiver() {
    const EACH: usize = 200;
    let layout = mpsc::Layout::new(0, 4, 24);
    let region = SharedRegion::new(8 * layout.words()).expect("there is memory");
    let (ours, theirs) = channel();
    let mut receiver = mpsc::Receiver::new(region.clone(), layout, ours);
    let start = || told(&["send_many", "200"]).pass(theirs.clone(), TALKS).pass(region.clone(), SHARED).run().unwrap();
    let senders: Vec<_> = (0..3).map(|_| start()).collect();
    drop(theirs);
    let mut counts = vec![0u64; senders.len()];
    let mut message = [0; 24];
    for _ in 0..EACH * senders.len() {
        assert_eq!(receiver.recv(&mut message), Ok(16));
        let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight bytes"));
        let sender = senders.iter().position(|sender| sender.id() == word(0)).expect("one of them");
        assert_eq!(word(8), counts[sender], "each one's messages in order");
        counts[sender] += 1;
    }
    assert!(senders.iter().all(|sender| sender.wait() == Exit::Status(0)));
    assert_eq!(receiver.recv(&mut message), Err(RecvError::Closed));
}

#[libkern::test]
fn a_wait_has_an_end_if_it_was_given_one() {
    let (region, mut ours, theirs) = rings(WORDS);
    let child = told(&["hang"]).pass(theirs, TALKS).pass(region, SHARED).run().unwrap();
    let deadline = Instant::now() + Duration::from_millis(5);
    let received = ours.receiver.recv_by(&mut [0; 8], |end, since| end.wait_until(since, Some(deadline)));
    assert_eq!(received, Err(RecvError::Interrupted));
    assert!(Instant::now() >= deadline);
    child.kill();
    assert_eq!(ours.receiver.recv(&mut [0; 8]), Err(RecvError::Closed));
    assert_eq!(child.wait(), Exit::Killed);
}

#[libkern::test(ids = ["P60", "P83"])]
fn a_hostile_peer_harms_nobody() {
    for _ in 0..5 {
        let (region, mut ours, theirs) = rings(WORDS);
        let child = told(&["lie"]).pass(theirs, TALKS).pass(region, SHARED).run().unwrap();
        let (mut corrupt, mut into) = (false, [0; 100]);
        // It may have told all its lies before the first of them is heard. What is heard of the last one stays.
        loop {
            match ours.receiver.recv(&mut into) {
                Ok(len) => assert!(len <= into.len() && !corrupt),
                Err(RecvError::Corrupt) if child.try_wait().is_some() => break,
                Err(RecvError::Corrupt) => {
                    corrupt = true;
                    // Processes have the cores that kthreads leave.
                    kthread::sleep(Duration::from_micros(200));
                }
                Err(RecvError::Closed) => break,
                Err(RecvError::TooLong(len)) => assert!(len > into.len() && len <= 8 * WORDS),
                Err(other) => panic!("{other}"),
            }
            let _ = ours.sender.try_send(&into);
        }
        assert_eq!(child.wait(), Exit::Status(0));
    }
}
