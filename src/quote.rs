//! Text from outside on its way into logs, errors and answers: on one line, and short.

use std::fmt::Write as _;

/// Longest name that is repeated, in characters.
const LONGEST: usize = 64;
/// Most names that a list names.
const MOST: usize = 8;

/// Text as it may stand in a log line: control and other invisible characters escaped, cut after 64 characters.
///
/// A line break in a name would begin a log line of its own, and an escape sequence would steer a terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// The same between quotation marks, with those inside escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text).replace('"', "\\\""))
}

/// The first of some names, and how many more there are; `none` where there are none.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut list = names.by_ref().take(MOST).map(shown).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 if list.is_empty() => list.push_str("none"),
        0 => {}
        more => {
            let _ = write!(list, " and {more} more");
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_a_line_or_steers_a_terminal() {
        for (text, expected) in [
            ("/melos/dawn", "/melos/dawn"),
            ("Morgendämmerung ♭", "Morgendämmerung ♭"),
            ("a\nb", "a\\nb"),
            ("a\r\tb\0", "a\\r\\tb\\0"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{2028}\u{202e}\u{85}", "\\u{2028}\\u{202e}\\u{85}"),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        assert_eq!(quoted("say \"a\"\n"), "\"say \\\"a\\\"\\n\"");
    }

    #[test]
    fn what_is_repeated_is_short() {
        assert_eq!(shown(&"x".repeat(16_000)), format!("{}…", "x".repeat(64)));
        let names: Vec<_> = (0..1024).map(|number| format!("{number:0>900}")).collect();
        let list = listed(names.iter().map(String::as_str));
        assert!(list.len() < 1000 && list.ends_with(" and 1016 more"), "{list}");
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["dawn", "storm"]), "dawn, storm");
    }
}
