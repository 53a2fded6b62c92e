//! Links the browser as a bootable image, and builds the program of its renderers.

fn main() {
    roost_linker::image();
    roost_linker::program("renderer");
}
