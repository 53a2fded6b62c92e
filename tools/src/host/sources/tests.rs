use super::*;

const DEB822: &str = "\
Types: deb
# a comment inside
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

types: deb
uris: http://mirror.test/debian-security
suites: bookworm-security
components: main
";

fn entry_of(text: &str, format: Format) -> Derived {
    backports(&parse(text, format), "bookworm").expect("an entry is derived")
}

#[test]
fn a_stanza_is_derived_with_its_keys() {
    let derived = entry_of(DEB822, Format::Sources);
    assert_eq!(derived.format, Format::Sources);
    assert_eq!(
        derived.text,
        "# Added by `cargo roost` for a newer QEMU. Safe to remove.\n\
         Types: deb\n\
         URIs: http://mirror.test/debian\n\
         Suites: bookworm-backports\n\
         Components: main contrib\n\
         Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n \
         -----END PGP PUBLIC KEY BLOCK-----\n"
    );
    let again = parse(&derived.text, Format::Sources);
    assert!(has_suite(&again, "bookworm-backports"), "{again:?}");
}

#[test]
fn a_line_is_derived_with_its_options() {
    let text = "\
# deb http://commented.test/debian bookworm main
deb-src http://mirror.test/debian bookworm main
deb [ arch=amd64 signed-by=/usr/share/keyrings/d.gpg ] http://mirror.test/debian bookworm main # why
";
    let derived = entry_of(text, Format::List);
    assert_eq!(
        derived.text.lines().nth(1),
        Some(
            "deb [arch=amd64 signed-by=/usr/share/keyrings/d.gpg] http://mirror.test/debian \
             bookworm-backports main"
        )
    );
}

#[test]
fn another_vendors_suite_of_the_same_name_is_not_mistaken_for_the_release() {
    let text = "\
deb http://vendor.test/linux bookworm stable
deb http://other.test/debian bookworm main
deb http://mirror.test/debian bookworm main
deb http://mirror.test/debian bookworm-updates main
";
    let derived = entry_of(text, Format::List);
    assert!(derived.text.contains("mirror.test"), "{}", derived.text);
}

#[test]
fn the_first_of_equals_is_taken() {
    let text = "\
deb http://first.test/debian bookworm main
deb http://second.test/debian bookworm main
";
    let derived = entry_of(text, Format::List);
    assert!(derived.text.contains("first.test"), "{}", derived.text);
}

#[test]
fn nothing_is_derived_from_what_is_disabled_or_a_disc() {
    let disabled = "Types: deb\nEnabled: no\nURIs: http://m.test/d\nSuites: bookworm\nComponents: main\n";
    assert_eq!(backports(&parse(disabled, Format::Sources), "bookworm"), None);
    let disc = "deb cdrom:[Debian]/ bookworm main\n";
    assert_eq!(backports(&parse(disc, Format::List), "bookworm"), None);
    let other_release = "deb http://m.test/debian trixie main\n";
    assert_eq!(backports(&parse(other_release, Format::List), "bookworm"), None);
}

#[test]
fn malformed_input_yields_no_entry() {
    for text in ["deb", "deb [", "deb [a=b", "deb http://x.test", "debian x y z"] {
        assert_eq!(parse(text, Format::List), [], "{text}");
    }
    for text in ["", "Types: deb\n", " continued\n", "no colon\n\n\n"] {
        assert_eq!(parse(text, Format::Sources), [], "{text}");
    }
}
