//! The time-stamp counter as the machine's clock.
//!
//! Its frequency comes from CPUID or the hypervisor where they tell it, else from a measurement against the
//! [`ReferenceClock`]. Its zero is the machine's reset. Reading it is a multiplication: nanoseconds are
//! `ticks * scale >> 32`.
//!
//! Every core checks, as it starts, that its counter is not behind what any other core has read before
//! ([`check_against_others`]); where it is and the processor can shift it, it is shifted to the boot processor's offset.
//! If that does not help either, [`is_synchronised`] turns false for good and time is read from the reference clock.

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use x86_64::registers::model_specific::Msr;

use super::reference_clock::ReferenceClock;
use super::{apic, features};

/// Bits of scales that are behind the point.
const SCALE_BITS: u32 = 32;
/// Nanoseconds in 2^32 ticks.
static NS_SCALE: AtomicU64 = AtomicU64::new(1 << 32);
/// Ticks in 2^32 nanoseconds.
static TICK_SCALE: AtomicU64 = AtomicU64::new(1 << 32);
/// Ticks of the local APIC's timer in 2^32 nanoseconds.
static TIMER_SCALE: AtomicU64 = AtomicU64::new(1 << 32);
static FREQUENCY: AtomicU64 = AtomicU64::new(0);
/// Whether some core's counter was behind another's.
static UNSYNCHRONISED: AtomicBool = AtomicBool::new(false);
/// Whether time is read from the reference clock instead.
static BY_REFERENCE: AtomicBool = AtomicBool::new(false);

/// The greatest value that any core has read in [`check_against_others`].
static LATEST: AtomicU64 = AtomicU64::new(0);
/// How far the worst core was behind, in ticks.
static WORST_WARP: AtomicU64 = AtomicU64::new(0);
/// The boot processor's offset register.
static BOOT_ADJUST: AtomicU64 = AtomicU64::new(0);

/// How long to measure for. Long enough that the reference's resolution is below 100 ppm even for the 8254.
const WINDOW_NS: u64 = 10_000_000;

/// The counter. Not ordered with the instructions around it.
#[inline(always)]
pub fn tsc() -> u64 {
    // SAFETY: reads a counter.
    unsafe { _rdtsc() }
}

/// The counter, after everything before it in program order has been read.
#[inline(always)]
pub fn tsc_ordered() -> u64 {
    features::load_fence();
    tsc()
}

/// Nanoseconds since reset. Any context; monotonic on each core, and across cores within the bound that boot checked.
#[inline(always)]
pub fn now_ns() -> u64 {
    if BY_REFERENCE.load(Ordering::Relaxed) {
        return reference_now_ns();
    }
    ticks_to_ns(tsc())
}

/// What [`now_ns`] multiplies the counter by, and how many bits it then drops, as long as it reads the counter.
pub fn scale() -> Option<(u64, u32)> {
    (!BY_REFERENCE.load(Ordering::Relaxed)).then(|| (NS_SCALE.load(Ordering::Relaxed), SCALE_BITS))
}

/// Nanoseconds that `ticks` of the counter take.
#[inline(always)]
pub fn ticks_to_ns(ticks: u64) -> u64 {
    ((u128::from(ticks) * u128::from(NS_SCALE.load(Ordering::Relaxed))) >> SCALE_BITS) as u64
}

