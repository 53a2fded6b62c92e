//! The serial port as console: output through the console's ring, input to [`input`].
//!
//! Until the port's interrupt is routed, whoever prints also writes it out. Afterwards a line handed to the console turns
//! the transmitter's interrupt on, if it is not on, and the handler gives the port what it takes, until there is no more:
//! then it turns the interrupt off and looks once more, because a line may have come between.

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;

use super::input;
use crate::arch::serial::{self, ISA_LINE, Serial};
use crate::arch::{interrupts, ioapic};
use crate::console::{self, Drained, Sink, Turn, TurnCell};
use crate::sync::IrqSpinLock;

/// The port's vector.
const VECTOR: u8 = 0x30;

/// What the handler writes out at once, in bytes. At 115,200 baud a FIFO of 16 takes longer to empty than to fill; under
/// an emulator the port is always ready, and this bounds the time in the handler.
const BUDGET: usize = 512;

struct Port {
    transmitter: TurnCell<Option<Serial>>,
}

static PORT: Port = Port { transmitter: TurnCell::new(None) };
static RECEIVER: IrqSpinLock<Option<Serial>> = IrqSpinLock::new("serial receiver", None);
/// Whether output goes elsewhere.
static MUTED: AtomicBool = AtomicBool::new(false);
/// Handed over to the sink at its first turn.
static NEW: Mutex<Option<Serial>> = Mutex::new(None);

impl Sink for Port {
    fn write(&self, bytes: &[u8], turn: &mut Turn) -> usize {
        let transmitter = self.transmitter.get(turn);
        if transmitter.is_none() {
            *transmitter = NEW.try_lock().and_then(|mut new| new.take());
        }
        match transmitter {
            Some(transmitter) if !MUTED.load(Ordering::Relaxed) => transmitter.send(bytes),
            _ => bytes.len(),
        }
    }
}

/// Makes the port a console, if there is one. Once, early at boot; what was printed before comes out now.
pub(crate) fn init() {
    if let Some((transmitter, receiver)) = serial::init() {
        *NEW.lock() = Some(transmitter);
        *RECEIVER.lock() = Some(receiver);
        console::add_sink(&PORT);
    }
}

/// Lets the port's interrupt do the writing from now on, if it has one. Once, at boot, interrupts off.
pub(crate) fn begin_interrupts() {
    if RECEIVER.lock().is_none() {
        return;
    }
    interrupts::set_handler(VECTOR, |_| {
        receive();
        drain();
    });
    if ioapic::route_isa(ISA_LINE, VECTOR, 0) {
        console::set_kick(|| {
            serial::interrupt_when_writable(true);
        });
    }
}

fn drain() {
    if console::drain(BUDGET) == Drained::Empty && serial::interrupt_when_writable(false) {
        // A line that was handed in before the interrupt was off saw it on, and asked for nothing.
        if console::drain(BUDGET) != Drained::Empty {
            serial::interrupt_when_writable(true);
        }
    }
}

/// Hands on what has been received.
fn receive() {
    while let Some(byte) = RECEIVER.lock().as_mut().and_then(Serial::receive) {
        input::put(byte);
    }
}

/// Prints on the port no longer.
pub(crate) fn mute() {
    MUTED.store(true, Ordering::Relaxed);
}
