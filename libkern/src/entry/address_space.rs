//! Builds the kernel's own address space from the memory map.

use crate::arch::paging::{self, Caching, MapError, Rights};
use crate::bootinfo::{Kind, MemoryMap};

/// Maps the image, segment by segment, and all RAM, and switches to the result.
///
/// # Errors
/// If memory for page tables runs out.
///
/// # Safety
/// Once, on the boot processor; `image` is where the image lies in physical memory.
pub(super) unsafe fn build(memory: &MemoryMap, image: u64, frames: paging::FrameSource) -> Result<(), MapError> {
    let segments = paging::image_segments(image);
    let virt = |phys: u64| paging::direct_map_base() + phys as usize;
    // SAFETY: the image is mapped where it is linked with the rights that its segments need; in the direct map nothing
    // is executable, and what is executable in the image, or constant, is not writable.
    unsafe {
        paging::create(frames)?;
        for (range, rights) in &segments {
            let at = paging::IMAGE + (range.start - image) as usize;
            let len = range.end - range.start;
            paging::map(at, range.start, len, *rights, Caching::WriteBack)?;
            let direct = if *rights == Rights::ReadWrite { Rights::ReadWrite } else { Rights::Read };
            paging::map(virt(range.start), range.start, len, direct, Caching::WriteBack)?;
        }
        for region in memory.regions() {
            let is_ram = match region.kind {
                Kind::Usable | Kind::AcpiReclaimable | Kind::AcpiNvs | Kind::BootData | Kind::Module => true,
                Kind::Image | Kind::Reserved | Kind::Bad => false,
            };
            if is_ram {
                let len = region.len_bytes();
                paging::map(virt(region.start), region.start, len, Rights::ReadWrite, Caching::WriteBack)?;
            }
        }
        paging::load_attributes();
        paging::load();
    }
    Ok(())
}
