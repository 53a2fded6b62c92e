use std::collections::BTreeMap;
use std::process::Command;

use super::*;
use crate::host::find;

/// Every file below `directory` by its path, with its text and whether it is executable.
fn files_below(directory: &Path) -> BTreeMap<String, (String, bool)> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
            let is_executable = path.metadata().unwrap().permissions().mode() & 0o111 != 0;
            files.insert(name, (fs::read_to_string(&path).unwrap(), is_executable));
        }
    }
    files
}

fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../app-template")
}

fn made(source: &Source) -> BTreeMap<String, (String, bool)> {
    let directory = tempfile::tempdir().unwrap();
    let project = directory.path().join("demo-app");
    create(&project, "demo-app", source).unwrap();
    files_below(&project)
}

#[test]
fn every_file_of_the_template_is_compiled_in() {
    let mut expected = BTreeMap::new();
    for (name, (text, is_executable)) in files_below(&template()) {
        if !["cargo-generate.toml", "sources.rhai"].contains(&name.as_str()) {
            expected.insert(name.trim_end_matches(".liquid").to_owned(), (text, is_executable));
        }
    }
    let compiled =
        template::FILES.iter().map(|file| (file.path.to_owned(), (file.text.to_owned(), file.is_executable)));
    assert_eq!(compiled.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn a_project_has_its_name_and_its_source_everywhere() {
    let files = made(&Source::Git("https://example.test/roost".into()));
    let (manifest, _) = &files["Cargo.toml"];
    let table: toml::Table = manifest.parse().unwrap();
    assert_eq!(table["package"]["name"].as_str(), Some("demo-app"));
    assert_eq!(table["dependencies"]["libkern"]["git"].as_str(), Some("https://example.test/roost"));
    assert_eq!(table["build-dependencies"]["roost-linker"]["git"].as_str(), Some("https://example.test/roost"));
    assert!(files[".cargo/runner"].0.contains("cargo install --locked --git 'https://example.test/roost' roost-tools"));
    for (name, (text, is_executable)) in &files {
        assert!(!text.contains("{{") && !text.contains("{%"), "{name}: {text}");
        assert_eq!(*is_executable, name == ".cargo/runner", "{name}");
    }
}

#[test]
fn the_settings_in_a_new_project_are_ones_that_exist() {
    let directory = tempfile::tempdir().unwrap();
    let (manifest, _) = &made(&Source::Version("0.1.0".into()))["Cargo.toml"];
    // Those that are commented out, too.
    let manifest: String = manifest
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line).to_owned() + "\n")
        .collect();
    fs::write(directory.path().join("Cargo.toml"), &manifest).unwrap();
    let package = crate::build::Package::open(directory.path()).unwrap();
    assert_eq!(package.settings.timeout, Some(60), "{manifest}");
}

#[test]
fn what_exists_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let source = Source::Version("0.1.0".into());
    let project = directory.path().join("a");
    fs::create_dir(&project).unwrap();
    create(&project, "a", &source).unwrap();
    let error = create(&project, "a", &source).unwrap_err().to_string();
    assert!(error.contains("exists already"), "{error}");
    let file = directory.path().join("b");
    fs::write(&file, "").unwrap();
    assert!(create(&file, "b", &source).is_err());
}

#[test]
fn cargo_generate_makes_the_same_project() {
    let Some(program) = find::on_path("cargo-generate") else {
        eprintln!("skipped: there is no cargo-generate");
        return;
    };
    for (source, values) in [
        (Source::Path("/a place/roost".into()), ["libkern_from=path", "roost_path=/a place/roost"]),
        (Source::Git("https://example.test/r".into()), ["libkern_from=git", "roost_git=https://example.test/r"]),
        (Source::Version("0.1.0".into()), ["libkern_from=version", "roost_version=0.1.0"]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let output = Command::new(&program)
            .args(["generate", "--silent", "--vcs", "none", "--name", "demo-app", "--path"])
            .arg(template().canonicalize().unwrap())
            .args(["-d", values[0], "-d", values[1]])
            .current_dir(directory.path())
            // It keeps its own settings there.
            .env("CARGO_HOME", directory.path().join("home"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(files_below(&directory.path().join("demo-app")), made(&source), "{source}");
    }
}
