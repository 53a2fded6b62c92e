//! The hazards of the ring and of the spool, every interleaving of them.

use std::sync::Arc;

use loom::thread;

use super::*;

/// A device with room for everything, in what loom can watch: it has no lock, so two drainers at once would be a race
/// that loom reports.
struct Tape(UnsafeCell<Vec<u8>>);

// SAFETY: reached only with the turn, which is what the models prove.
unsafe impl Sync for Tape {}

impl Tape {
    fn new() -> &'static Self {
        Box::leak(Box::new(Self(UnsafeCell::new(Vec::new()))))
    }

    fn text(&self) -> Vec<u8> {
        // SAFETY: loom would report whoever writes meanwhile.
        self.0.with(|text| unsafe { (*text).clone() })
    }
}

impl Sink for Tape {
    fn write(&self, bytes: &[u8], _turn: &mut Turn) -> usize {
        // SAFETY: whoever has the turn is the only one; loom checks it.
        self.0.with_mut(|text| unsafe { (*text).extend_from_slice(bytes) });
        bytes.len()
    }
}

fn spool<const SLOTS: usize>(tape: &'static Tape) -> Arc<Spool<SLOTS>> {
    let spool = Spool::new();
    assert!(spool.add_sink(tape));
    Arc::new(spool)
}

/// Hazard 1 of the spool, 4 of the ring: two cores write and drain, a third looks on; nothing is left behind and
/// nothing is mixed, although the ring is so small that slots are reused.
#[test]
fn model_every_line_is_drained_and_whole() {
    loom::model(|| {
        let tape = Tape::new();
        let spool: Arc<Spool<2>> = spool(tape);
        let other = {
            let spool = Arc::clone(&spool);
            thread::spawn(move || {
                spool.write(b"bb", WhenFull::Drop);
                spool.drain(usize::MAX);
            })
        };
        spool.write(b"aa", WhenFull::Drop);
        spool.drain(usize::MAX);
        other.join().expect("it does not panic");
        let text = tape.text();
        assert!(text == b"aabb" || text == b"bbaa", "{text:?}");
    });
}

/// Hazard 4 of the ring: a writer laps the ring while another core drains it.
#[test]
fn model_a_slot_is_reused_only_when_it_was_read() {
    loom::model(|| {
        let tape = Tape::new();
        let spool: Arc<Spool<1>> = spool(tape);
        let drainer = {
            let spool = Arc::clone(&spool);
            thread::spawn(move || {
                spool.drain(usize::MAX);
            })
        };
        let first = spool.try_write(b"a");
        let second = spool.try_write(b"b");
        drainer.join().expect("it does not panic");
        spool.drain(usize::MAX);
        assert!(first);
        let expected: &[u8] = if second { b"ab" } else { b"a" };
        assert_eq!(tape.text(), expected);
    });
}

/// Hazard 1 of the ring: a writer is interrupted between reserving and committing by a handler that prints, while
/// another core drains.
#[test]
fn model_an_interrupted_writers_handler_prints() {
    loom::model(|| {
        let tape = Tape::new();
        let spool: Arc<Spool<4>> = spool(tape);
        let drainer = {
            let spool = Arc::clone(&spool);
            thread::spawn(move || {
                spool.drain(usize::MAX);
            })
        };
        let interrupted = spool.ring.reserve(1).expect("there is room");
        spool.write(b"h", WhenFull::Drop);
        spool.drain(usize::MAX);
        spool.ring.commit(interrupted, b"w");
        spool.drain(usize::MAX);
        drainer.join().expect("it does not panic");
        assert_eq!(tape.text(), b"wh");
    });
}

/// Hazard 3 of the spool: of what does not fit, every line is either printed or counted.
#[test]
fn model_a_line_is_printed_or_counted() {
    let mut model = loom::model::Builder::new();
    // With all of them this takes hours; a preemption more than are needed to get each party into the other's way at
    // each step finds nothing more.
    model.preemption_bound = Some(3);
    model.check(|| {
        let tape = Tape::new();
        let spool: Arc<Spool<1>> = spool(tape);
        let other = {
            let spool = Arc::clone(&spool);
            thread::spawn(move || {
                spool.write(b"b", WhenFull::Drop);
                spool.drain(usize::MAX);
            })
        };
        spool.write(b"a", WhenFull::Drop);
        spool.drain(usize::MAX);
        other.join().expect("it does not panic");
        let text = tape.text();
        let printed = text.iter().filter(|byte| b"ab".contains(byte)).count();
        let reported = text.split(|&byte| byte == b' ').nth(1);
        let counted =
            spool.lost.load(Ordering::Relaxed) as usize + reported.map_or(0, |number| usize::from(number[0] - b'0'));
        assert_eq!(printed + counted, 2, "{text:?}");
        if counted == 0 {
            assert_eq!(text.len(), 2);
        }
    });
}
