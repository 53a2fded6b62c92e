//! Decides how missing tools get onto the system, says so, and has it done.

use std::path::PathBuf;
use std::sync::Once;

use anyhow::{Result, anyhow};

use super::execute::Executor;
use super::find::{GOOD_QEMU, OLDEST_QEMU, State};
use super::packages::{self, Manager};
use super::plan::Step;
use super::privilege::Privilege;
use super::tool::Tool;
use super::{apt, cache, find};

/// Installs `tools`, each of which is missing or old.
///
/// A QEMU that is old but works is only replaced where apt may have a newer one, and looking for that
/// once is enough: what came of it is remembered until another QEMU appears.
///
/// # Errors
/// A sentence with what to type or do, if something that is missing could not be installed.
pub fn install(tools: &[Tool], no_install: bool) -> Result<()> {
    let can_do_without = |tool: &Tool| find::look(*tool).path().is_some();
    if tools.iter().all(can_do_without) {
        return upgrade_qemu(no_install);
    }
    let Some(manager) = Manager::detect() else {
        return Err(missing(tools, "This system has no package manager that Roost knows."));
    };
    let Ok(packages) = manager.packages_for(tools) else {
        let reason = format!("`{}` does not have all of it.", manager.program());
        return Err(missing(tools, &reason));
    };
    let privilege = privilege_for(manager);
    if no_install {
        return Err(to_type(tools, "--no-install was given", manager, &packages, privilege));
    }
    if privilege == Privilege::Unavailable {
        let reason = "that needs root, and there is no way to ask for it here";
        return Err(to_type(tools, reason, manager, &packages, privilege));
    }
    eprintln!("{}\nInstalling with {}: {}", needed(tools), manager.program(), packages.join(" "));
    carry_out(manager, tools, privilege)
}

/// Replaces a QEMU that works but is old, if a newer one is to be had.
fn upgrade_qemu(no_install: bool) -> Result<()> {
    let State::Old { version, .. } = find::look(Tool::Qemu) else {
        return Ok(());
    };
    let looked_before = kept_version().as_deref() == Some(version.to_string().as_str());
    if looked_before || no_install {
        return Ok(());
    }
    let manager = Manager::detect();
    let privilege = manager.map_or(Privilege::Unavailable, privilege_for);
    let remark = |hint: &str| {
        // Once a process: several commands in a row may ask for QEMU.
        static REMARK: Once = Once::new();
        REMARK.call_once(|| {
            eprintln!(
                "note: this is QEMU {version}. It works, but x2APIC without KVM needs {GOOD_QEMU} or \
                 later.{hint}"
            );
        });
    };
    if manager != Some(Manager::Apt) {
        remark("");
        return keep_version(&version.to_string());
    }
    if privilege == Privilege::Unavailable {
        remark(" `cargo roost setup` looks for a newer one.");
        return Ok(());
    }
    eprintln!("QEMU {version} is installed; looking for {GOOD_QEMU} or later with apt-get.");
    carry_out(Manager::Apt, &[Tool::Qemu], privilege)?;
    if matches!(find::look(Tool::Qemu), State::Old { .. }) {
        remark(" There is no newer one to be had here.");
        keep_version(&version.to_string())?;
    }
    Ok(())
}

/// Forgets that a newer QEMU was looked for, so that it is looked for again.
pub fn forget_kept_version() {
    // It may well not be there.
    let _ = std::fs::remove_file(kept_file());
}

fn kept_file() -> PathBuf {
    cache::directory().join("qemu-kept")
}

fn kept_version() -> Option<String> {
    std::fs::read_to_string(kept_file()).ok()
}

fn keep_version(version: &str) -> Result<()> {
    let file = kept_file();
    std::fs::create_dir_all(cache::directory())?;
    std::fs::write(file, version)?;
    Ok(())
}

fn privilege_for(manager: Manager) -> Privilege {
    if manager.needs_root() { Privilege::detect() } else { Privilege::Root }
}

fn carry_out(manager: Manager, tools: &[Tool], privilege: Privilege) -> Result<()> {
    let executor = Executor::new(privilege)?;
    // Another process may have done it while we waited for the installer's lock.
    let is_wanted = |tool: &Tool| find::look(*tool).is_worth_installing();
    let tools: Vec<_> = tools.iter().copied().filter(is_wanted).collect();
    if tools.is_empty() {
        return Ok(());
    }
    if manager == Manager::Apt {
        return apt::install(&tools, &executor);
    }
    let packages = manager.packages_for(&tools).unwrap_or_default();
    let step = Step::run(manager.install_command().iter().copied().chain(packages));
    executor.run("Installing", &step)
}

/// How to get a tool, in half a sentence.
pub fn how_to_get(tool: Tool) -> String {
    let packages = Manager::detect().map(|manager| (manager, manager.packages(tool)));
    match packages {
        Some((manager, packages)) if !packages.is_empty() => {
            format!("`{}` has it as {}", manager.program(), packages.join(", "))
        }
        _ => format!("please install {}", packages::by_hand(tool)),
    }
}

/// "Needed to boot an image: QEMU." for each tool.
fn needed(tools: &[Tool]) -> String {
    let line = |tool: &Tool| match find::look(*tool) {
        State::TooOld { version, .. } => {
            format!("Needed to {}: {} {OLDEST_QEMU} or later (this is {version}).", tool.purpose(), tool.name())
        }
        _ => format!("Needed to {}: {}.", tool.purpose(), tool.name()),
    };
    tools.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn missing(tools: &[Tool], reason: &str) -> anyhow::Error {
    let list: Vec<_> = tools.iter().map(|tool| format!("  {}", packages::by_hand(*tool))).collect();
    anyhow!("{}\n{reason} Please install:\n{}", needed(tools), list.join("\n"))
}

fn to_type(tools: &[Tool], reason: &str, manager: Manager, packages: &[&str], privilege: Privilege) -> anyhow::Error {
    let steps = if manager == Manager::Apt {
        apt::plan(tools)
    } else {
        vec![Step::run(manager.command_to_type().iter().chain(packages).copied())]
    };
    let lines: Vec<_> = steps.iter().map(|step| step.shell(privilege)).collect();
    anyhow!("{}\nNothing was installed: {reason}. To install it, type:\n\n{}", needed(tools), lines.join("\n"))
}
