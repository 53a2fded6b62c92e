//! A bounded channel, by one thread: what it costs when nobody has to wait.

use std::hint::black_box;
use std::sync::mpsc;

use libkern::kthread::sync::channel::bounded;

use crate::runs::compare as compare_runs;

const CAPACITY: usize = 64;

/// An operation is a word sent and received.
pub fn compare() {
    let name = "channel of 64 words, send and receive";
    let (sender, receiver) = bounded(CAPACITY);
    let mut ours = |operations: u64| {
        for word in 0..operations {
            sender.send(word).expect("the receiver is there");
            black_box(receiver.recv()).expect("a word was sent");
        }
    };
    let (to, from) = crossbeam_channel::bounded(CAPACITY);
    let mut crossbeam = |operations: u64| {
        for word in 0..operations {
            to.send(word).expect("the receiver is there");
            black_box(from.recv()).expect("a word was sent");
        }
    };
    compare_runs(name, "crossbeam's", &mut ours, &mut crossbeam);
    let (to, from) = mpsc::sync_channel(CAPACITY);
    let mut std = |operations: u64| {
        for word in 0..operations {
            to.send(word).expect("the receiver is there");
            black_box(from.recv()).expect("a word was sent");
        }
    };
    compare_runs(name, "std's", &mut ours, &mut std);
}
