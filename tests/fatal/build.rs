//! Links the crate as a bootable image, and builds the programs of its processes.

fn main() {
    roost_linker::image();
    roost_linker::program("../programs");
}
