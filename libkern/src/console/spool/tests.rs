use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

/// A device that keeps what it is given, as long as it has room.
#[derive(Default)]
struct Tape {
    text: Mutex<Vec<u8>>,
    room: AtomicUsize,
    flushes: AtomicUsize,
}

impl Tape {
    fn with_room(room: usize) -> &'static Self {
        let tape = Self::default();
        tape.add_room(room);
        Box::leak(Box::new(tape))
    }

    fn add_room(&self, room: usize) {
        self.room.fetch_add(room, Ordering::Relaxed);
    }

    fn text(&self) -> String {
        let bytes = self.text.lock().expect("no holder panics").clone();
        String::from_utf8(bytes).expect("it was text")
    }
}

impl Sink for Tape {
    fn write(&self, bytes: &[u8], _turn: &mut Turn) -> usize {
        let room = self.room.load(Ordering::Relaxed);
        let taken = bytes.len().min(room);
        self.room.fetch_sub(taken, Ordering::Relaxed);
        let mut text = self.text.lock().expect("no holder panics");
        text.extend_from_slice(&bytes[..taken]);
        taken
    }

    fn flush(&self, _turn: &mut Turn) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }
}

const PLENTY: usize = 1 << 40;

fn spool(tape: &'static Tape) -> Spool<16> {
    let spool = Spool::new();
    assert!(spool.add_sink(tape));
    spool
}

#[test]
fn lines_reach_every_sink_however_slow() {
    let (fast, slow) = (Tape::with_room(PLENTY), Tape::with_room(0));
    let spool = spool(fast);
    assert!(spool.add_sink(slow));
    spool.write(b"one\n", WhenFull::Drop);
    spool.write(&[b'x'; 100], WhenFull::Drop);
    assert_eq!(spool.drain(usize::MAX), Drained::Refused);
    assert_eq!(fast.text(), format!("one\n{}", "x".repeat(100)));
    for _ in 0..104 {
        assert_eq!(spool.drain(usize::MAX), Drained::Refused);
        slow.add_room(1);
    }
    assert_eq!(spool.drain(usize::MAX), Drained::Empty);
    assert_eq!(slow.text(), fast.text());
    assert_eq!(fast.flushes.load(Ordering::Relaxed), 1, "only after it was given something");
}

#[test]
fn a_budget_is_kept() {
    let tape = Tape::with_room(PLENTY);
    let spool = spool(tape);
    spool.write(&[b'x'; 200], WhenFull::Drop);
    for len in [70, 140] {
        assert_eq!(spool.drain(70), Drained::More);
        assert_eq!(tape.text().len(), len);
    }
    assert_eq!(spool.drain(70), Drained::Empty);
    assert_eq!(tape.text().len(), 200);
}

#[test]
fn a_sink_that_comes_late_gets_what_is_still_there() {
    let spool = Spool::<16>::new();
    spool.write(b"early\n", WhenFull::Drop);
    assert_eq!(spool.drain(usize::MAX), Drained::Refused);
    let tape = Tape::with_room(PLENTY);
    assert!(spool.add_sink(tape));
    assert_eq!(spool.drain(usize::MAX), Drained::Empty);
    assert_eq!(tape.text(), "early\n");
    for left in [true, true, true, false] {
        assert_eq!(spool.add_sink(tape), left);
    }
}

#[test]
fn lost_lines_are_counted_and_reported_in_their_place() {
    let tape = Tape::with_room(0);
    let spool = spool(tape);
    for _ in 0..28 {
        spool.write(b"x\n", WhenFull::Drop);
    }
    tape.add_room(PLENTY);
    assert_eq!(spool.drain(usize::MAX), Drained::Empty);
    spool.write(b"y\n", WhenFull::Drop);
    assert_eq!(spool.drain(usize::MAX), Drained::Empty);
    let lost = "[console: 12 lines lost]\n";
    assert_eq!(tape.text(), format!("{}{lost}y\n", "x\n".repeat(16)));
}

