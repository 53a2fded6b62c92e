//! A core's inbox: many may send, one takes.

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::mpsc;

use crossbeam_queue::SegQueue;

use crate::kmsg;
use crate::runs::compare as compare_runs;

/// A batch of messages is sent and taken. An operation is a message.
pub fn compare() {
    batches::<1>("send and take a message");
    batches::<16>("send and take a message, of 16");
}

fn batches<const BATCH: usize>(name: &str) {
    let inbox = kmsg::Inbox::new();
    let messages: [&'static mut kmsg::Message; BATCH] = std::array::from_fn(|_| Box::leak(Box::new(kmsg::message())));
    let messages = messages.map(NonNull::from);
    let mut ours = |operations: u64| {
        for _ in 0..operations / BATCH as u64 {
            for message in messages {
                // SAFETY: leaked, and taken out again below before it is sent anew.
                unsafe { black_box(&inbox).push(message) };
            }
            inbox.take(|message| {
                black_box(message);
            });
        }
    };
    let queue = SegQueue::new();
    let mut crossbeam = |operations: u64| {
        for _ in 0..operations / BATCH as u64 {
            for message in messages {
                black_box(&queue).push(message.addr());
            }
            for _ in 0..BATCH {
                black_box(queue.pop());
            }
        }
    };
    compare_runs(name, "crossbeam's SegQueue", &mut ours, &mut crossbeam);
    let (sender, receiver) = mpsc::channel();
    let mut std = |operations: u64| {
        for _ in 0..operations / BATCH as u64 {
            for message in messages {
                sender.send(message.addr()).expect("the receiver is there");
            }
            for _ in 0..BATCH {
                black_box(receiver.try_recv().ok());
            }
        }
    };
    compare_runs(name, "std's mpsc", &mut ours, &mut std);
}
