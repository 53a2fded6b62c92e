//! Handles on their way, and what becomes of everything when somebody goes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use libkern::kthread;
use libkern::proc::{Exit, File, Object, ReceiveError, Rights, SharedRegion, TransferError, channel};
use libkern::ring::{Bell, Duplex, Memory, Side, duplex};

use crate::support::{Digits, frames, told};

const SHARED: Rights = Rights::READ.union(Rights::WRITE).union(Rights::MAP);
const TALKS: Rights = Rights::READ.union(Rights::WRITE);

fn region() -> SharedRegion {
    SharedRegion::new(duplex::len(64)).expect("there is memory")
}

#[libkern::test]
fn a_handle_goes_to_a_child_and_back_with_what_is_said_about_it() {
    let (ours, theirs) = channel();
    let child = told(&["take"]).pass(theirs, TALKS).run().unwrap();
    let region = region();
    region.word(0).store(40, Ordering::Relaxed);
    let rights = Rights::READ | Rights::MAP | Rights::TRANSFER;
    ours.transfer(Object::Region(region.clone()), rights, 2).unwrap();
    let received = loop {
        let since = ours.prepare();
        match ours.receive() {
            Ok(received) => break received,
            Err(ReceiveError::Empty) => ours.wait(since).unwrap(),
            Err(ReceiveError::Closed) => panic!("the child ended with {}", child.wait()),
        }
    };
    assert_eq!((received.message, received.rights), (42, rights));
    assert!(matches!(received.object, Object::Region(_)));
    assert_eq!(child.wait(), Exit::Status(0));
    assert_eq!(ours.receive().err(), Some(ReceiveError::Closed));
}

#[libkern::test]
fn a_child_receives_what_was_sent_and_then_learns_that_its_parent_has_gone() {
    for is_early in [true, false] {
        let (region, (ours, theirs)) = (region(), channel());
        let mut duplex = Duplex::new(region.clone(), 64, Side::First, ours);
        let created = told(&["wait_for_end"]).pass(theirs, TALKS).pass(region, SHARED).create().unwrap();
        if is_early {
            duplex.sender.send(b"bye").unwrap();
            drop(duplex);
            assert_eq!(created.run().wait(), Exit::Status(0));
        } else {
            let child = created.run();
            kthread::sleep(core::time::Duration::from_millis(2));
            duplex.sender.send(b"bye").unwrap();
            kthread::sleep(core::time::Duration::from_millis(2));
            drop(duplex);
            assert_eq!(child.wait(), Exit::Status(0));
        }
    }
}

#[libkern::test(ids = ["P35"])]
fn what_a_process_had_is_closed_when_it_is_gone() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    for round in 1..=20 {
        let (ours, theirs) = channel();
        let in_transit: Arc<dyn File> = Digits::file(&DROPPED);
        let builder = told(&["hang"]).pass(Digits::file(&DROPPED), Rights::ALL).pass(theirs, TALKS);
        let child = builder.pass(region(), SHARED).run().unwrap();
        ours.transfer(Object::File(in_transit), Rights::ALL, 0).unwrap();
        child.kill();
        assert_eq!(child.wait(), Exit::Killed);
        assert_eq!(DROPPED.load(Ordering::Relaxed), 2 * round, "what it had, and what was on its way to it");
        assert!(ours.is_closed() && ours.signal().is_err());
        let (why, _) = ours.transfer(Object::Region(region()), Rights::ALL, 0).unwrap_err();
        assert_eq!(why, TransferError::Closed);
    }
}

#[libkern::test]
fn ends_do_not_go_where_nobody_could_close_them() {
    let ((a, b), (c, d)) = (channel(), channel());
    let give = |by: &libkern::proc::ChannelEnd, end: &libkern::proc::ChannelEnd| {
        by.transfer(Object::Channel(end.clone()), Rights::ALL, 0).map_err(|(why, _)| why)
    };
    assert_eq!(give(&a, &a), Err(TransferError::Circle));
    assert_eq!(give(&a, &b), Err(TransferError::Circle));
    assert_eq!(give(&a, &d), Ok(()), "d waits at b");
    assert_eq!(give(&c, &b), Err(TransferError::Circle), "b would wait at d, which waits at b");
    assert_eq!(give(&d, &a), Ok(()));
    drop((a, b, d));
    assert!(c.is_closed(), "d was on its way to b, and went with it");
    assert!(matches!(c.receive().map(|received| received.object), Ok(Object::Channel(a)) if a.is_closed()));
    assert_eq!(c.receive().err(), Some(ReceiveError::Closed));
}

#[libkern::test(ids = ["M20", "P35"])]
fn everything_comes_back() {
    let all = || {
        let children: Vec<_> = (0..50)
            .map(|n| {
                let (region, (ours, theirs)) = (region(), channel());
                let child = told(&["echo", "64"]).pass(theirs, TALKS).pass(region.clone(), SHARED).run().unwrap();
                let mut duplex = Duplex::new(region, 64, Side::First, ours);
                if n % 2 == 0 {
                    duplex.sender.send(b"hello").unwrap();
                    assert_eq!(duplex.receiver.recv(&mut [0; 8]), Ok(5));
                }
                if n % 3 == 0 {
                    child.kill();
                }
                child
            })
            .collect();
        children.iter().for_each(|child| assert!(matches!(child.wait(), Exit::Killed | Exit::Status(0))));
    };
    all();
    let before = frames();
    all();
    assert_eq!(frames(), before);
}
