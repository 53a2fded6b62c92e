//! The heap on the host's stand-in for memory.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::arch::depth;
use crate::mem::testing::machine;
use crate::mem::{self, Stats};
use crate::sync::depth::HEAP;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a valid layout")
}

/// An object of the heap, with a pattern in it.
struct Object {
    pointer: *mut u8,
    layout: Layout,
    seed: u8,
}

// SAFETY: it owns the memory.
unsafe impl Send for Object {}

impl Object {
    fn new(layout: Layout, seed: u8) -> Option<Self> {
        // SAFETY: tests ask for objects with a size.
        let pointer = unsafe { Heap.alloc(layout) };
        if pointer.is_null() {
            return None;
        }
        assert!(pointer.addr().is_multiple_of(layout.align()), "{layout:?} at {pointer:p}");
        let mut object = Self { pointer, layout, seed };
        object.write();
        Some(object)
    }

    fn write(&mut self) {
        // SAFETY: the object's own memory.
        unsafe { self.pointer.write_bytes(self.seed, self.layout.size()) };
    }

    fn check(&self, len: usize) {
        // SAFETY: the object's own memory, written when it was made.
        let bytes = unsafe { core::slice::from_raw_parts(self.pointer, len) };
        assert!(bytes.iter().all(|&byte| byte == self.seed), "contents are kept");
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: the object's own memory and layout.
        let moved = unsafe { Heap.realloc(self.pointer, self.layout, size) };
        if !moved.is_null() {
            self.pointer = moved;
            let kept = self.layout.size().min(size);
            self.layout = layout(size, self.layout.align());
            self.check(kept);
            self.write();
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: allocated with this layout, and not freed yet.
        unsafe { Heap.dealloc(self.pointer, self.layout) };
    }
}

/// What is in use once every cache of every core that ever ran is empty.
fn settled() -> Stats {
    // Cores whose threads have ended answer as the thread that enters them now.
    for core in 0..crate::arch::MAX_CORES {
        if let Some(_core) = crate::arch::try_enter_core(core) {
            mem::trim();
        }
    }
    mem::trim();
    mem::stats()
}

fn in_use(stats: &Stats) -> (usize, usize, usize) {
    (stats.heap.small_objects, stats.heap.medium_objects, stats.used(FrameUse::HeapLarge))
}

#[test]
fn objects_of_every_size_and_alignment_are_apart_and_come_back() {
    let _machine = machine();
    let before = settled();
    let mut objects = Vec::new();
    for align in [1, 8, 16, 32, 64, 512, 4096, 1 << 16] {
        for size in [1, 7, 24, 25, 56, 57, 64, 1000, 1016, 1017, 2000, 4096, 5000, 16_384, 100_000] {
            objects.push(Object::new(layout(size, align), objects.len() as u8).expect("there is memory"));
        }
    }
    let mut spans: Vec<_> = objects.iter().map(|o| (o.pointer.addr(), o.pointer.addr() + o.layout.size())).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "no two overlap");
    drop(objects);
    assert_eq!(in_use(&settled()), in_use(&before));
}

#[test]
fn memory_of_a_burst_goes_back_to_the_frames() {
    let _machine = machine();
    let arenas = settled().used(FrameUse::HeapArenas);
    let burst: Vec<_> = (0..20_000).map(|i| Object::new(layout(100, 8), i as u8).expect("there is memory")).collect();
    assert!(mem::stats().used(FrameUse::HeapArenas) >= arenas + 20_000 * 100);
    drop(burst);
    assert!(settled().used(FrameUse::HeapArenas) <= arenas + 64 * 1024);
}

#[test]
fn an_object_grows_in_place_within_its_class_and_keeps_its_contents_elsewhere() {
    let _machine = machine();
    let mut object = Object::new(layout(60, 8), 1).expect("there is memory");
    let at = object.pointer;
    object.resize(88);
    assert_eq!(object.pointer, at, "one class");
    for size in [89, 1000, 1017, 3000, 4096, 50_000, 49_000, 8192, 5000, 5100, 10] {
        object.resize(size);
    }
}

#[test]
fn a_run_that_shrinks_gives_its_end_back() {
    let _machine = machine();
    let before = mem::stats().used(FrameUse::HeapLarge);
    let mut object = Object::new(layout(100_000, 8), 1).expect("there is memory");
    let at = object.pointer;
    object.resize(20_000);
    assert_eq!((object.pointer, mem::stats().used(FrameUse::HeapLarge)), (at, before + 5 * PAGE_SIZE));
    object.resize(4096);
    assert_eq!((object.pointer, mem::stats().used(FrameUse::HeapLarge)), (at, before + PAGE_SIZE));
}

