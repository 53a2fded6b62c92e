//! `cargo roost new`: a project from the template, without cargo-generate.
//!
//! The template is that of `cargo generate`, compiled into this program. It only substitutes variables, so that
//! nothing but [`template`]'s few lines are needed to do the same; what depends on a choice is worked out into
//! variables first, by [`source`] here and by the template's `sources.rhai` there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use source::Source;

mod name;
mod source;
mod template;
#[cfg(test)]
mod tests;

/// Make a new application
///
/// Makes a directory with a project that builds with `cargo build`, boots with `cargo run` and tests with
/// `cargo test`. Without an option that says where libkern comes from, it is the checkout of Roost around this
/// directory, else the one that this program was built from, else the registry.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the package and of its directory: lowercase letters, digits, `-` and `_`
    name: String,

    /// Use libkern from a checkout of Roost
    #[arg(long, value_name = "DIR", group = "from")]
    libkern_path: Option<PathBuf>,

    /// Use libkern from Roost's git repository
    #[arg(long, value_name = "URL", group = "from")]
    git: Option<String>,

    /// Use this version of libkern from the registry
    #[arg(long, value_name = "VERSION", group = "from")]
    version: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<ExitCode> {
    name::check(&args.name)?;
    let source = match (&args.libkern_path, args.git, args.version) {
        (Some(path), ..) => Source::path(path)?,
        (_, Some(url), _) => Source::git(url)?,
        (_, _, Some(version)) => Source::version(version)?,
        _ => Source::default()?,
    };
    let directory = Path::new(&args.name);
    create(directory, &args.name, &source)?;
    println!(
        "Made `{0}`, with libkern from {source}.\n\n    cd {0}\n    cargo run       boots it\n    \
         cargo test      boots its tests",
        args.name
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes the project `name` to `directory`, which must not exist or be empty.
fn create(directory: &Path, name: &str, source: &Source) -> Result<()> {
    if directory.exists() {
        let is_empty = directory.is_dir() && fs::read_dir(directory)?.next().is_none();
        if !is_empty {
            bail!("`{}` exists already; choose another name, or remove it", directory.display());
        }
    }
    let mut variables = source.variables();
    variables.push(("project-name", name.to_owned()));
    for file in template::FILES {
        let path = directory.join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        let text = template::substitute(file.text, &variables);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        if file.is_executable {
            let mode = path.metadata()?.permissions().mode();
            // Whoever may read it may execute it.
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))?;
        }
    }
    Ok(())
}
