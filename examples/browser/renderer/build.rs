//! Links the renderer as a program of an isolated process.

fn main() {
    roost_linker::isolated();
}
