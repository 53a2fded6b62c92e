//! bootinfo.
