//! A PC's keyboard: what somebody types where the screen is.
//!
//! The controller's interrupt puts what it brings into a queue, and gives a unit of a semaphore for each key; whoever reads
//! sleeps on that. Keys that are pressed while nobody reads wait, up to [`QUEUE_LEN`] of them; further ones are lost. Keys
//! mean what they do on an American keyboard.
//!
//! Source: the controller is the 8042 of a PC, which gives scan codes of set 1; their meaning is the crate `pc-keyboard`'s.

use core::time::Duration;

use conquer_once::spin::OnceCell;
use heapless::Deque;
pub use pc_keyboard::{DecodedKey as Key, KeyCode};
use pc_keyboard::{HandleControl, PS2Keyboard, ScancodeSet1, layouts::Us104Key};

use crate::arch::i8042::{self, ISA_LINE};
use crate::arch::{interrupts, ioapic};
use crate::kthread::Expecting;
use crate::kthread::sync::{Semaphore, TimedOut};
use crate::sync::IrqSpinLock;

/// Keys that wait to be read, at most.
pub const QUEUE_LEN: usize = 64;

/// The controller's vector.
const VECTOR: u8 = 0x31;

struct State {
    decoder: PS2Keyboard<Us104Key, ScancodeSet1>,
    queue: Deque<Key, QUEUE_LEN>,
}

static STATE: IrqSpinLock<State> = IrqSpinLock::new(
    "keyboard",
    State {
        decoder: PS2Keyboard::new(ScancodeSet1::new(), Us104Key, HandleControl::Ignore),
        queue: Deque::new(),
    },
);
static READY: Semaphore = Semaphore::new(0);
/// Whether there is one, once somebody asked.
static IS_THERE: OnceCell<bool> = OnceCell::uninit();

/// Whether the machine has such a keyboard (QEMU's `q35` and `pc` have, `microvm` has none). The first to ask begins to
/// listen to it. A kthread's context; does not block.
#[must_use]
pub fn is_there() -> bool {
    // Not `get_or_init`: that panics where another core has just done it (conquer-once 0.4).
    IS_THERE.init_once(|| {
        if !i8042::init() {
            return false;
        }
        interrupts::set_handler(VECTOR, |_| receive());
        ioapic::route_isa(ISA_LINE, VECTOR, 0)
    });
    *IS_THERE.try_get().expect("found out above")
}

/// The next key that is pressed. Blocks until there is one: for ever, if there is no keyboard.
///
/// # Panics
/// If it would block here: a lock is held, interrupts are off, or this is a handler.
pub fn read() -> Key {
    let _expecting = expect_input();
    READY.down();
    take()
}

/// The next key, if it is pressed within `timeout`. Blocks.
///
/// # Errors
/// [`TimedOut`].
///
/// # Panics
/// As [`read`].
pub fn read_timeout(timeout: Duration) -> Result<Key, TimedOut> {
    let _expecting = expect_input();
    READY.down_timeout(timeout)?;
    Ok(take())
}

/// Somebody is about to wait for the device.
fn expect_input() -> Option<Expecting> {
    is_there().then(Expecting::new)
}

/// A key for which the semaphore was taken.
fn take() -> Key {
    STATE.lock().queue.pop_front().expect("there is a key for each unit")
}

/// Hands on what the controller has. In the interrupt.
fn receive() {
    while let Some(byte) = i8042::receive() {
        let mut state = STATE.lock();
        let State { decoder, queue } = &mut *state;
        // A code that is none is of a key that is none.
        let pressed = decoder.add_byte(byte).ok().flatten().and_then(|event| decoder.process_keyevent(event));
        let is_new = pressed.is_some_and(|key| queue.push_back(key).is_ok());
        drop(state);
        if is_new {
            READY.up();
        }
    }
}
