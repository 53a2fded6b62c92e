//! Linker helper.
