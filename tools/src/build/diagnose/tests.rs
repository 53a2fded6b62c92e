//! Messages as rustc, lld and GNU ld write them.

use super::*;

fn diagnostic(code: Option<&str>, message: &str, note: &str) -> Diagnostic {
    let code = code.map(|code| serde_json::json!({ "code": code, "explanation": null }));
    serde_json::from_value(serde_json::json!({
        "message": message, "code": code, "level": "error", "spans": [], "rendered": null,
        "children": [{
            "message": note, "code": null, "level": "note", "spans": [], "rendered": null, "children": [],
        }],
    }))
    .unwrap()
}

#[test]
fn the_crate_that_needs_std_is_found_on_either_side_of_the_duplicate() {
    for (message, note) in [
        (
            "found duplicate lang item `panic_impl`",
            "the lang item is first defined in crate `std` (which `uses_std` depends on)",
        ),
        (
            "duplicate lang item in crate `std` (which `uses_std` depends on): `panic_impl`",
            "the lang item is first defined in crate `libkern` (which `hello` depends on)",
        ),
    ] {
        let diagnosis = Diagnosis::of(&diagnostic(Some("E0152"), message, note));
        assert_eq!(diagnosis, Some(Diagnosis::Std { krate: "uses_std".into() }));
    }
}

#[test]
fn undefined_symbols_are_laid_at_the_door_of_the_crate_that_calls_them() {
    let lld = "rust-lld: error: undefined symbol: getpid\n\
        >>> referenced by lib.rs:2 (src/lib.rs:2)\n\
        >>>               calls_libc-c6.rcgu.o:(calls_libc::h) in archive /t/deps/libcalls_libc-c6134f.rlib\n\
        \n\
        rust-lld: error: undefined symbol: rust_eh_personality\n\
        >>>               core-12.rcgu.o:(DW.ref) in archive /t/lib/libcore-120cba.rlib\n\
        rust-lld: error: undefined symbol: malloc\n\
        >>> referenced by main.rs:3 (src/main.rs:3)\n\
        >>>               /t/deps/my_app-77.4k8.rcgu.o:(my_app::main)\n";
    let gnu = "/usr/bin/ld: /t/deps/libcalls_libc-c6134f.rlib(calls_libc-c6.rcgu.o): in function `h':\n\
        /t/deps/libcalls_libc-c6134f.rlib(x.o): undefined reference to `getpid'\n\
        /usr/bin/ld: /t/deps/my_app-77.4k8.rcgu.o: in function `main':\n\
        /t/deps/my_app-77.4k8.rcgu.o:(.text+0x2): undefined reference to `malloc'\n";
    for text in [lld, gnu] {
        let found = Diagnosis::of(&diagnostic(None, "linking with `cc` failed: exit status: 1", text));
        let missing = [("calls_libc", "getpid"), ("my_app", "malloc")];
        let missing = missing.map(|(krate, symbol)| (krate.to_owned(), vec![symbol.to_owned()])).into();
        assert_eq!(found, Some(Diagnosis::Symbols { missing }), "{text}");
    }
}

#[test]
fn other_errors_are_left_alone() {
    for diagnostic in [
        diagnostic(Some("E0308"), "mismatched types", ""),
        diagnostic(Some("E0152"), "found duplicate lang item `panic_impl`", "in crate `other`"),
        diagnostic(None, "linking with `cc` failed: exit status: 1", "cc: no such file"),
    ] {
        assert_eq!(Diagnosis::of(&diagnostic), None);
    }
}

#[test]
fn only_a_few_symbols_are_named() {
    let symbols: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(String::from).into();
    assert_eq!(some_of(&symbols), "`a`, `b`, `c`, `d` and 2 more");
    assert_eq!(some_of(&symbols[..1]), "`a`");
}
