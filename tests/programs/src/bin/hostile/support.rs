//! What attempts are made of.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use libmcp::abi::call::{ARGUMENTS, Call, Error};
use libmcp::call;
use libmcp::memory::{self, Rights};

pub const PAGE: usize = 4096;

/// Addresses of processes lie below.
pub const USER_END: usize = libmcp::abi::process::USER_END;

/// A status, or the line where something was not as it should be.
pub type Outcome = Result<u64, u32>;

/// Ends the attempt if this does not hold.
macro_rules! check {
    ($holds:expr) => {
        if !$holds {
            return Err(line!());
        }
    };
}

pub(crate) use check;

/// A word of the process's data.
pub static DATA: AtomicU64 = AtomicU64::new(0x1234_5678);

/// The trap, with whatever is said to be calls. Gives how many were taken.
pub fn trap(calls: usize, count: usize) -> usize {
    let taken;
    // SAFETY: what the kernel may do to this process's memory, the attempts do not rely on.
    unsafe {
        asm!("syscall", in("rdi") calls, in("rsi") count, lateout("rax") taken, clobber_abi("C"), options(nostack));
    }
    taken
}

/// What a call says that is made here and now, without its being waited for.
pub fn quick(number: u32, args: [u64; ARGUMENTS]) -> Result<u64, Error> {
    let call = Call::new(number, args);
    if trap((&raw const call).addr(), 1) != 1 || !call.is_done() {
        return Err(Error::WouldBlock);
    }
    call.outcome()
}

/// Memory of one's own, to be read and written.
pub fn pages(count: usize) -> Result<usize, u32> {
    memory::map(count * PAGE, Rights::ReadWrite).map_err(|_| line!())
}

/// Memory at an address of one's choice.
pub fn pages_at(address: usize, count: usize) -> Result<usize, Error> {
    use libmcp::abi::call::{number, rights};
    let rights = rights::READ | rights::WRITE;
    let args = [address as u64, (count * PAGE) as u64, rights, number::ANONYMOUS, 0];
    call::one(number::MAP, args).map(|address| address as usize)
}

/// The word at an address.
pub fn word(at: usize) -> *mut u64 {
    core::ptr::with_exposed_provenance_mut(at)
}

/// Has `bytes` where they can be executed, and gives the address behind which nothing is mapped.
pub fn code(bytes: &[u8]) -> Result<usize, u32> {
    // The last bytes of a page, before one that is not mapped.
    let at = pages(2)?;
    let start = at + PAGE - bytes.len();
    // SAFETY: mapped above, and nobody else's.
    unsafe {
        core::ptr::with_exposed_provenance_mut::<u8>(start).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        memory::protect(at..at + PAGE, Rights::ReadExecute).map_err(|_| line!())?;
        memory::unmap(at + PAGE..at + 2 * PAGE).map_err(|_| line!())?;
    }
    Ok(start)
}

/// Calls what is at an address.
pub fn execute(at: usize) {
    // SAFETY: whatever it does, it does to this process.
    unsafe { asm!("call {}", in(reg) at, clobber_abi("C")) };
}

/// A number in hexadecimal.
pub fn hex(text: &str) -> usize {
    usize::from_str_radix(text, 16).unwrap_or(0)
}

/// A number in decimal.
pub fn number_of(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Computes something, in general and in vector registers and in memory, with calls and interrupts in between: what comes
/// out is the same each time, unless somebody meddles.
pub fn checksum(rounds: u64) -> u64 {
    let mut sum = 0x9e37_79b9_7f4a_7c15u64;
    let mut table = [0u64; 64];
    for round in 0..rounds {
        for word in &mut table {
            sum = (sum ^ (sum << 13)).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(17) ^ round;
            *word ^= sum;
        }
        let float = core::hint::black_box((sum >> 40) as f64 * 1.000_1);
        sum ^= float.to_bits() ^ table[(sum % 64) as usize];
        DATA.store(sum, Ordering::Relaxed);
        if round % 16 == 0 {
            let _ = call::null();
        }
        sum ^= DATA.load(Ordering::Relaxed).rotate_left(9);
    }
    // Statuses below are lines.
    sum | 1 << 63
}
