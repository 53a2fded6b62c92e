//! A machine for tests: memory that all tests of this process share.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::frames;
use crate::arch::direct_map_len;

static TURN: Mutex<()> = Mutex::new(());
static MANAGED: OnceLock<frames::Managed> = OnceLock::new();

/// Waits until no other test uses memory, and makes the calling thread a core that is online. Counts before and after a
/// test can be compared while the guard lives.
pub(crate) fn machine() -> MutexGuard<'static, ()> {
    // A test that failed has dropped what it held.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    MANAGED.get_or_init(|| {
        let end = direct_map_len() as u64;
        let regions = [0x1000..0x9f000, 0x10_0000..0x20_0000, 0x38_7000..end - 0x12_3000];
        // SAFETY: once, by the cell; nobody else uses the memory that the host's stand-in has.
        unsafe { frames::init(regions.into_iter()) }.expect("the description fits")
    });
    super::core_online();
    turn
}
