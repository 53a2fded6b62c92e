//! Links the crate as a bootable image.

fn main() {
    roost_linker::image();
}
