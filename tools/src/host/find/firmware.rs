//! UEFI firmware for QEMU.
//!
//! Distributions describe theirs in small JSON files (QEMU's `docs/interop/firmware.json` is their
//! schema), which is how one asks on any system for "UEFI, x86-64, writable variables, no Secure Boot".
//! Where there are none, a table of known places helps.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Firmware that QEMU maps as two flash chips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ovmf {
    /// The code. Never written.
    pub code: PathBuf,
    /// An empty variable store. Each machine needs a copy of its own, because the firmware writes it.
    pub vars: PathBuf,
}

impl Ovmf {
    fn is_there(&self) -> bool {
        self.code.is_file() && self.vars.is_file()
    }
}

/// Where descriptors live, the user's own first, as the schema's document orders them.
const DESCRIPTORS: [&str; 3] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware", "/usr/local/share/qemu/firmware"];

/// Code and variables, where there is no descriptor.
const PLACES: [(&str, &str); 8] = [
    // Debian, Ubuntu.
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    // Older Debian and Ubuntu, Alpine.
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    // Fedora.
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    // Arch.
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    // openSUSE.
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
    // QEMU as its own sources install it. The variable store is the same for both word sizes.
    ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),
    ("/usr/local/share/qemu/edk2-x86_64-code.fd", "/usr/local/share/qemu/edk2-i386-vars.fd"),
    ("/opt/homebrew/share/qemu/edk2-x86_64-code.fd", "/opt/homebrew/share/qemu/edk2-i386-vars.fd"),
];

/// The parts of a descriptor that matter here.
#[derive(Deserialize)]
struct Descriptor {
    #[serde(rename = "interface-types")]
    interfaces: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct Mapping {
    device: String,
    executable: Option<File>,
    #[serde(rename = "nvram-template")]
    nvram_template: Option<File>,
}

#[derive(Deserialize)]
struct File {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
}

/// The first usable firmware on this system.
pub fn find() -> Option<Ovmf> {
    let described = DESCRIPTORS
        .iter()
        .flat_map(|directory| descriptors_in(Path::new(directory)))
        .filter_map(|path| usable(&std::fs::read(path).ok()?));
    let known = PLACES.iter().map(|(code, vars)| Ovmf { code: code.into(), vars: vars.into() });
    described.chain(known).find(Ovmf::is_there)
}

/// The directory's descriptors in the order of their names, which begin with a priority.
fn descriptors_in(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    paths
}

/// What a descriptor offers, if it is what we need: plain UEFI with its variables in flash.
fn usable(json: &[u8]) -> Option<Ovmf> {
    let descriptor: Descriptor = serde_json::from_slice(json).ok()?;
    let unwanted = ["secure-boot", "requires-smm", "enrolled-keys"];
    let fits = descriptor.interfaces.iter().any(|name| name == "uefi")
        && descriptor.mapping.device == "flash"
        && descriptor.targets.iter().any(|target| target.architecture == "x86_64")
        && !descriptor.features.iter().any(|feature| unwanted.contains(&feature.as_str()));
    let code = descriptor.mapping.executable?;
    let vars = descriptor.mapping.nvram_template?;
    (fits && code.format == "raw" && vars.format == "raw").then_some(Ovmf { code: code.filename, vars: vars.filename })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(device: &str, format: &str, feature: &str) -> Vec<u8> {
        format!(
            r#"{{ "description": "d", "interface-types": ["uefi"],
                 "mapping": {{ "device": "{device}",
                   "executable": {{ "filename": "/f/CODE", "format": "{format}" }},
                   "nvram-template": {{ "filename": "/f/VARS", "format": "{format}" }} }},
                 "targets": [ {{ "architecture": "x86_64", "machines": ["pc-q35-*"] }} ],
                 "features": ["{feature}"], "tags": [] }}"#
        )
        .into_bytes()
    }

    #[test]
    fn plain_firmware_in_flash_is_taken() {
        let ovmf = usable(&descriptor("flash", "raw", "acpi-s3")).expect("fits");
        assert_eq!(ovmf.code, Path::new("/f/CODE"));
        assert_eq!(ovmf.vars, Path::new("/f/VARS"));
    }

    #[test]
    fn firmware_that_needs_more_is_not() {
        assert_eq!(usable(&descriptor("flash", "raw", "secure-boot")), None);
        assert_eq!(usable(&descriptor("flash", "raw", "requires-smm")), None);
        assert_eq!(usable(&descriptor("flash", "qcow2", "acpi-s3")), None);
        assert_eq!(usable(&descriptor("memory", "raw", "acpi-s3")), None);
        assert_eq!(usable(b"{}"), None);
    }
}
