//! A jump into data.

#![no_std]
#![no_main]

#[libkern::main]
fn main() {
    static RETURN: [u8; 16] = [0xc3; 16];
    // SAFETY: none; the image is to die of it.
    let function =
        unsafe { core::mem::transmute::<*const u8, extern "C" fn()>(core::hint::black_box(RETURN.as_ptr())) };
    function();
    libkern::println!("still alive after executing data");
}
