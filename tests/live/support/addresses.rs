//! Finds OSC addresses in documentation and examples.

use melos::event::parameter::TABLE;

/// Source file whose comments document the messages that do not set a parameter.
const OSC_SOURCE: &str = include_str!("../../../src/remote/osc.rs");

/// Returns whether an address exists; `/melos/next/bar/` may precede any parameter.
pub(crate) fn exists(address: &str) -> bool {
    let immediate = address.replacen("/melos/next/bar/", "/melos/", 1);
    TABLE.iter().any(|spec| format!("/melos/{}", spec.id) == immediate)
        || [format!("`{address}`"), format!("`{address} ")].iter().any(|quoted| OSC_SOURCE.contains(quoted))
}

/// Returns every address in a text: first those written with slashes, then those in Pure Data's `oscformat` syntax.
pub(crate) fn addresses(text: &str) -> Vec<String> {
    let name = |rest: &str, separator: char| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == separator));
        rest[..end.unwrap_or(rest.len())].trim_end_matches(separator).replace(separator, "/")
    };
    let slashed = text.match_indices("/melos/").filter(|(at, _)| {
        // Skip parts of file paths.
        !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '.')
    });
    let slashed = slashed.map(|(at, prefix)| name(&text[at + prefix.len()..], '/'));
    let spaced = text.match_indices("oscformat melos ").map(|(at, prefix)| name(&text[at + prefix.len()..], ' '));
    slashed.chain(spaced).filter(|name| !name.is_empty()).map(|name| format!("/melos/{name}")).collect()
}

#[test]
fn addresses_are_found_in_text() {
    let text =
        "`/melos/level/pad f -6`, [oscformat melos reverb size], ~/.local/state/melos/recordings, ('/melos/hold',)";
    assert_eq!(addresses(text), ["/melos/level/pad", "/melos/hold", "/melos/reverb/size"]);
}
