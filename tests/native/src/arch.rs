//! What the kernel's files name of `arch`.

/// A moment's rest in a loop that waits.
pub fn relax() {
    std::hint::spin_loop();
}
