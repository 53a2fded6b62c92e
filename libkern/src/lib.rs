//! libkern
#![no_std]
