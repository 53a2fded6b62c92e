//! A read through a null pointer.

#![no_std]
#![no_main]

#[libkern::main]
fn main() {
    let nothing = core::hint::black_box(core::ptr::null::<u32>());
    // SAFETY: none; the image is to die of it.
    let value = unsafe { nothing.add(4).read_volatile() };
    libkern::println!("still alive after reading {value} through null");
}
