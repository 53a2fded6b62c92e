//! Kernel messages: "core X, run this".
//!
//! An *immediate* message interrupts its core and returns. A *routine* one runs when its core is next between things, in
//! kthread context with interrupts on; it may block, and need not return. (Seed `kernel_messages.txt`, Overview.)
//!
//! ```ignore
//! kmsg::send_immediate(3, move |_| COUNTER.fetch_add(n, Relaxed));
//! kmsg::send_routine(3, move |_| work(a, b));
//! kmsg::broadcast_routine(|_| println!("hello from {}", cpu::id()));
//! ```
//!
//! Waiting for what a message did is blocking, which kthreads do: `kthread::call` and its kin.
//!
//! # Guarantees
//!
//! - **Exactly once**, on the core named (M1), and per kind and core in the order of the sends' exchanges (M2).
//! - **No bound, no drop** (M16). Memory for messages comes from a cache of the core, and behind it from the heap; when
//!   that is exhausted, the send panics with a report of who holds the memory.
//! - **From any context** but NMI: interrupt handlers, under locks, with interrupts off (M17).
//! - Pending immediate messages run before the next routine one (M3, M13).
//! - A message that does not return leaves the others to be run (M7, M12): the queue never waits for a handler.
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | [`message`] | the cache line that is a message |
//! | [`closure`] | how a closure gets into it, and out again to be called |
//! | [`inbox`] | a core's two queues, and the protocol by which an idle core misses nothing |
//! | [`nodes`] | where messages' memory comes from |
//! | [`post`] | sending: which inbox, and whether an interrupt is needed |
//! | [`local`] | receiving: what a core does with its own inbox |
//! | [`hog`] | noticing a core that does not look |
//! | [`stats`] | what is counted, and a dump of what waits |
//!
//! # The interrupt is a hint
//!
//! The queues are the truth. An immediate message interrupts its core only if its queue was empty: otherwise the one
//! ahead of it has done so, and the handler takes the queue whole. A routine message interrupts its core only if it is
//! the first in the queue *and* the core has said that it would not look ([`inbox`]). A core that runs a kthread will
//! look when that blocks or ends; one that polls looks anyway; one that halts has said so. (M8, M9, M11, M14, M19.)
//!
//! # Types forbid what a kind cannot do
//!
//! A handler's argument says what it is: [`Immediate`] or [`Routine`]. What only a routine message may do (not to
//! return) takes a [`Routine`], so a handler that does it cannot be sent as an immediate one (K23):
//!
//! ```ignore
//! fn launches(_: kmsg::Routine) {}
//! kmsg::send_immediate(0, launches); // does not compile: `tests/refused` holds the compiler to it
//! ```
//!
//! What types cannot forbid, blocking inside an immediate message, is a panic that names the message (M6).
//!
//! # Rejected
//!
//! A ring per pair of cores: needs room for the square of the cores, and a bound. A queue with a lock: a sender that is
//! held up with it holds up all others. A queue linked forward from the head (Vyukov's): one exchange per message too,
//! but a second one whenever the last message is taken, which on a core that keeps up is every time.

#[cfg_attr(any(test, feature = "hosted"), allow(dead_code, reason = "on the host, what the models do not use"))]
mod inbox;
#[cfg_attr(any(test, feature = "hosted"), allow(dead_code, reason = "on the host, what the models do not use"))]
mod message;

on_metal! {
    mod closure;
    mod hog;
    mod local;
    mod nodes;
    mod post;
    mod stats;

    pub use closure::{Immediate, Routine};
    pub use hog::set_hog_limit;
    pub(crate) use local::{CORE, offsets};
    pub(crate) use local::{
        Halt, core_online, current_immediate, halting, has_routine, is_empty, is_halting, poll, prepare_to_halt, prepare_to_leave,
        run_immediates, stop_halting, take_next, take_routine_if, take_sent, trim,
    };
    pub(crate) use message::{Here, Message, Run};
    pub use post::{
        broadcast_immediate, broadcast_routine, multicast_immediate, multicast_routine, send_immediate, send_routine,
    };
    pub(crate) use post::{post_here, post_routine, try_post_as_next, try_post_here, send_immediate_borrowing, send_routine_borrowing};
    pub use stats::{Stats, dump, stats};
}
