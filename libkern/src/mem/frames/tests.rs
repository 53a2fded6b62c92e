//! Frames as others see them, on the host's stand-in for memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::mem::testing::machine;

/// A use that no other test counts.
const USE: FrameUse = FrameUse::Application;

fn in_use() -> usize {
    counts().used[USE as usize]
}

fn free_now() -> usize {
    counts().free
}

#[test]
fn a_frame_is_counted_under_its_use_until_it_is_dropped() {
    let _machine = machine();
    let before = (in_use(), free_now());
    let frame = alloc(USE).expect("there is memory");
    assert_eq!((in_use(), free_now()), (before.0 + 1, before.1 - 1));
    assert_eq!(frame.usage(), USE);
    // SAFETY: taken back once, for the same use.
    let frame = unsafe { Frame::from_raw(frame.into_raw(), USE) };
    assert_eq!(in_use(), before.0 + 1, "it stays counted in whosever keeping it is");
    drop(frame);
    assert_eq!((in_use(), free_now()), before);
}

#[test]
fn a_zeroed_frame_is_zero_whatever_was_there() {
    let _machine = machine();
    let address = {
        let frame = alloc(USE).expect("there is memory");
        // SAFETY: the frame is ours.
        unsafe { frame.addr().to_ptr::<[u8; PAGE_SIZE]>().write_bytes(0xaa, 1) };
        frame.addr()
    };
    let frame = alloc_zeroed(USE).expect("there is memory");
    assert_eq!(frame.addr(), address, "the stock is last in, first out");
    // SAFETY: as above.
    assert_eq!(unsafe { frame.addr().to_ptr::<[u8; PAGE_SIZE]>().read() }, [0; PAGE_SIZE]);
}

#[test]
fn a_run_is_contiguous_and_can_be_cut_short() {
    let _machine = machine();
    let before = (in_use(), free_now());
    let request = RunRequest { frames: 700, align_frames: 16, limit: Limit::Below4GiB };
    let mut run = alloc_run(USE, request).expect("there is memory");
    assert_eq!((run.addr().frame() % 16, run.frames(), in_use()), (0, 700, before.0 + 700));
    run.truncate(3);
    assert_eq!((run.len_bytes(), in_use()), (3 * PAGE_SIZE, before.0 + 3));
    drop(run);
    assert_eq!((in_use(), free_now()), before);
}

#[test]
fn who_can_do_without_leaves_a_part_to_the_others() {
    let _machine = machine();
    let before = free_now();
    let kept_back = total() / KEPT_BACK;
    let mut dispensable: Vec<Frame> = std::iter::from_fn(|| alloc_if_plenty(USE).ok()).collect();
    assert_eq!((free_now(), is_scarce()), (kept_back, true));
    let others: Vec<Frame> = std::iter::from_fn(|| alloc(USE).ok()).collect();
    assert_eq!((others.len(), free_now()), (kept_back, 0));
    // What comes back is for the others first.
    dispensable.truncate(dispensable.len() - kept_back);
    assert_eq!(alloc_if_plenty(USE), Err(OutOfMemory { frames: 1 }));
    drop(dispensable.pop());
    drop(alloc_if_plenty(USE).expect("more is free than is kept back"));
    drop((dispensable, others));
    assert_eq!((free_now(), is_scarce()), (before, false));
}

#[test]
fn exhaustion_means_that_no_core_has_a_frame_left_and_passes_when_one_comes_back() {
    let _machine = machine();
    let before = free_now();
    // Another core has frames in stock, and sleeps from now on.
    let other = thread::spawn(|| {
        crate::mem::core_online();
        drop(alloc(USE).expect("there is memory"));
    });
    other.join().expect("the thread ends well");
    assert!(counts().in_stocks > 0);
    let mut all: Vec<Frame> = std::iter::from_fn(|| alloc(USE).ok()).collect();
    assert_eq!((all.len(), free_now()), (before, 0));
    assert_eq!(alloc(USE), Err(OutOfMemory { frames: 1 }));
    assert_eq!(alloc_run(USE, RunRequest::new(2)), Err(OutOfMemory { frames: 2 }));
    let last = all.pop().expect("there were some").addr();
    assert_eq!(alloc(USE).expect("one came back").addr(), last);
    drop(all);
    assert_eq!(free_now(), before);
}

