//! Quotes external text for logs, errors and responses, on one line and truncated.

use std::fmt::Write as _;

/// Number of characters after which text is truncated.
const MAX_CHARS: usize = 64;
/// Maximum number of names shown in a list.
const MAX_NAMES: usize = 8;

/// Makes text safe for a log line: truncates it to 64 characters and escapes backslashes, combining marks and
/// unprintable characters. Unescaped, a line break could forge a log line, and an escape sequence could control a
/// terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_CHARS {
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

/// Makes text safe as [`shown`] does and puts it in double quotation marks, escaping those inside it.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text).replace('"', "\\\""))
}

/// Returns a list of the first few names with the number of others, or `none` if there are no names.
#[must_use]
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut list = names.by_ref().take(MAX_NAMES).map(shown).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 if list.is_empty() => list.push_str("none"),
        0 => {}
        more => {
            let _ = write!(list, " and {more} more");
        }
    }
    list
}

/// Returns the end of an error message about an unknown name: the names to choose from.
#[must_use]
pub fn choices<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => "none exist yet".to_owned(),
        [only] => format!("the only choice is {}", shown(only)),
        _ => format!("choose one of {}", listed(names.iter().copied())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_forge_lines_or_control_the_terminal() {
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
    fn long_text_and_lists_are_truncated() {
        assert_eq!(shown(&"x".repeat(16_000)), format!("{}…", "x".repeat(64)));
        let names: Vec<_> = (0..1024).map(|number| format!("{number:0>900}")).collect();
        let list = listed(names.iter().map(String::as_str));
        assert!(list.len() < 1000 && list.ends_with(" and 1016 more"), "{list}");
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["dawn", "storm"]), "dawn, storm");
        assert_eq!(choices(["dawn", "storm"]), "choose one of dawn, storm");
        assert_eq!(choices(["dawn"]), "the only choice is dawn");
        assert_eq!(choices([]), "none exist yet");
    }
}
