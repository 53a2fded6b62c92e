//! GRUB's configuration on a medium.
//!
//! One function, `boot_app`, loads the image with its arguments and starts it. Without a configuration of the
//! user's it is called at once, with no menu and no wait. With one, that is read after the function is
//! defined and calls it when and with what further arguments it likes.
//!
//! Arguments pass through three languages. The command line that we are given has blanks between words, and
//! quotes and backslashes that protect them; GRUB's script has its own quotes; and GRUB then writes a command
//! line for the image in which it protects blanks, quotes and backslashes of each word again. So the line is
//! taken apart into words here, and each word is quoted for GRUB. The image sees the same words; it would not
//! if the line were handed through as it is.

use std::fmt::Write as _;

use anyhow::{Result, bail};

/// Where the image lies on the medium.
pub const IMAGE: &str = "/boot/app.elf";
/// Where the configuration lies.
pub const PATH: &str = "/boot/grub/grub.cfg";

/// What goes into the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The image's command line.
    pub args: &'a str,
    /// The user's own part.
    pub user: Option<&'a str>,
}

/// Terminals, and a graphics mode for images that ask for a framebuffer.
///
/// The serial line is used in addition to the screen where there is one. GRUB is quiet on both.
const PROLOGUE: &str = "\
# Made by `cargo roost image`.
terminal_input console
terminal_output console
if serial --unit=0 --speed=115200; then
    terminal_input --append serial
    terminal_output --append serial
fi
insmod all_video
set gfxpayload=1024x768x32,1024x768,auto
set timeout=0
";

impl Config<'_> {
    /// The file's text.
    ///
    /// # Errors
    /// If the arguments cannot be passed through GRUB.
    pub fn text(&self) -> Result<String> {
        let mut load = format!("multiboot2 {IMAGE}");
        for word in words(self.args)? {
            write!(load, " {}", quote(&word))?;
        }
        let mut text = PROLOGUE.to_owned();
        // With no arguments at all, "$@" would be an empty one, and without quotes it would be split at blanks.
        write!(
            text,
            "\nfunction boot_app {{\n    if [ $# = 0 ]; then {load}; else {load} \"$@\"; fi\n    boot\n}}\n\n"
        )?;
        text.push_str(self.user.unwrap_or("boot_app\n"));
        Ok(text)
    }
}

/// Splits a command line as the image does.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = vec![];
    let mut word = None;
    let mut is_quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_with(String::new);
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_with(String::new).push(c),
                None => bail!("the arguments end in a backslash that protects nothing: {line}"),
            },
            c if c.is_whitespace() && !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_with(String::new).push(c),
        }
    }
    if is_quoted {
        bail!("the arguments have a quote that nothing closes: {line}");
    }
    words.extend(word);
    for word in &words {
        if word.is_empty() {
            bail!("GRUB cannot pass an empty argument to an image: {line}");
        }
        if word.contains(|c: char| c.is_control()) {
            bail!("GRUB cannot pass a control character to an image: {line:?}");
        }
    }
    Ok(words)
}

/// A word for GRUB's script language, where nothing is special between single quotes.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(args: &str, user: Option<&str>) -> String {
        Config { args, user }.text().unwrap()
    }

    #[test]
    fn words_are_split_as_the_image_splits_them() {
        assert_eq!(words("  a  b\tc ").unwrap(), ["a", "b", "c"]);
        assert_eq!(words(r#"x="two words" a\ b "q\"q" -- -v"#).unwrap(), ["x=two words", "a b", "q\"q", "--", "-v"]);
        assert_eq!(words("").unwrap(), [""; 0]);
    }

    #[test]
    fn what_does_not_survive_is_refused() {
        for line in ["\"open", "end\\", "a \"\" b", "\"a\nb\"", "\"a\tb\""] {
            assert!(words(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn arguments_are_quoted_for_grub() {
        let text = text(r#"roost.log=info it's $HOME "a b""#, None);
        let line = r"then multiboot2 /boot/app.elf 'roost.log=info' 'it'\''s' '$HOME' 'a b'; else";
        assert!(text.contains(line), "{text}");
        assert!(text.ends_with("}\n\nboot_app\n"), "{text}");
    }

    #[test]
    fn the_users_part_decides_when_to_boot() {
        let text = text("", Some("set timeout=5\nmenuentry x { boot_app -v }\n"));
        assert!(text.ends_with("}\n\nset timeout=5\nmenuentry x { boot_app -v }\n"), "{text}");
    }
}
