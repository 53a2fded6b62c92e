//! The states of a process, and how it gets from one to another.
//!
//! ```text
//!                  run                take                request
//!   Created ----------> RunnableS ------------> RunningS ----------> RunnableM <---------> RunningM
//!                         ^   ^  yield, slice     |  |                  ^     grant, take back |
//!                         |   +-------------------+  | wait             |                      |
//!                         |                          v                  |                      |
//!                         +------ event ---------- Waiting <------------|----- all halt -------+
//!                         |                          |                  |                      |
//!                         |                          +----- event ------+                      |
//!                         +-------------------------- none wanted -----------------------------+
//!
//!   any of them ---------> Dying ---------> DyingAbort
//!                 die              abort
//! ```
//!
//! The edges are [`State::may_become`], and nothing else is legal: whoever takes another has a bug, and the kernel says
//! which. (DESIGN, section 8; seed `processes.txt`, 2.1.)

use core::fmt;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Being arranged; it has not run an instruction.
    Created,
    /// Single-core, and waits for a core.
    RunnableS,
    /// Single-core, on a core.
    RunningS,
    /// Waits for an event.
    Waiting,
    /// Many-core, and waits for cores.
    RunnableM,
    /// Many-core, on its cores.
    RunningM,
    /// It ends: no new work begins.
    Dying,
    /// It ends: and what it still waits for is being aborted.
    DyingAbort,
}

impl State {
    /// All of them.
    pub const ALL: [State; 8] = [
        State::Created,
        State::RunnableS,
        State::RunningS,
        State::Waiting,
        State::RunnableM,
        State::RunningM,
        State::Dying,
        State::DyingAbort,
    ];

    /// Whether there is an edge from this state to `next`.
    #[must_use]
    pub const fn may_become(self, next: State) -> bool {
        use State::*;
        match self {
            Created => matches!(next, RunnableS | Dying),
            RunnableS => matches!(next, RunningS | Dying),
            RunningS => matches!(next, RunnableS | RunnableM | Waiting | Dying),
            Waiting => matches!(next, RunnableS | RunnableM | Dying),
            RunnableM => matches!(next, RunningM | Dying),
            RunningM => matches!(next, RunnableM | RunnableS | Waiting | Dying),
            Dying => matches!(next, DyingAbort),
            DyingAbort => false,
        }
    }

    /// Takes the edge to `next`.
    ///
    /// # Panics
    /// If there is none; the message names both states.
    #[inline(always)]
    pub fn become_state(&mut self, next: State) {
        if !self.may_become(next) {
            illegal(*self, next);
        }
        *self = next;
    }

    /// Whether it ends.
    #[must_use]
    pub const fn is_dying(self) -> bool {
        matches!(self, State::Dying | State::DyingAbort)
    }
}

#[cold]
#[inline(never)]
fn illegal(from: State, to: State) -> ! {
    panic!("a process that is {from} cannot become {to}")
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Created => "CREATED",
            State::RunnableS => "RUNNABLE_S",
            State::RunningS => "RUNNING_S",
            State::Waiting => "WAITING",
            State::RunnableM => "RUNNABLE_M",
            State::RunningM => "RUNNING_M",
            State::Dying => "DYING",
            State::DyingAbort => "DYING_ABORT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DESIGN, section 8, to the letter.
    const TABLE: &str = "
        CREATED    -> RUNNABLE_S DYING
        RUNNABLE_S -> RUNNING_S DYING
        RUNNING_S  -> RUNNABLE_S RUNNABLE_M WAITING DYING
        WAITING    -> RUNNABLE_S RUNNABLE_M DYING
        RUNNABLE_M -> RUNNING_M DYING
        RUNNING_M  -> RUNNABLE_M RUNNABLE_S WAITING DYING
        DYING      -> DYING_ABORT
        DYING_ABORT ->
    ";

    fn is_legal(from: State, to: State) -> bool {
        let row = TABLE.lines().find_map(|line| {
            let (state, next) = line.split_once("->")?;
            (state.trim() == std::format!("{from}")).then_some(next)
        });
        row.expect("each state has a row").split_whitespace().any(|next| next == std::format!("{to}"))
    }

    #[test]
    fn exactly_the_edges_of_the_table_are_legal() {
        for from in State::ALL {
            for to in State::ALL {
                assert_eq!(from.may_become(to), is_legal(from, to), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn every_illegal_edge_panics_and_names_both_states() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(std::boxed::Box::new(|_| {}));
        for from in State::ALL {
            for to in State::ALL {
                let taken = std::panic::catch_unwind(|| {
                    let mut state = from;
                    state.become_state(to);
                    state
                });
                match taken {
                    Ok(state) => assert!(is_legal(from, to) && state == to, "{from} -> {to}"),
                    Err(message) => {
                        let expected = std::format!("a process that is {from} cannot become {to}");
                        assert_eq!(message.downcast_ref::<std::string::String>(), Some(&expected));
                        assert!(!is_legal(from, to), "{from} -> {to}");
                    }
                }
            }
        }
        std::panic::set_hook(hook);
    }
}