#[test]
fn a_writer_that_may_wait_makes_room_itself() {
    let tape = Tape::with_room(PLENTY);
    let spool = spool(tape);
    for _ in 0..100 {
        spool.write(b"x\n", WhenFull::Help);
    }
    spool.flush(10);
    assert_eq!(tape.text(), "x\n".repeat(100));
}

#[test]
fn a_dead_sink_costs_a_helper_bounded_patience() {
    let spool = spool(Tape::with_room(0));
    for _ in 0..17 {
        spool.write(b"x\n", WhenFull::Help);
    }
    spool.flush(10);
    assert_eq!(spool.lost.load(Ordering::Relaxed), 1);
}

#[test]
fn a_handler_on_the_core_of_an_interrupted_drainer_leaves_its_line_to_it() {
    /// A device in whose driver an interrupt arrives, whose handler prints.
    struct Interrupted {
        spool: std::sync::OnceLock<&'static Spool<16>>,
        tape: Tape,
    }
    impl Sink for Interrupted {
        fn write(&self, bytes: &[u8], turn: &mut Turn) -> usize {
            let spool = self.spool.get().expect("it is set");
            if bytes == b"first\n" {
                spool.write(b"nested\n", WhenFull::Drop);
                assert_eq!(spool.drain(usize::MAX), Drained::Busy);
            }
            self.tape.write(bytes, turn)
        }
    }
    let spool: &Spool<16> = Box::leak(Box::new(Spool::new()));
    let sink: &Interrupted =
        Box::leak(Box::new(Interrupted { spool: spool.into(), tape: Tape { room: PLENTY.into(), ..Tape::default() } }));
    assert!(spool.add_sink(sink));
    spool.write(b"first\n", WhenFull::Drop);
    assert_eq!(spool.drain(usize::MAX), Drained::Empty);
    assert_eq!(sink.tape.text(), "first\nnested\n");
}

#[test]
fn a_panic_prints_what_is_committed_passes_what_is_not_and_takes_the_turn() {
    let (tape, dead) = (Tape::with_room(PLENTY), Tape::with_room(0));
    let spool = spool(tape);
    assert!(spool.add_sink(dead));
    spool.write(b"before\n", WhenFull::Drop);
    // A core was stopped between reserving and committing, another one while it drained.
    let _abandoned = spool.ring.reserve(130).expect("there is room");
    spool.write(b"behind\n", WhenFull::Drop);
    spool.turn_taken.store(true, Ordering::Relaxed);
    // SAFETY: nobody has the turn; it only looks like it.
    let mut seized = unsafe { spool.seize() };
    writeln!(seized, "panic: {}", 42).expect("it takes everything");
    spool.write(b"printed as usual\n", WhenFull::Drop);
    assert_eq!(spool.drain(usize::MAX), Drained::Busy);
    writeln!(seized, "end").expect("it takes everything");
    assert_eq!(tape.text(), "before\nbehind\npanic: 42\nprinted as usual\nend\n");
}

#[test]
fn lines_of_many_cores_are_whole_and_each_cores_in_order() {
    const CORES: usize = 4;
    const LINES: usize = 2000;
    let tape = Tape::with_room(PLENTY);
    let spool: Spool<16> = spool(tape);
    thread::scope(|scope| {
        for core in 0..CORES {
            let spool = &spool;
            scope.spawn(move || {
                for number in 0..LINES {
                    let fill = "-".repeat(number * 7 % 150);
                    let line = format!("{core} {number} {fill}\n");
                    spool.write(line.as_bytes(), WhenFull::Help);
                    spool.drain(usize::MAX);
                }
            });
        }
    });
    // No flush: hazard 1 says that nothing stays.
    let mut next = [0; CORES];
    for line in tape.text().lines() {
        let words: Vec<_> = line.splitn(3, ' ').collect();
        let core: usize = words[0].parse().expect("a core");
        assert_eq!(words[1], next[core].to_string(), "{line}");
        assert_eq!(words[2], "-".repeat(next[core] * 7 % 150));
        next[core] += 1;
    }
    assert_eq!(next, [LINES; CORES]);
}
