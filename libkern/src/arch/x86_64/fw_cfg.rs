//! QEMU's firmware configuration device: numbered and named items between the emulator and what runs in it.
//!
//! Reading goes through a port, byte by byte. What is written goes by DMA, which the device does while the processor writes
//! its port. (There is a crate that reads; it takes addresses for physical ones, which holds in firmware only.)
//!
//! Source: QEMU's documentation, "QEMU Firmware Configuration (fw_cfg) Device".

use alloc::boxed::Box;
use core::ptr::addr_of_mut;
use core::sync::atomic::{Ordering, compiler_fence};

use spin::Mutex;
use x86_64::instructions::port::Port;

use super::{features, irq, paging};

const SELECT: u16 = 0x510;
const DATA: u16 = 0x511;
const DMA: u16 = 0x514;

const ITEM_SIGNATURE: u16 = 0;
const ITEM_FEATURES: u16 = 1;
const ITEM_DIRECTORY: u16 = 0x19;
const FEATURE_DMA: u8 = 1 << 1;

/// One item is selected at a time.
static LOCK: Mutex<()> = Mutex::new(());

/// A named item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    item: u16,
    /// Its length in bytes.
    pub len: u32,
}

/// Whether this machine is QEMU's. Any context.
pub fn is_qemu() -> bool {
    // Under TCG as under KVM, QEMU says that there is a hypervisor. On other hypervisors nothing is at these ports, and
    // reading them gives all ones.
    features::get().hypervisor
        && with_item(ITEM_SIGNATURE, || {
            let mut letters = [0; 4];
            read(&mut letters);
            letters == *b"QEMU"
        })
}

/// The item of that name, if this is QEMU and there is one. Any context.
pub fn find(name: &str) -> Option<File> {
    if !is_qemu() {
        return None;
    }
    with_item(ITEM_DIRECTORY, || {
        let mut count = [0; 4];
        read(&mut count);
        // Of each: length, number, two bytes without a meaning, and a name that ends with a zero.
        (0..u32::from_be_bytes(count)).find_map(|_| {
            let mut entry = [0; 64];
            read(&mut entry);
            let [l0, l1, l2, l3, i0, i1, _, _, ref text @ ..] = entry;
            let is_it = text.split(|&byte| byte == 0).next() == Some(name.as_bytes());
            is_it.then(|| File { item: u16::from_be_bytes([i0, i1]), len: u32::from_be_bytes([l0, l1, l2, l3]) })
        })
    })
}

/// Why an item could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// This QEMU is older than DMA, which is version 2.9.
    NoDma,
    /// The device refused.
    Refused,
}

/// What a transfer is, as the device reads it, and its bytes. Aligned so that it is in one page.
#[repr(C, align(128))]
struct Transfer {
    control: [u8; 4],
    len: [u8; 4],
    address: [u8; 8],
    bytes: [u8; MAX_WRITE],
}

/// Bytes that can be written at once.
pub const MAX_WRITE: usize = 112;

const _: () = assert!(size_of::<Transfer>() == 128);

/// Writes the beginning of an item. Takes heap memory meanwhile; does not block.
///
/// # Errors
/// [`WriteError`].
///
/// # Panics
/// If those are more than [`MAX_WRITE`] bytes.
pub fn write(file: File, bytes: &[u8]) -> Result<(), WriteError> {
    const ERROR: u32 = 1 << 0;
    const SELECTS: u32 = 1 << 3;
    const WRITES: u32 = 1 << 4;

    let has_dma = with_item(ITEM_FEATURES, || {
        let mut features = [0; 4];
        read(&mut features);
        features[0] & FEATURE_DMA != 0
    });
    if !has_dma {
        return Err(WriteError::NoDma);
    }
    let mut transfer = Box::new(Transfer {
        control: (u32::from(file.item) << 16 | SELECTS | WRITES).to_be_bytes(),
        len: (bytes.len() as u32).to_be_bytes(),
        address: [0; 8],
        bytes: [0; MAX_WRITE],
    });
    transfer.bytes[..bytes.len()].copy_from_slice(bytes);
    // The heap is in the direct map.
    let phys = |at: *mut u8| (at.addr() - paging::direct_map_base()) as u64;
    transfer.address = phys(addr_of_mut!(transfer.bytes).cast()).to_be_bytes();
    let control = addr_of_mut!(transfer.control);
    let at = phys(control.cast());
    compiler_fence(Ordering::SeqCst);
    with_lock(|| {
        // SAFETY: the port takes an address in two halves, of which the second begins the transfer. The device reads what
        // belongs to `transfer`, and writes its first word.
        unsafe {
            Port::<u32>::new(DMA).write(((at >> 32) as u32).to_be());
            Port::<u32>::new(DMA + 4).write((at as u32).to_be());
        }
    });
    loop {
        // SAFETY: alive, and of this type. Volatile: the device writes it.
        match u32::from_be_bytes(unsafe { control.read_volatile() }) {
            0 => return Ok(()),
            flags if flags & ERROR != 0 => return Err(WriteError::Refused),
            _ => super::relax(),
        }
    }
}

/// Reads the next bytes of the item that is selected.
fn read(bytes: &mut [u8]) {
    for byte in bytes {
        // SAFETY: the device's data port, which has no other effect than to go on.
        *byte = unsafe { Port::<u8>::new(DATA).read() };
    }
}

/// Calls `act` with an item selected.
fn with_item<R>(item: u16, act: impl FnOnce() -> R) -> R {
    with_lock(|| {
        // SAFETY: the device's own port; where there is no such device there is nothing.
        unsafe { Port::<u16>::new(SELECT).write(item) };
        act()
    })
}

fn with_lock<R>(act: impl FnOnce() -> R) -> R {
    let flags = irq::save_and_disable();
    let guard = LOCK.lock();
    let result = act();
    drop(guard);
    // SAFETY: the flags are those of above, of this core, and the lock is free again.
    unsafe { irq::restore(flags) };
    result
}
