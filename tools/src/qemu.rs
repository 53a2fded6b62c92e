//! Boots an image in QEMU.
