//! COM1, by the `uart_16550` crate: its two directions, which different parties use at the same time.

use core::sync::atomic::{AtomicU8, Ordering};

use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::IER;
use uart_16550::{Config, Uart16550};
use x86_64::instructions::port::Port;

/// COM1's first port.
const PORT: u16 = 0x3f8;

/// COM1's ISA interrupt line.
pub const ISA_LINE: u8 = 4;

/// What the interrupt enable register should hold.
static INTERRUPTS: AtomicU8 = AtomicU8::new(0);

/// One direction of the port.
#[derive(Debug)]
pub struct Serial(Uart16550<PioBackend>);

/// Sets the port up: 115,200 baud, 8 data bits, no parity, FIFOs on, no interrupts. Its transmitter and its receiver, if
/// there is a port.
///
/// Once, early.
pub fn init() -> Option<(Serial, Serial)> {
    let handle = || {
        // SAFETY: COM1's ports belong to this module. The two handles share the device's registers and no memory: one
        // writes data, the other reads it, both read the line status, and nobody configures it any more.
        unsafe { Uart16550::new_port(PORT) }.ok()
    };
    let (mut transmitter, receiver) = (handle()?, handle()?);
    let config = Config { interrupts: IER::empty(), ..Config::default() };
    transmitter.init(config).ok()?;
    Some((Serial(transmitter), Serial(receiver)))
}

impl Serial {
    /// Hands over as much of `bytes` as the transmitter takes without waiting, and says how much that was.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.0.send_bytes(bytes)
    }

    /// One byte that has been received, if there is one.
    pub fn receive(&mut self) -> Option<u8> {
        self.0.try_receive_byte().ok()
    }
}

/// Has the port interrupt when the transmitter can take more, or no longer. Any context. Says whether that was so before.
pub fn interrupt_when_writable(wanted: bool) -> bool {
    set(IER::THR_EMPTY, wanted)
}

/// Has the port interrupt when a byte has come, or no longer. Any context.
pub fn interrupt_when_readable(wanted: bool) {
    set(IER::DATA_READY, wanted);
}

/// Two cores that change different bits may write the register in either order, so each writes until what it wrote is
/// what is wanted.
fn set(bit: IER, wanted: bool) -> bool {
    let before = if wanted {
        INTERRUPTS.fetch_or(bit.bits(), Ordering::SeqCst)
    } else {
        INTERRUPTS.fetch_and(!bit.bits(), Ordering::SeqCst)
    };
    let was_wanted = before & bit.bits() != 0;
    if was_wanted != wanted {
        loop {
            let interrupts = INTERRUPTS.load(Ordering::SeqCst);
            // SAFETY: the interrupt enable register; DLAB is clear since `init`.
            unsafe { Port::<u8>::new(PORT + 1).write(interrupts) };
            if INTERRUPTS.load(Ordering::SeqCst) == interrupts {
                break;
            }
        }
    }
    was_wanted
}
