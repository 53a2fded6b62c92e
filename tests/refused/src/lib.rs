//! Programs that must not compile: what types forbid. Each marks the one line that is wrong, with words of what the compiler
//! says about it after `//~`. `cargo roost test refused::` compiles them.

#![no_std]
