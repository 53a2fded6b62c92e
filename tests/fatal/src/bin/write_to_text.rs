//! A store to the image's own code.

#![no_std]
#![no_main]

#[libkern::main]
fn main() {
    let code = core::hint::black_box(innocent as *const () as *mut u8);
    // SAFETY: none; the image is to die of it.
    unsafe { code.write_volatile(0xcc) };
    innocent();
}

#[inline(never)]
fn innocent() {
    libkern::println!("still alive after writing to text");
}
