//! A tab: a kthread that has pages drawn by renderers, which it takes for hostile.
//!
//! What a renderer says is copied out of the ring before it is looked at, and what it says of a title is made of printable
//! letters of which there are not too many. There is no number among what it says, so none can be wrong. One that
//! takes too long, says too much, or says what nobody understands is killed.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use libkern::kthread;
use libkern::kthread::sync::TimedOut;
use libkern::kthread::sync::channel::{ChannelError, UnboundedReceiver, UnboundedSender};
use libkern::proc::{ChannelEnd, Child, CreateError, File, Proc, Program, Rights, SharedRegion, channel};
use libkern::ring::spsc::RecvError;
use libkern::ring::{Duplex, Side, duplex};
use libkern::time::Instant;
use mcp_abi::call::{CallSet, Error, number};

use crate::documents::SITES;
use crate::fate::Fate;
use crate::news::{Event, News};
use crate::protocol::{DRAW, DRAWN, MAX_MESSAGE, PIXELS_LEN, RING_WORDS, TITLE};

/// The page is to be loaded anew.
pub struct Reload;

/// Calls that a renderer needs.
const CALLS: CallSet = CallSet::NONE
    .with(number::EXIT)
    .with(number::WAIT)
    .with(number::MAP)
    .with(number::READ)
    .with(number::SIGNAL)
    .with(number::WRITE_CONSOLE);
/// Frames that a renderer may have: 2 MiB.
const MEMORY_FRAMES: usize = 512;
/// How long a renderer may be on a core, all in all.
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// How long it may take to answer, if it sleeps, say.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it hears that time passes.
const BEAT: Duration = Duration::from_millis(500);
/// Titles that a page may have before it is drawn.
const MAX_TITLES: usize = 4;
/// How often a page that crashed is loaded again without anybody asking.
const RETRIES: u32 = 1;
/// How long after the first time; twice as long after each further one.
const BACKOFF: Duration = Duration::from_millis(200);

const TALKS: Rights = Rights::READ.union(Rights::WRITE);
const SHARED: Rights = TALKS.union(Rights::MAP);

/// A document, as a renderer may read it.
struct Document(Vec<u8>);

impl File for Document {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Error> {
        let rest = usize::try_from(at).ok().and_then(|at| self.0.get(at..)).ok_or(Error::Invalid)?;
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

/// Shows the site of that number, again and again if somebody asks for that, until the browser is gone.
pub fn live(index: usize, program: &Arc<Program>, events: &UnboundedSender<Event>, orders: &UnboundedReceiver<Reload>) {
    let tell = |news| events.send(Event::Tab(index, news)).is_ok();
    let (mut visit, mut retries) = (0, 0);
    while tell(News::Loading) {
        let fate = match Renderer::start(index, visit, program) {
            Ok(mut renderer) => match renderer.serve(&tell, orders) {
                Some(fate) => fate,
                None => {
                    (visit, retries) = (visit + 1, 0);
                    continue;
                }
            },
            Err(error) => Fate::NotStarted(error),
        };
        let again = fate == Fate::Crashed && retries < RETRIES;
        tell(News::Ended { fate, again });
        if again {
            kthread::sleep(BACKOFF * 2u32.pow(retries));
            retries += 1;
        } else if orders.recv().is_ok() {
            (visit, retries) = (visit + 1, 0);
        } else {
            break;
        }
    }
}

struct Renderer {
    child: Child,
    rings: Duplex<SharedRegion, ChannelEnd>,
    pixels: SharedRegion,
}

impl Renderer {
    fn start(index: usize, visit: u32, program: &Arc<Program>) -> Result<Self, CreateError> {
        let site = &SITES[index];
        let no_memory = |_| CreateError::Handles;
        let memory = SharedRegion::new(duplex::len(RING_WORDS)).map_err(no_memory)?;
        let pixels = SharedRegion::new(PIXELS_LEN).map_err(no_memory)?;
        let document: Arc<dyn File> = Arc::new(Document((site.document)(visit)));
        let (ours, theirs) = channel();
        let rings = Duplex::new(memory.clone(), RING_WORDS, Side::First, ours);
        let child = Proc::create(program)
            .name(site.name)
            .allow(CALLS)
            .memory_limit(MEMORY_FRAMES)
            .time_limit(TIME_LIMIT)
            .handle_limit(4)
            .pass(theirs, TALKS)
            .pass(memory, SHARED)
            .pass(pixels.clone(), SHARED)
            .pass(document, Rights::READ)
            .run()?;
        Ok(Self { child, rings, pixels })
    }

    /// Has the page drawn, and tells the renderer how time passes. Says what became of it, unless it is to be loaded anew;
    /// then it is killed.
    fn serve(&mut self, tell: &impl Fn(News) -> bool, orders: &UnboundedReceiver<Reload>) -> Option<Fate> {
        let mut order = DRAW;
        loop {
            let answer = match self.rings.sender.send_message(&order) {
                Ok(()) => self.answer(tell),
                Err(_) => Err(RecvError::Closed),
            };
            match answer {
                Ok(()) => tell(News::Drawn(self.pixels.clone())),
                Err(RecvError::Closed) => return Some(Fate::of(self.child.wait())),
                Err(why) => {
                    self.end();
                    return Some(if why == RecvError::Interrupted { Fate::Silent } else { Fate::Nonsense });
                }
            };
            match orders.recv_timeout(BEAT) {
                Err(ChannelError::GaveUp(TimedOut)) => order = order.wrapping_add(1).max(DRAW + 1),
                _ => {
                    self.end();
                    return None;
                }
            }
        }
    }

    /// Waits until the page is drawn.
    fn answer(&mut self, tell: &impl Fn(News) -> bool) -> Result<(), RecvError> {
        let deadline = Instant::now() + PATIENCE;
        let mut message = [0; MAX_MESSAGE];
        for _ in 0..=MAX_TITLES {
            let receiver = &mut self.rings.receiver;
            let len = receiver.recv_by(&mut message, |end, since| end.wait_until(since, Some(deadline)))?;
            match message[..len] {
                [DRAWN] => return Ok(()),
                [TITLE, ref title @ ..] => {
                    tell(News::Titled(printable(title)));
                }
                _ => return Err(RecvError::Malformed),
            }
        }
        Err(RecvError::Malformed)
    }

    fn end(&self) {
        self.child.kill();
        self.child.wait();
    }
}

/// Letters that a screen can show, and no others.
fn printable(bytes: &[u8]) -> String {
    let letter = |&byte: &u8| if matches!(byte, b' '..=b'~') { byte.into() } else { '?' };
    bytes.trim_ascii().iter().map(letter).collect()
}
