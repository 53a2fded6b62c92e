//! The template's files, and the little of its language that they use.

/// A file of the template, as `cargo generate` would name it in a project.
pub struct File {
    /// Its place in the project.
    pub path: &'static str,
    /// Its text, with variables.
    pub text: &'static str,
    /// Whether it is a program.
    pub is_executable: bool,
}

macro_rules! file {
    ($path:literal) => {
        file!($path from $path)
    };
    ($path:literal from $template:literal) => {
        File {
            path: $path,
            // Through a link to the template, so that the file is part of this crate when it is packaged.
            text: include_str!(concat!("../../app-template/", $template)),
            is_executable: false,
        }
    };
}

/// All of them.
pub const FILES: &[File] = &[
    File { is_executable: true, ..file!(".cargo/runner" from ".cargo/runner.liquid") },
    file!(".cargo/config.toml"),
    file!(".gitignore"),
    file!(".vscode/settings.json"),
    file!("Cargo.toml" from "Cargo.toml.liquid"),
    file!("README.md" from "README.md.liquid"),
    file!("build.rs"),
    file!("grub.cfg"),
    file!("src/main.rs"),
    file!("tests/guest.rs"),
];

/// Replaces each `{{name}}` by the value of the variable.
///
/// # Panics
/// If the text has a variable of another name: the template is this program's own.
pub fn substitute(text: &str, variables: &[(&str, String)]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("a variable of the template ends");
        let variable = variables.iter().find(|(known, _)| *known == name.trim());
        let (_, value) = variable.unwrap_or_else(|| panic!("the template has an unknown variable `{name}`"));
        result.push_str(before);
        result.push_str(value);
        rest = after;
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        let variables = [("a", "x".to_owned()), ("b-c", "{y}".to_owned())];
        assert_eq!(substitute("{{a}}{{a}} { {{ b-c }} } {", &variables), "xx { {y} } {");
    }

    #[test]
    fn values_are_not_read_again() {
        assert_eq!(substitute("{{a}}", &[("a", "{{a}}".to_owned())]), "{{a}}");
    }
}
