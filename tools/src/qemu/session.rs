//! One run of QEMU.
//!
//! Three streams come out of it: the guest's serial port (QEMU's standard output), its control channel (a
//! socket that QEMU inherits) and QEMU's own complaints (its standard error). One thread polls all three, so
//! that what is read keeps the order in which it was written as well as streams can: where text and an event
//! are found at the same time, the text is taken to have come first. A pipe or socket takes in what the guest
//! writes while this side is busy, so the guest waits for nobody.
//!
//! **QEMU never outlives its session.** Dropping a [`Session`] kills it. If this process dies without
//! dropping anything, the kernel kills it: the parent's death is its signal. QEMU is in a process group of
//! its own, so that Ctrl-C on the terminal reaches this process alone, which then ends QEMU in good order
//! (see [`interrupt`](super::interrupt)).
//!
//! Rejected: QMP for all runs, which would tell a reset from a power-off: the guest says on the control channel what it is
//! about, and a machine that stays when its guest has ended has to be ended. (One whose picture is wanted has it, see
//! [`monitor`].) A thread per stream, which loses the order.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::Timespec;
use rustix::process::{Pid, Signal};

use super::command::Run;
use super::config::Config;
use super::event::Event;
use super::firmware::Files;
use super::interrupt::Watch;
use super::monitor::{self, Monitor};
use super::outcome::Outcome;
use super::screen::{self, Screen};
use super::streams::{poll_readable, read_some};
use super::{accel, process};
use crate::build::Image;

/// How long QEMU may take to end when it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// A control line longer than this is cut: no guest has that much to say at once.
const CONTROL_LINE_MAX: usize = 64 << 10;

/// Something a guest said.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Bytes of the console, as they come: lines may arrive in pieces.
    Console(Vec<u8>),
    /// An event.
    Event(Event),
}

/// What [`Session::next`] waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The guest said something.
    Message(Message),
    /// The deadline passed. The guest still runs.
    Late,
    /// The run is over, and all that was said has been returned before.
    Ended(Outcome),
}

/// A running guest.
pub struct Session {
    qemu: Child,
    console: Option<ChildStdout>,
    control: Option<UnixStream>,
    complaints: Option<ChildStderr>,
    monitor: Option<Monitor>,
    /// Whether whoever looks at it can end it, by closing its window.
    has_window: bool,
    /// The last, unfinished line of the control channel.
    line: Vec<u8>,
    stderr: Vec<u8>,
    ready: VecDeque<Message>,
    /// How the run ends by what the guest said so far.
    announced: Option<Outcome>,
    /// How the run ends because this side ended it.
    stopped: Option<Outcome>,
    watch: Watch,
    _files: Files,
}

