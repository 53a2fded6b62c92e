//! Links the binary and the tests as images.

fn main() {
    roost_linker::image();
}
