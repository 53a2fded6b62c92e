//! mem.
pub mod frames;
pub mod phys;
#[cfg(test)]
pub(crate) mod testing;

/// Online.
pub fn core_online() {
    frames::core_online();
}
