//! multiboot2
