//! Arranging a process before it runs.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::mem;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use mcp_abi::call::CallSet;
use mcp_abi::handle::{MAX_HANDLES, Rights};
use mcp_abi::process::{ARGS_AT, Clock, Info, MAX_ARGS_LEN, NO_CORE, USER_END, VERSION, VcoreSlot};

use super::child::{Child, Created};
use super::event::Alarm;
use super::fault::Handler;
use super::handles;
use super::object::Object;
use super::process::{Announcement, Inner, OnDenied, Proc, Record};
use super::program::Program;
use super::start;
use super::table::Table;
use crate::arch::user::{Context, VECTOR_LEN};
use crate::arch::user_tables::UserRights;
use crate::arch::{PAGE_SIZE, clock, paging};
use crate::kthread::Name;
use crate::kthread::sync::Completion;
use crate::mem::space::pages::Content;
use crate::mem::space::{Place, Space, SpaceError};
use crate::random;
use crate::sync::{IrqSpinLock, SpinLock};

/// Frames that a process may have if nobody said otherwise: 64 MiB.
const DEFAULT_LIMIT_FRAMES: usize = (64 << 20) / PAGE_SIZE;

/// A process's first stack. What it does not touch costs nothing.
const STACK_LEN: usize = 64 * 1024;

/// Position-independent programs are loaded at a multiple of this: what one page table maps.
const PLACE_ALIGN: usize = 2 << 20;
/// Where they may be loaded.
const PLACES: Range<usize> = 4 << 30..0x7000_0000_0000;
/// How far from there what a process maps later may go.
const ARENA_LEN: usize = 64 << 30;

/// Why a process cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// Its memory limit is too low, or there is no memory.
    Space(SpaceError),
    /// Its arguments are longer than [`MAX_ARGS_LEN`] bytes, or one has a NUL in it.
    Arguments,
    /// It was to be passed more than it may have, or there is no memory to note that.
    Handles,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::Space(error) => error.fmt(f),
            CreateError::Arguments => write!(f, "arguments have at most {MAX_ARGS_LEN} bytes, and no NUL"),
            CreateError::Handles => f.write_str("the process was to be passed more than it may have"),
        }
    }
}

impl core::error::Error for CreateError {}

impl From<SpaceError> for CreateError {
    fn from(error: SpaceError) -> Self {
        CreateError::Space(error)
    }
}

/// What a process is to be given. It gets nothing else.
#[derive(Clone, Debug)]
#[must_use = "nothing is made until `create` or `run`"]
pub struct Builder<'a> {
    program: &'a Arc<Program>,
    name: &'a str,
    args: String,
    allowed: CallSet,
    on_denied: OnDenied,
    limit_frames: usize,
    limit_ns: u64,
    passed: Vec<(Object, Rights)>,
    limit_handles: usize,
}

impl Proc {
    /// A process of `program`, to be arranged: it has no name and no arguments, may make every call, may have 64 MiB, and
    /// may run for ever.
    pub fn create(program: &Arc<Program>) -> Builder<'_> {
        Builder {
            program,
            name: "",
            args: String::new(),
            allowed: CallSet::ALL,
            on_denied: OnDenied::Fail,
            limit_frames: DEFAULT_LIMIT_FRAMES,
            limit_ns: u64::MAX,
            passed: Vec::new(),
            limit_handles: MAX_HANDLES,
        }
    }
}

