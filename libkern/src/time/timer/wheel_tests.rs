//! The wheel against a model: a list that is searched.

use std::boxed::Box;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A wheel, and what should be in it.
struct Twin {
    wheel: Wheel,
    now: u64,
    /// Entries that are armed: number, deadline, and the entry.
    armed: Vec<(usize, u64, Box<Entry>)>,
    armed_so_far: usize,
}

impl Twin {
    fn new() -> Self {
        Self { wheel: Wheel::new(), now: 0, armed: Vec::new(), armed_so_far: 0 }
    }

    fn arm(&mut self, deadline: u64) {
        let mut entry = Box::new(Entry::new());
        let deadline = deadline.max(self.wheel.base_ns());
        // SAFETY: boxed, and forgotten by the wheel before it is dropped.
        unsafe { self.wheel.insert(NonNull::from(&mut *entry), deadline) };
        self.armed.push((self.armed_so_far, deadline, entry));
        self.armed_so_far += 1;
        self.check();
    }

    fn cancel(&mut self, index: usize) {
        if self.armed.is_empty() {
            return;
        }
        let index = index % self.armed.len();
        let (_, _, mut entry) = self.armed.swap_remove(index);
        // SAFETY: armed, so in the wheel.
        unsafe { self.wheel.remove(NonNull::from(&mut *entry)) };
        self.check();
    }

    /// Looks at a moment, and takes what is due. Says when to look next.
    fn look(&mut self, now: u64) -> Next {
        self.now = now;
        let mut last = 0;
        loop {
            let next = self.wheel.take(now);
            let Next::Due(entry) = next else {
                if next != Next::Again {
                    assert!(
                        self.armed.iter().all(|&(_, deadline, _)| deadline > now),
                        "all that is due has been taken"
                    );
                }
                self.check();
                return next;
            };
            let index = self
                .armed
                .iter()
                .position(|(_, _, armed)| ptr::from_ref(&**armed) == entry.as_ptr())
                .expect("what is taken was armed, and not taken before");
            let (_, deadline, _) = self.armed.swap_remove(index);
            assert!(deadline <= now, "due at {deadline}, taken at {now}");
            assert!(deadline >= last, "due at {deadline}, taken after what was due at {last}");
            last = deadline;
        }
    }

    /// Looks again until it need not.
    fn look_through(&mut self, now: u64) -> Next {
        let mut looks = self.armed.len() / MOVED * 16 + 17;
        loop {
            let next = self.look(now);
            if next != Next::Again {
                return next;
            }
            looks -= 1;
            assert!(looks > 0, "an entry is moved once per level");
        }
    }

    fn earliest(&self) -> Option<u64> {
        self.armed.iter().map(|&(_, deadline, _)| deadline).min()
    }

    /// The invariants of the wheel, and its idea of when to look.
    fn check(&mut self) {
        let mut found = 0;
        for slot in 0..ALL_SLOTS {
            let head = self.wheel.heads[slot];
            if head.is_null() {
                continue;
            }
            assert!(self.wheel.occupied[slot / 64] & 1 << (slot % 64) != 0, "slot {slot}");
            let start = self.wheel.start_of(slot as u8);
            let is_split = slot == usize::from(self.wheel.splitting);
            assert!(start > self.wheel.base_ns || start == self.wheel.base_ns && (slot < SLOTS || is_split));
            let mut entry = head;
            loop {
                found += 1;
                // SAFETY: in the wheel, so armed.
                let (next, of) = unsafe { ((*entry).next, (*entry).slot) };
                assert_eq!(usize::from(of), slot);
                // SAFETY: as above.
                assert_eq!(unsafe { (*next).prev }, entry);
                entry = next;
                if entry == head {
                    break;
                }
            }
        }
        assert_eq!(found, self.armed.len());
        match (self.wheel.next_deadline(), self.earliest()) {
            (None, None) => {}
            (Some(next), Some(earliest)) => assert!(next <= earliest, "looks at {next}, {earliest} is due"),
            (next, earliest) => panic!("looks at {next:?}, {earliest:?} is due"),
        }
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            while !self.armed.is_empty() {
                self.cancel(0);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    ArmIn(u64),
    ArmPast(u64),
    ArmAt(u64),
    Cancel(usize),
    Advance(u64),
    AdvanceToNext,
}

/// A span of any magnitude.
fn span() -> impl Strategy<Value = u64> {
    (0_u32..64, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits) >> 1)
}

fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => span().prop_map(Step::ArmIn),
        2 => (0_u64..2000).prop_map(|delay| Step::ArmIn(delay * 100)),
        1 => span().prop_map(Step::ArmPast),
        1 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()].prop_map(Step::ArmAt),
        3 => any::<usize>().prop_map(Step::Cancel),
        1 => (0_u64..1 << 20).prop_map(Step::Advance),
        1 => (0_u64..1 << 40).prop_map(Step::Advance),
        3 => Just(Step::AdvanceToNext),
    ];
    prop::collection::vec(step, 0..max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 5_000 }))]

    #[test]
    fn each_entry_is_taken_once_at_the_first_look_at_or_past_its_deadline_and_in_order(steps in steps(200)) {
        let mut twin = Twin::new();
        for step in steps {
            match step {
                Step::ArmIn(delay) => twin.arm(twin.now.saturating_add(delay)),
                Step::ArmPast(age) => twin.arm(twin.now.saturating_sub(age)),
                Step::ArmAt(deadline) => twin.arm(deadline),
                Step::Cancel(index) => twin.cancel(index),
                Step::Advance(by) => {
                    twin.look_through(twin.now.saturating_add(by));
                }
                Step::AdvanceToNext => {
                    if let Some(next) = twin.wheel.next_deadline() {
                        twin.look_through(next.max(twin.now));
                    }
                }
            }
        }
    }

    #[test]
    fn with_few_entries_each_look_that_the_wheel_asks_for_finds_one(delays in prop::collection::vec(span(), 1..=SEARCHED)) {
        let mut twin = Twin::new();
        delays.iter().for_each(|&delay| twin.arm(delay));
        while let Some(earliest) = twin.earliest() {
            assert_eq!(twin.wheel.next_deadline(), Some(earliest));
            let before = twin.armed.len();
            twin.look_through(earliest);
            assert!(twin.armed.len() < before);
        }
    }

    #[test]
    fn with_many_entries_few_looks_find_none(delays in prop::collection::vec(0_u64..1 << 36, 1..3000)) {
        let mut twin = Twin::new();
        // Checking each step is quadratic; the other properties do.
        for &delay in &delays {
            let mut entry = Box::new(Entry::new());
            // SAFETY: boxed, and taken from the wheel below.
            unsafe { twin.wheel.insert(NonNull::from(&mut *entry), delay) };
            twin.armed.push((0, delay, entry));
        }
        let (mut vain, mut now) = (0, 0);
        let mut left = delays.len();
        while left > 0 {
            let before = left;
            let next = loop {
                match twin.wheel.take(now) {
                    Next::Due(_) => left -= 1,
                    next => break next,
                }
            };
            vain += usize::from(left == before);
            if let Next::At(next) = next {
                assert!(next > now);
                now = next;
            }
        }
        // A list that is split has more than `SEARCHED` entries, which all go down a level.
        let splits = delays.len() * 9 / SEARCHED + delays.len() * 9 / MOVED;
        assert!(vain <= splits + 1, "{vain} looks in vain for {} entries", delays.len());
        twin.armed.clear();
    }
}