impl Session {
    /// Boots `image`. Takes milliseconds, except where a medium must be made.
    ///
    /// # Errors
    /// If `config` contradicts itself, if a program is missing, or if QEMU cannot be started. A QEMU that
    /// starts and then refuses is an [`Outcome::QemuFailed`].
    pub fn start(image: &Image, config: &Config) -> anyhow::Result<Self> {
        config.check()?;
        let least = image.least_memory_kib();
        if config.mem.kib() < least {
            let Image { name, .. } = image;
            anyhow::bail!("{} KiB of memory do not hold {name}; use --mem {least}K or more", config.mem.kib());
        }
        let (program, accel) = accel::resolve(config.accel)?;
        let files = Files::prepare(image, config.boot, &config.append)?;
        let watch = Watch::start().context("cannot catch Ctrl-C")?;
        let (control, far_end) = UnixStream::pair()?;
        control.set_nonblocking(true)?;

        let window = match config.screen {
            Screen::Window => screen::opener(&program).inspect_err(|why| eprintln!("note: {why}")).ok(),
            Screen::Hidden | Screen::Picture(_) => None,
        };
        let picture = if let Screen::Picture(file) = &config.screen { Some(file) } else { None };
        let mut monitor = None;
        if config.monitor || picture.is_some() {
            picture.map_or(Ok(()), |file| monitor::make_room(file))?;
            monitor = Some(UnixStream::pair()?);
        }

        let run = Run {
            config,
            accel,
            files: &files,
            control: far_end.as_raw_fd(),
            window,
            monitor: monitor.as_ref().map(|(_, far_end)| far_end.as_raw_fd()),
        };
        let mut command = Command::new(&program);
        command.args(run.arguments()).process_group(0);
        command.stdin(if config.stdin { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        process::die_with_parent(&mut command);
        process::inherit(&mut command, far_end.into());
        let monitor = monitor.map(|(near, far_end)| {
            process::inherit(&mut command, far_end.into());
            Monitor::new(near, picture.cloned())
        });
        let monitor = monitor.transpose()?;
        let mut qemu = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        if let Some(stdin) = qemu.stdin.take() {
            thread::spawn(move || process::forward_stdin(stdin));
        }
        Ok(Self {
            console: qemu.stdout.take(),
            control: Some(control),
            complaints: qemu.stderr.take(),
            qemu,
            monitor,
            has_window: window.is_some(),
            line: Vec::new(),
            stderr: Vec::new(),
            ready: VecDeque::new(),
            announced: None,
            stopped: None,
            watch,
            _files: files,
        })
    }

    /// Waits for the guest to say something, for `deadline`, or for the end.
    ///
    /// Blocks. After [`Step::Late`] the guest still runs; wait on, or [`stop`](Self::stop) it. After
    /// [`Step::Ended`] there is nothing more.
    ///
    /// # Errors
    /// If reading fails, which no guest can cause.
    pub fn next(&mut self, deadline: Option<Instant>) -> anyhow::Result<Step> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Step::Message(message));
            }
            if self.console.is_none() && self.control.is_none() && self.complaints.is_none() {
                return Ok(Step::Ended(self.verdict()?));
            }
            if !self.wait(deadline)? {
                return Ok(Step::Late);
            }
        }
    }

    /// Ends the run with [`Outcome::TimedOut`]. What the guest had said by then is still returned.
    pub fn stop(&mut self) {
        self.end(Outcome::TimedOut);
    }

    /// Waits for any stream and reads what there is. Returns false if `deadline` passed first.
    fn wait(&mut self, deadline: Option<Instant>) -> anyhow::Result<bool> {
        // Once QEMU has been ended, what is left of its streams comes at once.
        let deadline = deadline.filter(|_| self.stopped.is_none());
        let timeout = match deadline.map(|at| at.checked_duration_since(Instant::now())) {
            None => None,
            Some(None) => return Ok(false),
            Some(Some(left)) => Some(Timespec::try_from(left)?),
        };
        let interrupt = (self.stopped.is_none()).then(|| self.watch.fd());
        let fds = [
            self.console.as_ref().map(AsFd::as_fd),
            self.control.as_ref().map(AsFd::as_fd),
            self.complaints.as_ref().map(AsFd::as_fd),
            self.monitor.as_ref().and_then(Monitor::fd),
            interrupt,
        ];
        let Some([console, control, complaints, monitor, interrupt]) = poll_readable(fds, timeout.as_ref())? else {
            return Ok(true);
        };
        if !(console || control || complaints || monitor || interrupt) {
            return Ok(false);
        }
        if interrupt {
            self.end(Outcome::Interrupted);
        }
        if console && let Some(bytes) = read_some(&mut self.console)? {
            self.ready.push_back(Message::Console(bytes));
        }
        if control {
            match read_some(&mut self.control)? {
                Some(bytes) => self.take_control(&bytes),
                None => self.take_line(),
            }
        }
        if monitor && let Some(monitor) = &mut self.monitor {
            monitor.take()?;
        }
        if complaints && let Some(bytes) = read_some(&mut self.complaints)? {
            self.stderr.extend(bytes);
        }
        Ok(true)
    }

    fn take_control(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' || self.line.len() == CONTROL_LINE_MAX {
                self.take_line();
            }
            if byte != b'\n' {
                self.line.push(byte);
            }
        }
    }

    /// Turns what was read of a control line into an event.
    fn take_line(&mut self) {
        if self.line.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&self.line);
        let event = Event::parse(line.trim_end_matches('\r'));
        self.line.clear();
        let end = match &event {
            Event::Exit(code) => Some(Outcome::Exited(*code)),
            Event::Reboot => Some(Outcome::Rebooted),
            Event::Panic(message) => Some(Outcome::Panicked { message: message.clone() }),
            Event::Drawn if self.takes_picture() => Some(Outcome::Exited(0)),
            _ => None,
        };
        match (&event, &mut self.monitor) {
            (Event::Press(keys), Some(monitor)) => monitor.press(keys.iter().map(String::as_str)),
            (Event::Drawn, Some(monitor)) if monitor.takes_picture() => monitor.end(),
            _ => {}
        }
        // The first word counts: a guest that panics on its way out has exited, and one that exits after a
        // panic does so because of it.
        if self.announced.is_none() {
            self.announced = end;
        }
        self.ready.push_back(Message::Event(event));
    }

    fn end(&mut self, outcome: Outcome) {
        if self.stopped.is_some() {
            return;
        }
        self.stopped = Some(outcome);
        if let Some(monitor) = &mut self.monitor {
            monitor.end();
            if self.ends_within(GRACE) {
                return;
            }
        }
        // It cannot have been reaped: this session does that last.
        let _ = rustix::process::kill_process(Pid::from_child(&self.qemu), Signal::TERM);
        if !self.ends_within(GRACE) {
            let _ = self.qemu.kill();
        }
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(self.qemu.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }

    fn takes_picture(&self) -> bool {
        self.monitor.as_ref().is_some_and(Monitor::takes_picture)
    }

    /// What QEMU's monitor refused, if anything.
    pub fn refused(&self) -> &[String] {
        self.monitor.as_ref().map_or(&[], Monitor::refused)
    }

    /// How the run ended. All streams are at their ends.
    fn verdict(&mut self) -> anyhow::Result<Outcome> {
        let status = self.qemu.wait().context("cannot wait for QEMU")?;
        let announced = self.announced.clone().or_else(|| self.stopped.clone());
        Ok(announced.unwrap_or_else(|| self.judge(status)))
    }

    /// How a run ended about which nobody said a word.
    fn judge(&self, status: ExitStatus) -> Outcome {
        match status.code() {
            Some(0) if self.has_window => Outcome::Interrupted,
            // A reset, with -no-reboot, and so a triple fault; or a power-off without a word.
            Some(0) => Outcome::Died,
            // QEMU's own code for a failure; a guest whose code is 0 says so before it ends.
            Some(1) => Outcome::QemuFailed { stderr: self.complained() },
            // The exit port makes `(value << 1) | 1`.
            Some(code) if code & 1 == 1 => u8::try_from(code >> 1).map_or(Outcome::Died, Outcome::Exited),
            _ => Outcome::QemuFailed { stderr: format!("{} ({status})", self.complained().trim()) },
        }
    }

    fn complained(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
