//! The many-core process runtime.
//!
//! What a many-core process links: the same crate for a process that is resident in the image and for one that is
//! isolated in ring 3. What it shares with the kernel and the tools is [`abi`].

#![no_std]

pub use mcp_abi as abi;
