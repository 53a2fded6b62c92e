//! libmcp
#![no_std]
