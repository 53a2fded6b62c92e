//! Where the workspace is.

use std::path::PathBuf;

use anyhow::Context;

/// The root of the workspace around the current directory.
///
/// # Errors
/// If the current directory is in no Cargo workspace.
pub fn root() -> anyhow::Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec();
    Ok(metadata
        .context("this command works inside a checkout of Roost")?
        .workspace_root
        .into_std_path_buf())
}