/// Ticks of the counter in `ns`.
#[inline(always)]
pub fn ns_to_ticks(ns: u64) -> u64 {
    ((u128::from(ns) * u128::from(TICK_SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

/// Ticks of the local APIC's timer in `ns`.
#[inline(always)]
pub(super) fn ns_to_timer_ticks(ns: u64) -> u64 {
    ((u128::from(ns) * u128::from(TIMER_SCALE.load(Ordering::Relaxed))) >> 32) as u64
}

/// The counter's frequency in Hz; 0 before calibration.
pub fn frequency() -> u64 {
    FREQUENCY.load(Ordering::Relaxed)
}

/// Whether the cores' counters agree, so that time is read from them.
pub fn is_synchronised() -> bool {
    !UNSYNCHRONISED.load(Ordering::Relaxed)
}

/// The largest disagreement between two cores' counters that was seen at boot, in ticks.
pub fn worst_warp() -> u64 {
    WORST_WARP.load(Ordering::Relaxed)
}

/// Finds out how fast the counter and the local APIC's timer run. Once, on the boot processor, interrupts off.
pub fn calibrate() {
    let told = told_frequency();
    let needs_timer = !features::get().tsc_deadline;
    let hz = match told {
        Some(hz) if !needs_timer => hz,
        _ => {
            let (measured, timer) = roost_wait_measure(ReferenceClock::get());
            TIMER_SCALE.store(((u128::from(timer) << 32) / 1_000_000_000) as u64, Ordering::Relaxed);
            told.unwrap_or(measured)
        }
    };
    FREQUENCY.store(hz, Ordering::Relaxed);
    NS_SCALE.store(((1_000_000_000_u128 << 32) / u128::from(hz)) as u64, Ordering::Relaxed);
    TICK_SCALE.store(((u128::from(hz) << 32) / 1_000_000_000) as u64, Ordering::Relaxed);
    if features::get().tsc_adjust {
        BOOT_ADJUST.store(read_adjust(), Ordering::Relaxed);
    }
    let how = if told.is_some() { "as the processor says" } else { ReferenceClock::get().name() };
    log::debug!("time-stamp counter: {hz} Hz ({how})");
}

/// The frequency, where somebody knows it exactly.
fn told_frequency() -> Option<u64> {
    const HYPERVISOR_TIMING: u32 = 0x4000_0010;
    let cpuid = features::cpuid();
    if let Some(hz) = cpuid.get_tsc_info().and_then(|info| info.tsc_frequency()) {
        return Some(hz);
    }
    if !features::get().hypervisor {
        return None;
    }
    let base = core::arch::x86_64::__cpuid(0x4000_0000);
    let khz = (base.eax >= HYPERVISOR_TIMING).then(|| core::arch::x86_64::__cpuid(HYPERVISOR_TIMING).eax)?;
    (khz != 0).then(|| u64::from(khz) * 1000)
}

/// The three counters at one moment, as near as they could be read together.
#[derive(Clone, Copy)]
struct Sample {
    reference: u64,
    timer: u32,
    tsc: u64,
    /// Ticks of the time-stamp counter that the reading took.
    width: u64,
}

impl Sample {
    fn take(reference: ReferenceClock) -> Self {
        let before = tsc_ordered();
        let (reference, timer) = (reference.now(), apic::timer_count());
        let width = tsc_ordered() - before;
        Sample { reference, timer, tsc: before + width / 2, width }
    }
}

/// Counts both for a window of the reference clock. Frequencies of the time-stamp counter and of the APIC timer, in Hz.
///
/// Both ends are readings that took no longer than the quickest: under a hypervisor, the others are those in which
/// somebody else had the processor.
///
/// Not inlined, and named for what it is: benchmarks of boot leave out the instructions of waiting.
#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn roost_wait_measure(reference: ReferenceClock) -> (u64, u64) {
    const FIRST_READINGS: usize = 16;
    let window = WINDOW_NS * reference.hz() / 1_000_000_000;
    apic::start_counting();
    let mut start = Sample::take(reference);
    for _ in 1..FIRST_READINGS {
        let sample = Sample::take(reference);
        if sample.width < start.width {
            start = sample;
        }
    }
    let mut quickest = start.width;
    loop {
        let end = Sample::take(reference);
        quickest = quickest.min(end.width);
        let elapsed = reference.elapsed(start.reference, end.reference);
        // Four windows are less than a turn of any reference.
        if elapsed >= window && (end.width <= quickest + quickest / 2 || elapsed >= 4 * window) {
            let per_second = |ticks: u64| (u128::from(ticks) * u128::from(reference.hz()) / u128::from(elapsed)) as u64;
            return (per_second(end.tsc - start.tsc), per_second(u64::from(start.timer - end.timer)));
        }
        super::relax();
    }
}

/// Checks this core's counter against all that have been checked or are being checked, and mends it if it can.
///
/// On every core as it starts, with interrupts off. Rounds are few: each is an exchange on one shared line.
pub fn check_against_others() {
    if features::get().tsc_adjust {
        let boot = BOOT_ADJUST.load(Ordering::Relaxed);
        if read_adjust() != boot {
            write_adjust(boot);
        }
    }
    const ROUNDS: usize = 16;
    let warp = (0..ROUNDS)
        .map(|_| {
            let now = tsc_ordered();
            // The full fence of the exchange orders this read after every earlier one on other cores.
            LATEST.fetch_max(now, Ordering::SeqCst).saturating_sub(now)
        })
        .max()
        .unwrap_or(0);
    WORST_WARP.fetch_max(warp, Ordering::Relaxed);
    if warp > 0 {
        UNSYNCHRONISED.store(true, Ordering::Relaxed);
    }
}

/// Says what came of the checks, once all cores have made theirs.
pub fn report_synchronisation() {
    if !is_synchronised() {
        log::warn!(
            "the cores' time-stamp counters disagree by up to {} ns: time is read from the {}, which is slow",
            ticks_to_ns(worst_warp()),
            ReferenceClock::get().name(),
        );
        // The reference goes on from the time that it is now.
        let reference = ReferenceClock::get();
        let ticks = u128::from(ticks_to_ns(tsc())) * u128::from(reference.hz()) / 1_000_000_000;
        *REFERENCE_TICKS.lock() = (reference.now(), ticks as u64);
        BY_REFERENCE.store(true, Ordering::Relaxed);
    }
}

const IA32_TSC_ADJUST: u32 = 0x3b;

fn read_adjust() -> u64 {
    // SAFETY: the processor has the register.
    unsafe { Msr::new(IA32_TSC_ADJUST).read() }
}

fn write_adjust(value: u64) {
    // SAFETY: shifts this core's counter; nobody has read it yet.
    unsafe { Msr::new(IA32_TSC_ADJUST).write(value) };
}

/// The reference clock's last reading and all ticks up to it.
static REFERENCE_TICKS: spin::Mutex<(u64, u64)> = spin::Mutex::new((0, 0));

/// Nanoseconds by the reference clock. Read at least once a turn of the counter, or turns are missed; the idle loop's
/// and the alarms' readings see to that.
#[cold]
fn reference_now_ns() -> u64 {
    let reference = ReferenceClock::get();
    let flags = super::irq::save_and_disable();
    let total = {
        let mut state = REFERENCE_TICKS.lock();
        let now = reference.now();
        state.1 += reference.elapsed(state.0, now);
        state.0 = now;
        state.1
    };
    // SAFETY: the innermost.
    unsafe { super::irq::restore(flags) };
    (u128::from(total) * 1_000_000_000 / u128::from(reference.hz())) as u64
}

/// Spins for at least `ns` nanoseconds of the time-stamp counter. For hardware that wants a pause, never for another core.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "Rust" fn roost_wait_ns(ns: u64) {
    let end = tsc() + ns_to_ticks(ns);
    while tsc() < end {
        super::relax();
    }
}