#[test]
fn exhaustion_is_null_is_reported_and_passes() {
    let _machine = machine();
    let before = settled();
    // Small ones first: once large ones have every frame, there is nothing to cut small ones from.
    let mut objects: Vec<Object> = (0..100).filter_map(|seed| Object::new(layout(600, 8), seed)).collect();
    assert_eq!(objects.len(), 100);
    for size in [1 << 20, 70_000, 4096, 2000, 600, 88, 24] {
        while let Some(object) = Object::new(layout(size, 8), objects.len() as u8) {
            objects.push(object);
        }
    }
    assert!(mem::exhausted());
    assert_eq!(mem::stats().free_bytes, 0, "all of it is in use");
    // SAFETY: tests ask for objects with a size.
    assert!(unsafe { Heap.alloc(layout(5000, 8)) }.is_null());
    let mut text = String::new();
    mem::report(&mut text).expect("a string takes everything");
    assert!(text.contains("heap, large objects") && text.contains("no room for 5000 bytes"), "{text}");
    assert!(
        text.contains("of up to 1000 bytes") || text.contains("of up to 600 bytes") || text.contains("of up to 632"),
        "{text}"
    );
    objects.truncate(objects.len() / 2);
    drop(Object::new(layout(24, 8), 0).expect("there is room again"));
    drop(objects);
    let after = settled();
    assert_eq!(in_use(&after), in_use(&before));
    assert!(after.free_bytes + 128 * 1024 >= before.free_bytes, "{after:?} {before:?}");
}

#[test]
fn what_one_core_hoards_another_gets_by_asking() {
    let _machine = machine();
    settled();
    let (hoarded, wait) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        mem::core_online();
        drop((0..100).map(|_| Object::new(layout(200, 8), 1)).collect::<Vec<_>>());
        hoarded.send(kept_bytes()).expect("the other end waits");
        gone.recv().expect("the other end goes on");
        mem::answer_trim();
    });
    assert!(wait.recv().expect("the other end hoards") > 0);
    mem::trim();
    go.send(()).expect("the other end waits");
    other.join().expect("the thread ends well");
    assert_eq!(kept_bytes(), 0);
}

#[test]
fn code_that_interrupts_the_magazines_is_served_by_the_base() {
    let _machine = machine();
    let before = settled();
    let interrupted = Claim::new().expect("the core is online and at rest");
    let handlers = Object::new(layout(64, 8), 7).expect("there is memory");
    let theirs = Object::new(layout(64, 8), 8).expect("there is memory");
    drop(handlers);
    assert_eq!(kept_bytes(), 0, "nothing was put into a magazine");
    drop(interrupted);
    drop(theirs);
    assert!(kept_bytes() > 0);
    assert_eq!(depth::get::<HEAP>(), u8::MAX, "at rest, one below zero");
    assert_eq!(in_use(&settled()), in_use(&before));
}

#[test]
fn a_core_that_is_not_online_has_a_heap_too() {
    let _machine = machine();
    thread::spawn(|| {
        let object = Object::new(layout(64, 8), 7).expect("there is memory");
        drop(object);
    })
    .join()
    .expect("the thread ends well");
}

#[test]
fn a_storm_on_four_cores_that_pass_objects_around_conserves_them() {
    let _machine = machine();
    let before = settled();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::sync_channel::<Object>(300)).unzip();
    thread::scope(|scope| {
        for (core, inbox) in receivers.into_iter().enumerate() {
            let outbox = senders[(core + 1) % 4].clone();
            scope.spawn(move || {
                mem::core_online();
                for round in 0..10_000usize {
                    let size = 1 + (round * 7919 + core * 31) % if round % 50 == 0 { 9000 } else { 300 };
                    let object = Object::new(layout(size, 8), (round + core) as u8).expect("there is memory");
                    // A full neighbour gets nothing; what comes back is freed here.
                    let _ = outbox.try_send(object);
                    while let Ok(object) = inbox.try_recv() {
                        drop(object);
                    }
                    if round % 1000 == 999 {
                        mem::trim();
                    }
                }
            });
        }
        drop(senders);
    });
    assert_eq!(in_use(&settled()), in_use(&before));
}

#[derive(Clone, Debug)]
enum Step {
    Take { size: usize, align: usize },
    Resize { which: usize, size: usize },
    Free(usize),
    Trim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![6 => 1..300usize, 3 => 1..1100usize, 2 => 1000..6000usize, 1 => 1..200_000usize];
    let align = prop_oneof![9 => 0..6u32, 1 => 0..14u32].prop_map(|shift| 1usize << shift);
    let step = prop_oneof![
        8 => (size.clone(), align).prop_map(|(size, align)| Step::Take { size, align }),
        2 => (any::<usize>(), size).prop_map(|(which, size)| Step::Resize { which, size }),
        6 => any::<usize>().prop_map(Step::Free),
        1 => Just(Step::Trim),
    ];
    prop::collection::vec(step, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_heap_agrees_with_a_map_of_live_spans(steps in steps()) {
        let _machine = machine();
        let before = settled();
        let mut live: Vec<Object> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Take { size, align } => {
                    live.push(Object::new(layout(size, align), number as u8).expect("there is memory"));
                }
                Step::Resize { which, size } if !live.is_empty() => {
                    let which = which % live.len();
                    live[which].resize(size);
                }
                Step::Free(which) if !live.is_empty() => drop(live.swap_remove(which % live.len())),
                Step::Trim => mem::trim(),
                Step::Resize { .. } | Step::Free(_) => {}
            }
            let mut spans = BTreeMap::new();
            for object in &live {
                let start = object.pointer.addr();
                prop_assert!(spans.insert(start, start + object.layout.size()).is_none());
            }
            prop_assert!(spans.iter().zip(spans.keys().skip(1)).all(|((_, &end), &next)| end <= next));
        }
        drop(live);
        prop_assert_eq!(in_use(&settled()), in_use(&before));
    }
}
