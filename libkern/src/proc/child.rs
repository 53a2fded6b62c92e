//! What a parent can do with a process.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::mem;
use core::time::Duration;

use mcp_abi::process::Registers;

use super::current;
use super::death::die;
use super::exit::Exit;
use super::process::{Proc, Record};
use super::ready::End;
use super::state::State;
use crate::arch::clock;
use crate::kthread::sync::Aborted;
use crate::sync::IrqGuard;

/// What a process has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// How long it was on a core, its calls included as far as they did not block.
    pub run: Duration,
    /// How often it was given one.
    pub turns: u64,
}

/// Control over a process. The process does not need it to live on.
#[derive(Clone)]
pub struct Child {
    record: Arc<Record>,
    proc: Weak<Proc>,
}

impl Child {
    pub(super) fn new(record: Arc<Record>, proc: &Arc<Proc>) -> Self {
        Self { record, proc: Arc::downgrade(proc) }
    }

    /// Its number, which no other process of this boot has.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.record.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// What it is doing; none if it is gone. Any context but NMI.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        Some(self.proc.upgrade()?.state())
    }

    /// Frames of memory that it pays for; none if it is gone. Kthread context.
    #[must_use]
    pub fn used_frames(&self) -> Option<usize> {
        Some(self.proc.upgrade()?.space.used_frames())
    }

    /// What it has had until now; none if it is gone. Any context but NMI.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        let proc = self.proc.upgrade()?;
        let mut inner = proc.inner.lock();
        if inner.core.is_some() {
            inner.count_time(clock::now_ns());
        }
        Some(Stats { run: Duration::from_nanos(inner.run_ns), turns: inner.turns })
    }

    /// Takes its core away, if it has one: it is ready again, behind all others that are. Any context but NMI; does not wait.
    pub fn preempt(&self) {
        if let Some(proc) = self.proc.upgrade() {
            current::preempt(&proc);
        }
    }

    /// Ends it, unless it has ended: it will not run another instruction once its core has been told. Any context but NMI;
    /// does not wait.
    pub fn kill(&self) {
        if let Some(proc) = self.proc.upgrade() {
            die(&proc, Exit::Killed);
        }
    }

    /// Waits until it is gone, and all that it had is free; says how it ended. Blocks.
    ///
    /// # Panics
    /// If it would block here.
    pub fn wait(&self) -> Exit {
        self.record.gone.wait();
        self.exit()
    }

    /// As [`wait`](Self::wait), for a kthread that may be asked to give up.
    pub(crate) fn wait_abortable(&self) -> Result<Exit, Aborted> {
        self.record.gone.wait_abortable().map(|()| self.exit())
    }

    /// How it ended, if it is gone. Any context but NMI.
    #[must_use]
    pub fn try_wait(&self) -> Option<Exit> {
        self.record.gone.is_complete().then(|| self.exit())
    }

    /// Its general registers at the fault that it died of, if it is gone, died of one, and there was memory to keep them. Any
    /// context but NMI.
    #[must_use]
    pub fn registers(&self) -> Option<Registers> {
        let is_of_fault = matches!(self.try_wait(), Some(Exit::Fault(_)));
        is_of_fault.then(|| self.record.registers.lock().first().copied()).flatten()
    }

    fn exit(&self) -> Exit {
        self.record.exit.lock().expect("a process that is gone has died of something")
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

/// A process that was made and does not run yet. Dropping it ends the process.
#[derive(Debug)]
#[must_use = "a process that is dropped before it runs is killed"]
pub struct Created {
    child: Child,
    /// Taken out when it is run.
    proc: Option<Arc<Proc>>,
}

impl Created {
    pub(super) fn new(child: Child, proc: Arc<Proc>) -> Self {
        Self { child, proc: Some(proc) }
    }

    /// Control over it.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Lets it run, unless it was killed. Any context but NMI; does not wait.
    pub fn run(mut self) -> Child {
        if let Some(proc) = self.proc.take() {
            let off = IrqGuard::new();
            let mut inner = proc.inner.lock();
            let may_run = !inner.state.is_dying();
            if may_run {
                inner.state.become_state(State::RunnableS);
            }
            drop(inner);
            if may_run {
                current::make_ready(proc, End::Back);
            }
            drop(off);
        }
        self.child.clone()
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(proc) = mem::take(&mut self.proc) {
            die(&proc, Exit::Killed);
        }
    }
}