impl<'a> Builder<'a> {
    /// Its name, for dumps and what it prints.
    pub fn name(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// Another argument.
    pub fn arg(mut self, arg: &str) -> Self {
        // One that cannot be passed makes the whole too long.
        let long = if arg.contains('\0') { MAX_ARGS_LEN + 1 } else { 0 };
        self.args.push_str(arg);
        self.args.extend(core::iter::repeat_n('\0', 1 + long));
        self
    }

    /// The calls that it may make, and no others.
    pub fn allow(self, allowed: CallSet) -> Self {
        Self { allowed, ..self }
    }

    /// What happens if it makes another one.
    pub fn on_denied(self, on_denied: OnDenied) -> Self {
        Self { on_denied, ..self }
    }

    /// The most frames of memory that it may have, page tables included.
    pub fn memory_limit(self, frames: usize) -> Self {
        Self { limit_frames: frames, ..self }
    }

    /// The most time that it may be on a core, all turns together; then it dies. Waiting does not count.
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { limit_ns: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), ..self }
    }

    /// Something that it may use, as `rights` say. The n-th thing that it is passed, counted from 0, has the handle
    /// [`Handle::passed(n)`](mcp_abi::handle::Handle::passed).
    pub fn pass(mut self, object: impl Into<Object>, rights: Rights) -> Self {
        self.passed.push((object.into(), rights));
        self
    }

    /// The most handles that it may have, at most [`MAX_HANDLES`], which is also what it may if nobody said otherwise.
    pub fn handle_limit(self, handles: usize) -> Self {
        Self { limit_handles: handles, ..self }
    }

    /// Makes the process, which does not run yet. Any context but NMI and interrupt handlers.
    ///
    /// # Errors
    /// As [`CreateError`] says.
    pub fn create(mut self) -> Result<Created, CreateError> {
        let passed = mem::take(&mut self.passed);
        if self.args.len() > MAX_ARGS_LEN {
            return Err(CreateError::Arguments);
        }
        start::once();
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the number matters.
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let layout = Layout::of(self.program);
        let space = Space::new(Some(paging::root()), self.limit_frames)?;
        let map = |start, len, rights, content| space.map(Place::At(start), len, rights, content);
        for part in &self.program.parts {
            map(part.range.start + layout.load_offset, part.range.len(), part.rights, part.content.clone())?;
        }
        map(layout.stack.start, STACK_LEN, UserRights::ReadWrite, Content::Zero)?;
        let info: *mut Info = space.pin(layout.info, UserRights::Read)?.to_ptr();
        let data = space.pin(layout.data, UserRights::ReadWrite)?.to_ptr();
        let slot: *mut VcoreSlot = space.pin(layout.slots, UserRights::ReadWrite)?.to_ptr();
        // SAFETY: pages of the space, which nobody uses yet.
        unsafe {
            self.write_info(info, id, &layout);
            // As of every vcore that starts.
            (*slot).notif_disabled.store(1, Ordering::Relaxed);
            let used = NonNull::from(&(*info).memory_used_frames);
            space.show_used(used);
        }
        let record = Arc::new(Record {
            id,
            name: String::from(self.name),
            kthread_name: Name::new(self.name),
            exit: IrqSpinLock::new("a process's exit", None),
            registers: IrqSpinLock::new("a process's last registers", Vec::new()),
            gone: Completion::new(),
        });
        let entry = self.program.entry + layout.load_offset;
        let proc = Arc::new(Proc {
            space,
            record: record.clone(),
            slot,
            data,
            handles: SpinLock::new("handles", Table::new(self.limit_handles)),
            has_handles: !passed.is_empty(),
            load_offset: layout.load_offset,
            build_id: self.program.build_id,
            arena: layout.slots + PAGE_SIZE..(layout.slots + ARENA_LEN).min(USER_END),
            allowed: self.allowed,
            on_denied: self.on_denied,
            limit_ns: self.limit_ns,
            context: UnsafeCell::new(Context::start(entry, layout.stack.end, [0, layout.info as u64, 0])),
            handler: Handler::none(),
            next: Cell::new(ptr::null()),
            alarm: Alarm::new(),
            inner: IrqSpinLock::new("process", Inner::new()),
            _announcement: Announcement(record.clone()),
        });
        // The reference that it has to itself, until it has died.
        let _ = Arc::into_raw(proc.clone());
        // One that is not passed everything is killed when this is dropped.
        let created = Created::new(Child::new(record, &proc), proc.clone());
        for (object, rights) in passed {
            handles::pass(&proc, object, rights).map_err(|_| CreateError::Handles)?;
        }
        Ok(created)
    }

    /// Makes the process and lets it run. As [`create`](Self::create).
    ///
    /// # Errors
    /// As [`CreateError`] says.
    pub fn run(self) -> Result<Child, CreateError> {
        self.create().map(Created::run)
    }

    /// # Safety
    /// `info` is a page of zeros that nobody else uses.
    unsafe fn write_info(&self, info: *mut Info, id: u64, layout: &Layout) {
        // SAFETY: the caller's word; zeros are a value of the type.
        unsafe {
            let page = &mut *info;
            page.version = VERSION;
            page.max_vcores = 1;
            page.id = id;
            page.load_offset = layout.load_offset as u64;
            page.data = layout.data as u64;
            page.slots = layout.slots as u64;
            page.args = (layout.info + ARGS_AT) as u64;
            page.args_len = self.args.len() as u64;
            page.vector_len = VECTOR_LEN as u64;
            page.memory_limit_frames = self.limit_frames as u64;
            let (multiplier, shift) = clock::scale().unwrap_or_default();
            page.clock = Clock { base_tsc: 0, base_ns: 0, multiplier, shift: shift.into() };
            for core in &page.core_of_vcore {
                core.store(NO_CORE, Ordering::Relaxed);
            }
            info.cast::<u8>().add(ARGS_AT).copy_from_nonoverlapping(self.args.as_ptr(), self.args.len());
        }
    }
}

/// Where the parts of a process lie. Between the program, the stack and what the kernel shares there is a page that is not
/// mapped; all of it, if the program is small, in what one page table maps.
struct Layout {
    load_offset: usize,
    stack: Range<usize>,
    info: usize,
    data: usize,
    slots: usize,
}

impl Layout {
    fn of(program: &Program) -> Layout {
        let load_offset = if program.is_movable { random_place() - program.span.start } else { 0 };
        let mut end = program.span.end + load_offset;
        if end > USER_END - (STACK_LEN + 16 * PAGE_SIZE) {
            // Behind it is no room, so before it there is.
            end = PLACES.start;
        }
        let stack = end + PAGE_SIZE..end + PAGE_SIZE + STACK_LEN;
        let info = stack.end + PAGE_SIZE;
        Layout { load_offset, stack, info, data: info + PAGE_SIZE, slots: info + 2 * PAGE_SIZE }
    }
}

/// A place for a position-independent program, with room for what it maps.
fn random_place() -> usize {
    let places = (PLACES.end - ARENA_LEN - PLACES.start) / PLACE_ALIGN;
    PLACES.start + (random::u64() % places as u64) as usize * PLACE_ALIGN
}
