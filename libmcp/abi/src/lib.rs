//! libmcp/abi
#![no_std]
