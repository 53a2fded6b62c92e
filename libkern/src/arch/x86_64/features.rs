//! Processor features: which there are, and turning the protections on.

use core::arch::asm;
use core::arch::x86_64::{_rdrand64_step, _rdseed64_step};

use conquer_once::spin::OnceCell;
use raw_cpuid::{CpuId, CpuIdReaderNative};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

use super::memops;

/// What of the processor's features the kernel acts on.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each field is the feature of its name")]
pub struct Features {
    pub nx: bool,
    pub pages_1g: bool,
    pub smep: bool,
    pub smap: bool,
    pub umip: bool,
    pub xsave: bool,
    pub erms: bool,
    pub x2apic: bool,
    pub tsc_deadline: bool,
    pub tsc_adjust: bool,
    pub rdrand: bool,
    pub rdseed: bool,
    pub hypervisor: bool,
}

static FEATURES: OnceCell<Features> = OnceCell::uninit();

/// The boot processor's features, read once. The others are taken to have the same.
pub fn get() -> &'static Features {
    FEATURES.get_or_init(detect)
}

/// The processor's own account of itself.
pub(super) fn cpuid() -> CpuId<CpuIdReaderNative> {
    CpuId::new()
}

fn detect() -> Features {
    let cpuid = cpuid();
    let basic = cpuid.get_feature_info();
    let basic = |test: fn(&raw_cpuid::FeatureInfo) -> bool| basic.as_ref().is_some_and(test);
    let more = cpuid.get_extended_feature_info();
    let more = |test: fn(&raw_cpuid::ExtendedFeatures) -> bool| more.as_ref().is_some_and(test);
    let amd = cpuid.get_extended_processor_and_feature_identifiers();
    let amd = |test: fn(&raw_cpuid::ExtendedProcessorFeatureIdentifiers) -> bool| amd.as_ref().is_some_and(test);
    Features {
        nx: amd(|f| f.has_execute_disable()),
        pages_1g: amd(|f| f.has_1gib_pages()),
        smep: more(|f| f.has_smep()),
        smap: more(|f| f.has_smap()),
        umip: more(|f| f.has_umip()),
        xsave: basic(|f| f.has_xsave()),
        erms: more(|f| f.has_rep_movsb_stosb()),
        x2apic: basic(|f| f.has_x2apic()),
        tsc_deadline: basic(|f| f.has_tsc_deadline()),
        tsc_adjust: more(|f| f.has_tsc_adjust_msr()),
        rdrand: basic(|f| f.has_rdrand()),
        rdseed: more(|f| f.has_rdseed()),
        hypervisor: basic(|f| f.has_hypervisor()),
    }
}

/// Turns on, on this core, what protects the kernel from itself and from processes, and the vector state.
pub fn enable_on_this_core() {
    let features = get();
    let mut cr4 = Cr4::read() | Cr4Flags::PAGE_GLOBAL;
    cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, features.smep);
    cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, features.smap);
    cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, features.umip);
    cr4.set(Cr4Flags::OSXSAVE, features.xsave);
    // SAFETY: only features that the processor has, none of which changes how kernel code runs: it neither executes
    // nor touches user pages.
    unsafe {
        Cr4::write(cr4);
        Cr0::update(|cr0| cr0.insert(Cr0Flags::WRITE_PROTECT | Cr0Flags::NUMERIC_ERROR));
        if features.nx {
            Efer::update(|efer| efer.insert(EferFlags::NO_EXECUTE_ENABLE));
        }
    }
    if features.xsave {
        enable_vector_state();
    }
    memops::set_fast_rep(features.erms);
}

fn enable_vector_state() {
    let supported = cpuid().get_extended_state_info().map_or(0, |state| state.xcr0_supports_avx_256() as u64);
    let mut wanted = XCr0Flags::X87 | XCr0Flags::SSE;
    wanted.set(XCr0Flags::AVX, supported != 0);
    // SAFETY: OSXSAVE is on, and only states are enabled that the processor says it has.
    unsafe { XCr0::write(wanted) };
}

/// Sixty-four bits from the processor's random number generator, if it has one and it delivers.
///
/// Any context. RDSEED is asked first, then RDRAND, each some times, as their makers advise.
pub fn entropy() -> Option<u64> {
    #[target_feature(enable = "rdseed")]
    fn rdseed() -> Option<u64> {
        let mut value = 0;
        (0..16).any(|_| _rdseed64_step(&mut value) == 1).then_some(value)
    }
    #[target_feature(enable = "rdrand")]
    fn rdrand() -> Option<u64> {
        let mut value = 0;
        (0..16).any(|_| _rdrand64_step(&mut value) == 1).then_some(value)
    }
    let features = get();
    // SAFETY: called only where the processor has the instruction.
    let seed = features.rdseed.then(|| unsafe { rdseed() }).flatten();
    // SAFETY: as above.
    seed.or_else(|| features.rdrand.then(|| unsafe { rdrand() }).flatten())
}

/// Waits until all loads before it are done, so that a time stamp read next is not early.
#[inline(always)]
pub(super) fn load_fence() {
    // SAFETY: orders, and does nothing else.
    unsafe { asm!("lfence", options(nostack, preserves_flags)) };
}

/// Which protections are on, on this core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is the protection of its name")]
pub struct Protections {
    pub write_protect: bool,
    pub no_execute: bool,
    pub smep: bool,
    pub smap: bool,
    pub umip: bool,
}

/// Reads back what `enable_on_this_core` did.
#[must_use]
pub fn protections() -> Protections {
    let cr4 = Cr4::read();
    Protections {
        write_protect: Cr0::read().contains(Cr0Flags::WRITE_PROTECT),
        no_execute: Efer::read().contains(EferFlags::NO_EXECUTE_ENABLE),
        smep: cr4.contains(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION),
        smap: cr4.contains(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION),
        umip: cr4.contains(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION),
    }
}
