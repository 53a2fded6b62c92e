//! The counting plugin, compiled when it is first needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

const SOURCE: &str = include_str!("../../plugin/count.c");

/// The compiled plugin. Its source lies beside it, and an unchanged source is not compiled again.
///
/// # Errors
/// If there is no C compiler, or it fails.
pub fn compiled(target: &Path) -> anyhow::Result<PathBuf> {
    let directory = target.join("roost/plugin");
    let (source, library) = (directory.join("count.c"), directory.join("libcount.so"));
    if library.exists() && std::fs::read_to_string(&source).is_ok_and(|text| text == SOURCE) {
        return Ok(library);
    }
    std::fs::create_dir_all(&directory)?;
    // The source is written last: a compilation that was cut short is done again.
    let scratch = directory.join("new.c");
    std::fs::write(&scratch, SOURCE)?;
    let output = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-o"])
        .arg(&library)
        .arg(&scratch)
        .output()
        .context("the counting plugin needs a C compiler, `cc`; the package gcc has one")?;
    if !output.status.success() {
        bail!("the counting plugin does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::rename(scratch, source)?;
    Ok(library)
}
