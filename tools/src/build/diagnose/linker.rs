//! What the linker complains about, and whose fault it is.

use std::collections::BTreeMap;

/// Archives of the toolchain, which are never to blame for what they lack.
const TOOLCHAIN: [&str; 4] = ["core", "alloc", "compiler_builtins", "std"];

/// The undefined symbols that the linker speaks of, by the crate that refers to them. Those of the toolchain are
/// left out: they follow from others.
pub fn undefined_symbols(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // lld has a line with the symbol, then lines with places; GNU ld has both in one.
    let mut above = None;
    for line in text.lines() {
        if let Some((_, name)) = line.split_once("undefined symbol: ") {
            above = Some(name.trim());
        }
        let inline = line.split_once("undefined reference to `").map(|(_, name)| name.trim_end_matches('\''));
        let (Some(symbol), Some(krate)) = (inline.or(above), referring_crate(line)) else { continue };
        if !TOOLCHAIN.contains(&krate.as_str()) {
            let symbols = missing.entry(krate).or_default();
            if !symbols.iter().any(|known| known == symbol) {
                symbols.push(symbol.to_owned());
            }
        }
    }
    missing
}

/// The crate in `libNAME-HASH.rlib` or, for the one being linked, in `NAME-HASH.*.rcgu.o`, wherever the line has it.
fn referring_crate(line: &str) -> Option<String> {
    let krate = match line.split_once(".rlib") {
        Some((path, _)) => path.rsplit('/').next()?.strip_prefix("lib")?,
        None => line.split_once(".rcgu.o")?.0.rsplit(['/', ' ']).next()?.split('.').next()?,
    };
    let (krate, _hash) = krate.rsplit_once('-')?;
    Some(krate.to_owned())
}
