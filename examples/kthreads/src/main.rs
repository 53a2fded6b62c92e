//! Producers and consumers: kthreads that wait for one another, for the console, and for time to pass.
//!
//! Type lines. Each goes through a pipeline of kthreads, on whatever cores they were given:
//!
//! ```text
//! reader --lines--> counters (one per core) --counts--> reporter
//! ```
//!
//! An alarm prints what has been done so far, every second. After ten seconds without a line, or at the line `quit`, the
//! reader stops; its end of the channel goes away, and with it, one after the other, all that waited at the other ends.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use libkern::alarm::Alarm;
use libkern::dev::input;
use libkern::kthread::Builder;
use libkern::kthread::sync::channel::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};
use libkern::kthread::sync::{Mutex, TimedOut};
use libkern::{cpu, kthread, println};

/// How long the reader waits for somebody to type.
const PATIENCE: Duration = Duration::from_secs(10);

static LINES: AtomicUsize = AtomicUsize::new(0);
static LONGEST: Mutex<String> = Mutex::new(String::new());

/// What a counter found in a line.
struct Count {
    core: usize,
    words: usize,
    letters: usize,
}

#[libkern::main]
fn main() -> Result<(), kthread::SpawnError> {
    println!("Type lines; `quit` ends it.");
    // Room for a few lines: a reader who is ahead of everybody waits.
    let (lines, waiting_lines) = channel::bounded::<String>(4);
    let (counts, waiting_counts) = channel::unbounded::<Count>();

    let progress = Alarm::new(|_| println!("[{} lines so far]", LINES.load(Ordering::Relaxed)));
    progress.set_every(Duration::from_secs(1));

    let reader = Builder::new().name("reader").spawn(move || read(&lines))?;
    for core in 0..cpu::count() {
        let (lines, counts) = (waiting_lines.clone(), counts.clone());
        let _counter = Builder::new().name("counter").core(core).spawn(move || count(&lines, &counts))?;
    }
    // The counters have ends of their own; when the last one is gone, the reporter's channel is closed.
    drop((waiting_lines, counts));
    let reporter = Builder::new().name("reporter").spawn(move || report(&waiting_counts))?;

    reader.join();
    let (words, letters) = reporter.join();
    progress.cancel_sync();
    println!("{} lines, {words} words, {letters} letters", LINES.load(Ordering::Relaxed));
    println!("the longest line was: {}", LONGEST.lock().as_str());
    Ok(())
}

/// Reads lines until somebody has had enough.
fn read(lines: &Sender<String>) {
    loop {
        match read_line() {
            Ok(line) if line == "quit" => break,
            Ok(line) => {
                if lines.send(line).is_err() {
                    break;
                }
            }
            Err(TimedOut) => {
                println!("nothing for {PATIENCE:?}");
                break;
            }
        }
    }
}

/// A line, if each of its characters comes in time.
fn read_line() -> Result<String, TimedOut> {
    let mut line = String::new();
    loop {
        match input::read_byte_timeout(PATIENCE)? {
            b'\r' | b'\n' if line.is_empty() => {}
            b'\r' | b'\n' => return Ok(line),
            byte => line.push(char::from(byte)),
        }
    }
}

/// Counts lines as long as there are any.
fn count(lines: &Receiver<String>, counts: &UnboundedSender<Count>) {
    while let Ok(line) = lines.recv() {
        LINES.fetch_add(1, Ordering::Relaxed);
        let mut longest = LONGEST.lock();
        if line.len() > longest.len() {
            longest.clone_from(&line);
        }
        drop(longest);
        let count = Count {
            core: cpu::id(),
            words: line.split_whitespace().count(),
            letters: line.chars().filter(|c| c.is_alphabetic()).count(),
        };
        if counts.send(count).is_err() {
            break;
        }
    }
}

/// Says what was counted, and sums it up.
fn report(counts: &UnboundedReceiver<Count>) -> (usize, usize) {
    let mut sum = (0, 0);
    while let Ok(Count { core, words, letters }) = counts.recv() {
        println!("core {core}: {words} words, {letters} letters");
        sum = (sum.0 + words, sum.1 + letters);
    }
    sum
}
