//! The serial console: COM1, by the `uart_16550` crate.

use conquer_once::spin::OnceCell;
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::IER;
use uart_16550::{Config, Uart16550};

/// COM1's first port.
const PORT: u16 = 0x3f8;

/// COM1's ISA interrupt line.
pub const ISA_LINE: u8 = 4;

static UART: OnceCell<Mutex<Uart16550<PioBackend>>> = OnceCell::uninit();

/// Sets the port up: 115,200 baud, 8 data bits, no parity, FIFOs on, no interrupts. Says whether there is one.
///
/// Once, early; nothing may print before.
pub fn init() -> bool {
    // SAFETY: COM1's ports belong to this module.
    let Ok(mut uart) = (unsafe { Uart16550::new_port(PORT) }) else { return false };
    if uart.init(Config::default()).is_err() {
        return false;
    }
    // `Config::default` turns the receive interrupt on; nobody listens yet.
    uart.disable_interrupts(IER::all());
    UART.init_once(|| Mutex::new(uart));
    true
}

/// Hands over as much of `bytes` as the transmitter takes without waiting, and says how much that was.
///
/// Any context; if another core is at the port, nothing is taken.
pub fn try_write(bytes: &[u8]) -> usize {
    with(|uart| uart.send_bytes(bytes)).unwrap_or(0)
}

/// One byte that has been received, if there is one.
pub fn try_read() -> Option<u8> {
    with(|uart| uart.try_receive_byte().ok()).flatten()
}

/// Has the port interrupt when the transmitter can take more (`wanted`), or no longer.
pub fn interrupt_when_writable(wanted: bool) {
    with(|uart| {
        if wanted {
            uart.enable_interrupts(IER::THR_EMPTY);
        } else {
            uart.disable_interrupts(IER::THR_EMPTY);
        }
    });
}

fn with<R>(access: impl FnOnce(&mut Uart16550<PioBackend>) -> R) -> Option<R> {
    let uart = UART.try_get().ok()?;
    let flags = super::irq::save_and_disable();
    let result = uart.try_lock().map(|mut uart| access(&mut uart));
    // SAFETY: the innermost.
    unsafe { super::irq::restore(flags) };
    result
}