#[test]
fn a_run_is_found_although_its_frames_are_in_stock() {
    let _machine = machine();
    let mut all: Vec<Frame> = std::iter::from_fn(|| alloc(USE).ok()).collect();
    all.sort_by_key(Frame::addr);
    let neighbours = all.windows(2).position(|pair| pair[0].addr().frame() + 1 == pair[1].addr().frame());
    all.drain(neighbours.expect("memory has no gaps everywhere")..).take(2).for_each(drop);
    assert!(counts().in_stocks >= 2);
    assert!(alloc_run(USE, RunRequest::new(2)).is_ok());
}

#[test]
fn a_frame_freed_twice_is_a_panic_that_names_it() {
    let _machine = machine();
    let frame = alloc(USE).expect("there is memory");
    let address = frame.addr();
    drop(frame);
    let twice = thread::spawn(move || {
        crate::mem::core_online();
        // SAFETY: none; the mistake is what is tested. It is found before anything is believed.
        drop(unsafe { Frame::from_raw(address, USE) });
    });
    let message = twice.join().expect_err("it panics");
    let message = message.downcast_ref::<String>().expect("the message is formatted");
    assert_eq!(*message, format!("the frame at {address} was freed twice"));
}

#[test]
fn contents_that_look_like_a_stamp_do_no_harm() {
    let _machine = machine();
    let before = (in_use(), free_now());
    let frame = alloc(USE).expect("there is memory");
    let word = frame.addr().to_ptr::<u64>();
    // SAFETY: frees the frame and reads the stamp that it got; then takes it again, and writes what was there.
    unsafe {
        drop(frame);
        let stamp = word.read();
        let frame = alloc(USE).expect("there is memory");
        assert_eq!((frame.addr().to_ptr(), word.read()), (word, 0), "taking it clears the stamp");
        word.write(stamp);
        drop(frame);
    }
    assert_eq!((in_use(), free_now()), before);
}

#[test]
fn a_storm_on_four_cores_that_pass_frames_around_conserves_them() {
    let _machine = machine();
    let before = (in_use(), free_now());
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::sync_channel::<Frame>(100)).unzip();
    thread::scope(|scope| {
        for (core, inbox) in receivers.into_iter().enumerate() {
            let outbox = senders[(core + 1) % 4].clone();
            scope.spawn(move || {
                crate::mem::core_online();
                for _ in 0..5_000 {
                    let frame = alloc(USE).expect("there is memory");
                    let word = frame.addr().to_ptr::<usize>();
                    // SAFETY: the frame is this thread's.
                    unsafe { word.write(core) };
                    // A full neighbour gets nothing; what we hold ourselves is freed here.
                    let _ = outbox.try_send(frame);
                    while let Ok(frame) = inbox.try_recv() {
                        // SAFETY: the frame came with its ownership.
                        let writer = unsafe { frame.addr().to_ptr::<usize>().read() };
                        assert_eq!((writer + 1) % 4, core, "contents are kept on the way");
                    }
                }
            });
        }
        drop(senders);
    });
    assert_eq!((in_use(), free_now()), before);
}

/// Who is at work with its stock while another core counts has what it has all the same.
#[test]
fn what_is_held_is_counted_however_busy_its_core_is() {
    const HELD: usize = 20;
    let _machine = machine();
    let before = in_use();
    let (started, is_busy) = mpsc::channel();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            crate::mem::core_online();
            let held: Vec<_> = (0..HELD).map(|_| alloc(USE).expect("there is memory")).collect();
            started.send(()).expect("the other one waits for it");
            while !stop.load(Ordering::Relaxed) {
                drop(alloc(FrameUse::Devices).expect("there is memory"));
            }
            drop(held);
        });
        is_busy.recv().expect("the other one says so");
        let wrong = (0..100_000).map(|_| in_use()).find(|&used| used != before + HELD);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(wrong, None, "used, of {before} and {HELD}");
    });
}
