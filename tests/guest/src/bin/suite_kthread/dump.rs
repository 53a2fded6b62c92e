//! Who is there, and what each waits for.

use alloc::format;
use alloc::string::String;

use guest_tests::yield_until;
use libkern::kthread::sync::Semaphore;
use libkern::{cpu, kthread};

use crate::other;

fn dump() -> String {
    let mut text = String::new();
    kthread::dump(&mut text).expect("a string takes everything");
    text
}

/// The dump's line for a kthread, and the calls below it.
fn entry(dump: &str, id: u64) -> Option<String> {
    let mut lines = dump.lines().skip_while(|line| !line.starts_with(&format!("kthread {id} ")));
    let first = lines.next()?;
    let calls = lines.take_while(|line| line.starts_with("  #"));
    Some(calls.fold(String::from(first), |entry, call| entry + "\n" + call))
}

#[libkern::test]
fn a_dump_shows_each_kthread_what_it_waits_for_and_from_where() {
    static WAIT: Semaphore = Semaphore::new(0);
    let spawn = |name, core| kthread::Builder::new().name(name).core(core).spawn(|| WAIT.down()).expect("memory");
    let (here, there) = (cpu::id(), other());
    let new = spawn("not begun", here);
    let text = dump();
    let line = entry(&text, new.id()).expect("it is listed");
    assert!(line.contains("`not begun`") && line.contains("has not begun"), "{line}");

    let sleepers = [(spawn("sleeper one", here), here), (spawn("sleeper two", there), there)];
    let address = format!("{:#x}", (&raw const WAIT).addr());
    for (sleeper, core) in &sleepers {
        yield_until("it to sleep", || entry(&dump(), sleeper.id()).is_some_and(|line| line.contains("waits for")));
        let line = entry(&dump(), sleeper.id()).expect("it is listed");
        assert!(line.contains("`sleeper "), "{line}");
        assert!(line.contains(&format!("of core {core} ")), "{line}");
        assert!(line.contains("waits for semaphore") && line.contains(&address), "{line}");
        assert!(line.contains("since ") && line.contains("#0 0xffffffff8"), "from where: {line}");
    }

    let joiner = {
        let ended = kthread::Builder::new().name("ended").spawn(|| ()).expect("memory");
        yield_until("an end", || ended.is_finished());
        let line = entry(&dump(), ended.id()).expect("it is listed");
        assert!(line.contains("has ended and is not joined"), "{line}");
        ended.join();
        let awaited = spawn("awaited", there);
        let id = awaited.id();
        yield_until("it to sleep", || entry(&dump(), id).is_some_and(|line| line.contains("waits for")));
        let joiner = kthread::Builder::new().name("joiner").spawn(move || awaited.join()).expect("memory");
        yield_until("it to join", || {
            entry(&dump(), joiner.id()).is_some_and(|line| line.contains("the end of kthread"))
        });
        let line = entry(&dump(), joiner.id()).expect("it is listed");
        assert!(line.contains(&format!("({id:#x})")), "{line}");
        joiner
    };
    let me = entry(&dump(), kthread::id()).expect("this one is listed");
    assert!(me.contains("`main`") && me.contains(&format!("on core {here}")), "{me}");
    assert_eq!(WAIT.up_many(4), 4);
    let ids = [new.id(), sleepers[0].0.id(), joiner.id()];
    new.join();
    sleepers.into_iter().for_each(|(sleeper, _)| sleeper.join());
    joiner.join();
    // A join returns a moment before the core has left the stack, and a core may have taken it for its idle loop since.
    yield_until("those that are gone not to be listed", || {
        let text = dump();
        ids.iter().all(|&id| entry(&text, id).is_none_or(|line| line.contains("`idle`")))
    });
    assert!(text.contains("kthreads in the pool"), "{text}");
}

#[libkern::test]
fn a_dump_may_be_taken_while_all_cores_block_and_wake() {
    static STOP: Semaphore = Semaphore::new(0);
    let cores = cpu::count().min(4);
    let busy: alloc::vec::Vec<_> = (0..cores)
        .map(|core| {
            let run = move || {
                let mut rounds = 0;
                while !STOP.try_down() {
                    kthread::call((core + rounds) % cores, cpu::id);
                    kthread::spawn(|| ()).join();
                    kthread::yield_now();
                    rounds += 1;
                }
            };
            kthread::Builder::new().core(core).name("busy").spawn(run).expect("memory")
        })
        .collect();
    for _ in 0..30 {
        kthread::yield_now();
        let text = dump();
        assert!(text.lines().count() >= cores, "{text}");
    }
    STOP.up_many(cores);
    busy.into_iter().for_each(kthread::JoinHandle::join);
}
