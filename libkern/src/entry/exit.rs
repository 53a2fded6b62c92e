//! The end of the application: exit and reboot.

use core::fmt::Debug;

use crate::arch::{irq, power, qemu};
use crate::console;

/// What `main` may return.
pub trait Termination {
    /// The exit code, after telling the console whatever there is to tell.
    fn report(self) -> ExitCode;
}

/// The application's exit code: 0 for success. Becomes that of `cargo roost run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// All went well.
    pub const SUCCESS: ExitCode = ExitCode(0);
    /// Something did not.
    pub const FAILURE: ExitCode = ExitCode(1);
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        ExitCode(code)
    }
}

impl Termination for () {
    fn report(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Termination for u8 {
    fn report(self) -> ExitCode {
        ExitCode(self)
    }
}

impl Termination for ExitCode {
    fn report(self) -> ExitCode {
        self
    }
}

impl<T: Termination, E: Debug> Termination for Result<T, E> {
    fn report(self) -> ExitCode {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                crate::println!("Error: {error:?}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Ends the image: what was printed is written out, the other cores stop where they are, and the machine is turned off.
///
/// Under QEMU with the tool's devices, QEMU exits with the code. Task context.
pub fn exit(code: impl Into<ExitCode>) -> ! {
    let code = code.into();
    console::flush();
    qemu::control(format_args!("exit {}", code.0));
    end(code.0)
}

/// Restarts the machine, after what was printed is written out. Task context.
pub fn reboot() -> ! {
    console::flush();
    qemu::control(format_args!("reboot"));
    let _ = irq::save_and_disable();
    power::reboot()
}

/// Turns the machine off, by whatever way it has.
fn end(code: u8) -> ! {
    let _ = irq::save_and_disable();
    qemu::exit(code);
    power::off();
    crate::println!("It is now safe to turn off the machine.");
    console::flush();
    irq::halt_forever()
}
