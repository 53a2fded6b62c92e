//! rsdp
