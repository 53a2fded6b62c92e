//! Layouts and numbers that two parties share who are compiled apart: an image, the tools that boot it, and the programs
//! that run in it. Depends on nothing.

#![no_std]

pub mod call;
pub mod exit;
pub mod handle;
pub mod note;
pub mod process;
