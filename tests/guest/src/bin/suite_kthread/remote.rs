//! Calls of other cores.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guest_tests::{is_on_interrupt_stack, spin_until};
use libkern::arch::{MAX_CORES, irq};
use libkern::cpu::{self, CoreSet};
use libkern::kthread;
use libkern::sync::depth;

use crate::other;

#[libkern::test]
fn a_call_borrows_from_its_caller_and_brings_its_result() {
    let text = alloc::string::String::from("borrowed");
    for core in 0..cpu::count().min(8) {
        let mut seen = None;
        let (len, large) = kthread::call(core, || {
            seen = Some(cpu::id());
            (text.len(), [core; 200])
        });
        assert_eq!((len, seen, large), (text.len(), Some(core), [core; 200]));
    }
}

#[libkern::test]
fn calls_nest_and_cross() {
    let cores = cpu::count().min(6);
    fn visit(path: &mut [usize; 12], depth: usize, cores: usize) -> usize {
        if depth == path.len() {
            return 0;
        }
        let core = depth * 5 % cores;
        kthread::call(core, move || {
            assert_eq!(cpu::id(), core);
            path[depth] = core;
            1 + visit(path, depth + 1, cores)
        })
    }
    let mut path = [usize::MAX; 12];
    assert_eq!(visit(&mut path, 0, cores), 12);
    assert!(path.iter().enumerate().all(|(depth, &core)| core == depth * 5 % cores), "{path:?}");
    // All call all, each of which calls back.
    let calls = AtomicUsize::new(0);
    let set: CoreSet = (0..cores).collect();
    kthread::call_set(&set, |caller| {
        kthread::call_set(&set, |callee| {
            if callee != caller {
                assert_eq!(kthread::call(caller, cpu::id), caller);
            }
            calls.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(calls.load(Ordering::Relaxed), cores * cores);
}

#[libkern::test]
fn a_set_is_called_once_each_with_the_caller_in_it_or_not() {
    let ran: [AtomicUsize; MAX_CORES] = [const { AtomicUsize::new(0) }; MAX_CORES];
    let here = cpu::id();
    let note = |core: usize| {
        ran[core].fetch_add(1, Ordering::Relaxed);
    };
    let mut others = CoreSet::all();
    others.remove(here);
    for set in [CoreSet::all(), others, CoreSet::from_iter([here]), CoreSet::new()] {
        ran.iter().for_each(|ran| ran.store(0, Ordering::Relaxed));
        kthread::call_set(&set, |core| {
            assert_eq!(cpu::id(), core);
            assert!(irq::enabled() && depth::may_block());
            note(core);
        });
        kthread::interrupt_set(&set, |core| {
            assert_eq!(cpu::id(), core);
            assert!(!irq::enabled() && is_on_interrupt_stack() && !depth::may_block());
            note(core);
        });
        for (core, ran) in ran.iter().enumerate() {
            let wanted = if set.contains(core) { 2 } else { 0 };
            assert_eq!(ran.load(Ordering::Relaxed), wanted, "core {core} of {set:?}");
        }
    }
}

#[libkern::test]
fn an_interrupt_reaches_cores_that_are_busy_and_a_call_waits_for_them() {
    static BUSY: AtomicBool = AtomicBool::new(false);
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    static CALLED: AtomicBool = AtomicBool::new(false);
    let core = other();
    if core == cpu::id() {
        return;
    }
    let busy = || {
        BUSY.store(true, Ordering::Release);
        spin_until("the interrupt", || INTERRUPTED.load(Ordering::Acquire));
        assert!(!CALLED.load(Ordering::Relaxed), "while a kthread runs");
    };
    let busy = kthread::Builder::new().core(core).spawn(busy).expect("memory");
    spin_until("the core to be busy", || BUSY.load(Ordering::Acquire));
    let caller = kthread::spawn(move || kthread::call(core, || CALLED.store(true, Ordering::Relaxed)));
    kthread::yield_now();
    kthread::interrupt_set(&CoreSet::from_iter([core]), |_| INTERRUPTED.store(true, Ordering::Release));
    busy.join();
    caller.join();
    assert!(CALLED.load(Ordering::Relaxed));
}
