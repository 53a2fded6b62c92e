//! Links the crate's binaries as programs of isolated processes.

fn main() {
    roost_linker::isolated();
}
