//! Where this program keeps what it can make again.

use std::path::PathBuf;

/// The directory: `$XDG_CACHE_HOME/roost`, usually `~/.cache/roost`.
#[must_use]
pub fn directory() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("roost")
}
