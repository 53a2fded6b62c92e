//! The pool against a model: the set of free frames.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const GIB: usize = 1 << 18;

fn pool(regions: &[Range<usize>]) -> Pool {
    let mut pool = Pool::new();
    let plan = Plan::new(regions.iter().cloned());
    let memory = Box::leak(Box::new_uninit_slice(plan.words()));
    pool.describe(plan, memory);
    for region in regions {
        assert_eq!(pool.add(region.clone()), Ok(region.len()));
    }
    pool
}

/// The memory of a PC with 6 GiB: a hole below 1 MiB, the image at 2 MiB, devices below 4 GiB.
fn pc() -> Pool {
    pool(&[0..159, 256..512, 700..3 * GIB - 33, 4 * GIB..7 * GIB])
}

#[test]
fn all_memory_can_be_taken_frame_by_frame_and_no_frame_twice() {
    let mut pool = pool(&[0..159, 256..1024, 1030..1100]);
    let mut frames = vec![0; 2000];
    let taken = pool.take_some(&mut frames);
    assert_eq!((taken, pool.free_frames()), (159 + 768 + 70, 0));
    let distinct: BTreeSet<_> = frames[..taken].iter().collect();
    assert_eq!(distinct.len(), taken);
}

#[test]
fn high_memory_goes_first_and_the_first_2_mib_last() {
    let mut pool = pc();
    let mut frame = [0];
    pool.take_some(&mut frame);
    assert!(frame[0] >= 4 * GIB);
    while pool.take_run(BLOCK_FRAMES, 1, usize::MAX).is_some_and(|start| start >= 4 * GIB) {}
    let mut rest = vec![0; 4 * GIB];
    let taken = pool.take_some(&mut rest);
    assert!(rest[taken - 415..taken].iter().all(|&frame| frame < BLOCK_FRAMES));
}

#[test]
fn runs_keep_their_alignment_and_their_limit() {
    let mut pool = pc();
    assert!(pool.take_run(4, 4, usize::MAX).is_some_and(|start| start >= 4 * GIB && start % 4 == 0));
    assert!(pool.take_run(4, 4, 4 * GIB).is_some_and(|start| start + 4 <= 3 * GIB - 33));
    assert!(pool.take_run(8, 1, 256).is_some_and(|start| start + 8 <= 159));
    assert_eq!(pool.take_run(160, 1, 256), None);
    let big = pool.take_run(5 * BLOCK_FRAMES + 3, 2 * BLOCK_FRAMES, usize::MAX).expect("there is room");
    assert_eq!(big % (2 * BLOCK_FRAMES), 0);
    let before = pool.free_frames();
    pool.give(big..big + 5 * BLOCK_FRAMES + 3).expect("it was taken");
    assert_eq!(pool.free_frames(), before + 5 * BLOCK_FRAMES + 3);
}

#[test]
fn a_run_is_found_across_split_blocks_if_there_is_one_anywhere() {
    let mut pool = pool(&[0..2000, 2000..4096]);
    let all = pool.take_run(4096, 1, usize::MAX).expect("all of it is one run");
    assert_eq!((all, pool.free_frames()), (0, 0));
    pool.give(1000..1600).expect("it was taken");
    assert_eq!(pool.take_run(601, 1, usize::MAX), None);
    assert_eq!(pool.take_run(600, 1, usize::MAX), Some(1000));
}

#[test]
fn a_frame_freed_twice_is_named() {
    let mut pool = pool(&[0..100, 512..2048]);
    assert_eq!(pool.give(50..51), Err(Fault::Free(50)));
    assert_eq!(pool.give(600..601), Err(Fault::Free(600)));
    assert_eq!(pool.give(5000..5001), Err(Fault::Unmanaged(5000)));
    let start = pool.take_run(600, 1, usize::MAX).expect("there is room");
    pool.give(start..start + 1).expect("it was taken");
    assert_eq!(pool.give(start..start + 600), Err(Fault::Free(start)));
}

#[test]
fn memory_that_comes_later_is_added() {
    let mut pool = pool(&[0..100, 5000..6000]);
    assert_eq!(pool.add(100..5000), Ok(4900));
    assert_eq!((pool.free_frames(), pool.total_frames()), (6000, 6000));
    assert_eq!(pool.add(9 * GIB..9 * GIB + 5), Ok(0), "no area describes it");
    assert_eq!(pool.take_run(6000, 1, usize::MAX), Some(0));
}

#[test]
fn freeing_200_000_frames_in_random_order_gives_them_all_back() {
    let mut pool = pc();
    let mut frames = vec![0; 200_000];
    assert_eq!(pool.take_some(&mut frames), frames.len());
    // A multiplicative shuffle: the step is prime to the length.
    let shuffled = (0..frames.len()).map(|i| frames[i * 77_777 % frames.len()]);
    // With a search that is linear in what is free, this would take hours.
    shuffled.for_each(|frame| pool.give(frame..frame + 1).expect("each was taken once"));
    assert_eq!(pool.free_frames(), pool.total_frames());
}

#[derive(Clone, Debug)]
enum Step {
    Some(usize),
    Run { frames: usize, align: usize, low: bool },
    Free(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..200usize).prop_map(Step::Some),
        (1..700usize, 0..10u32, any::<bool>()).prop_map(|(frames, align, low)| Step::Run {
            frames,
            align: 1 << align,
            low
        }),
        any::<usize>().prop_map(Step::Free),
        any::<usize>().prop_map(Step::Free),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_pool_agrees_with_a_set_of_free_frames(steps in steps()) {
        let regions = [3..159, 256..700, 900..2600, 4 * GIB + 10..4 * GIB + 1800];
        let limit = 4 * GIB;
        let mut pool = pool(&regions);
        let mut free: BTreeSet<usize> = regions.iter().cloned().flatten().collect();
        let mut live: Vec<Range<usize>> = Vec::new();
        for step in steps {
            match step {
                Step::Some(count) => {
                    let mut frames = vec![0; count];
                    let taken = pool.take_some(&mut frames);
                    prop_assert_eq!(taken, count.min(free.len()));
                    for &frame in &frames[..taken] {
                        prop_assert!(free.remove(&frame));
                        live.push(frame..frame + 1);
                    }
                }
                Step::Run { frames, align, low } => {
                    let below = if low { limit } else { usize::MAX };
                    match pool.take_run(frames, align, below) {
                        Some(start) => {
                            prop_assert!(start % align == 0 && start + frames <= below);
                            for frame in start..start + frames {
                                prop_assert!(free.remove(&frame));
                            }
                            live.push(start..start + frames);
                        }
                        None => {
                            let fits = |&start: &usize| {
                                start % align == 0 && start + frames <= below
                                    && free.range(start..start + frames).count() == frames
                            };
                            prop_assert!(!free.iter().any(fits), "there was a run");
                        }
                    }
                }
                Step::Free(which) if !live.is_empty() => {
                    let frames = live.swap_remove(which % live.len());
                    prop_assert_eq!(pool.give(frames.clone()), Ok(()));
                    free.extend(frames);
                }
                Step::Free(_) => {}
            }
            prop_assert_eq!(pool.free_frames(), free.len());
        }
        for frames in live {
            pool.give(frames).expect("it is live");
        }
        prop_assert_eq!(pool.free_frames(), pool.total_frames());
        let everything = pool.take_run(1700, 1, usize::MAX);
        prop_assert!(everything.is_some(), "nothing stays split for ever");
    }
}
