//! `[package.metadata.roost]`: how an application wants to be run.

use serde::Deserialize;

use super::profile::Profile;
use crate::qemu::{Accel, Boot, Machine, Size};

/// Settings in an application's `Cargo.toml`; the command line overrides each of them.
///
/// ```toml
/// [package.metadata.roost]
/// smp = 8
/// mem = "1G"
/// args = ["--verbose"]
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of cores.
    pub smp: Option<u32>,
    /// Amount of memory, as in `"128M"`.
    pub mem: Option<Size>,
    /// Board: `"microvm"`, `"q35"` or `"pc"`.
    pub machine: Option<Machine>,
    /// What loads the image: `"kernel"`, `"grub-bios"`, `"grub-uefi"`.
    pub boot: Option<Boot>,
    /// What executes it: `"auto"`, `"tcg"`, `"kvm"`.
    pub accel: Option<Accel>,
    /// Whether it has a screen and a keyboard, in a window where that can be.
    pub display: Option<bool>,
    /// QEMU's name of the CPU model.
    pub cpu: Option<String>,
    /// Arguments, one per string.
    pub args: Option<Vec<String>>,
    /// `"dev"` or `"release"`.
    pub profile: Option<Profile>,
    /// Seconds after which a run is ended.
    pub timeout: Option<u64>,
}