#[test]
fn entries_with_one_deadline_are_all_taken_by_one_look_when_it_has_come() {
    let mut twin = Twin::new();
    (0..1000).for_each(|_| twin.arm(0x1_2345_6789));
    assert_eq!(twin.look_through(0x1_2345_6788), Next::At(0x1_2345_6789));
    assert_eq!(twin.look_through(0x1_2345_6789), Next::Never);
}

#[test]
fn an_entry_that_is_due_at_the_base_is_due_at_once() {
    let mut twin = Twin::new();
    assert_eq!(twin.look(1_000_000), Next::Never);
    assert_eq!(twin.wheel.base_ns(), 1_000_000);
    twin.arm(1_000_000);
    assert_eq!(twin.look(1_000_000), Next::Never);
    assert!(twin.armed.is_empty());
}

#[test]
fn the_last_moment_that_there_is_can_be_waited_for() {
    let mut twin = Twin::new();
    (0..20).for_each(|_| twin.arm(u64::MAX));
    assert!(matches!(twin.look_through(u64::MAX - 1), Next::At(u64::MAX)));
    assert_eq!(twin.look_through(u64::MAX), Next::Never);
}

#[test]
fn of_more_entries_in_a_slot_than_are_searched_the_earliest_is_first_wherever_it_is() {
    const FAR: u64 = 1 << 30;
    const COUNT: u64 = 3 * SEARCHED as u64;
    for of in [|n| n, |n| COUNT - 1 - n] {
        let mut twin = Twin::new();
        (0..COUNT).for_each(|n| twin.arm(FAR + 1000 * (1 + of(n))));
        assert_eq!(twin.look_through(FAR), Next::At(FAR + 1000));
        twin.look_through(FAR + 1000 * COUNT);
        assert!(twin.armed.is_empty());
    }
}

#[test]
fn what_is_armed_and_cancelled_while_a_slot_is_split_is_found() {
    let mut twin = Twin::new();
    const FAR: u64 = 1 << 30;
    (0..3 * MOVED as u64).for_each(|n| twin.arm(FAR + n * 1000));
    assert_eq!(twin.look(FAR), Next::Again);
    twin.arm(FAR + 1);
    twin.arm(FAR - 1);
    (0..MOVED).for_each(|n| twin.cancel(n * 7));
    twin.look_through(FAR);
    assert_eq!(twin.wheel.next_deadline(), twin.earliest());
    twin.look_through(FAR + 3000 * MOVED as u64);
    assert!(twin.armed.is_empty());
}

#[test]
fn a_million_are_armed_at_once_and_half_of_them_cancelled() {
    const COUNT: u64 = 1_000_000;
    let mut entries: Vec<Entry> = (0..COUNT).map(|_| Entry::new()).collect();
    let mut wheel = Wheel::new();
    // A pair of odd numbers makes a permutation: deadlines in no order.
    let deadline = |n: u64| (n * 611_953 % COUNT) * 30_011;
    for (n, entry) in entries.iter_mut().enumerate() {
        // SAFETY: the vector is neither moved nor dropped before the wheel's last use.
        unsafe { wheel.insert(NonNull::from(entry), deadline(n as u64)) };
    }
    for entry in entries.iter_mut().step_by(2) {
        // SAFETY: inserted above.
        unsafe { wheel.remove(NonNull::from(entry)) };
    }
    let (mut taken, mut looks, mut now) = (0, 0_u64, 0);
    loop {
        looks += 1;
        match wheel.take(now) {
            Next::Due(entry) => {
                // SAFETY: taken, so nobody else's.
                let due = unsafe { entry.as_ref() }.deadline_ns();
                assert!(due <= now);
                taken += 1;
            }
            Next::At(next) => now = next,
            Next::Again => {}
            Next::Never => break,
        }
    }
    assert_eq!(taken, COUNT / 2);
    assert!(looks < 3 * COUNT, "{looks} looks");
}
