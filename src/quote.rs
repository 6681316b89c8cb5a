//! Quotes external text for logs, errors, responses and terminals: on one line and, where it is only mentioned, truncated.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Number of characters after which text is truncated.
const MAX_CHARS: usize = 64;
/// Maximum number of names shown in a list.
const MAX_NAMES: usize = 8;

/// Returns whether a character could start a line, control a terminal or change the direction of text.
#[must_use]
pub fn is_disruptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes everything in a text that a terminal or a line reader would interpret.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    visible_except(text, |_| false)
}

/// Escapes what [`visible`] does, except allowed characters.
pub fn visible_except(text: &str, is_allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    escaped(text, |out, character| match is_allowed(character) {
        true => out.push(character),
        false => out.extend(character.escape_default()),
    })
}

/// Escapes in JSON what [`visible`] does in other text. These characters occur only in strings, in which an escape means
/// the same character, and in the white space that formats the JSON, in which line breaks are kept.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    escaped(json, |out, character| match character {
        '\n' => out.push(character),
        _ => _ = write!(out, "\\u{:04x}", u32::from(character)),
    })
}

/// Replaces each disruptive character with what `escape` appends for it.
fn escaped(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_disruptive) {
        return text.into();
    }
    let add = |mut out: String, character: char| {
        match is_disruptive(character) {
            true => escape(&mut out, character),
            false => out.push(character),
        }
        out
    };
    text.chars().fold(String::with_capacity(text.len()), add).into()
}

/// Formats a number for a message: one with very many digits, in scientific notation.
#[must_use]
pub fn short_number(number: f64) -> String {
    if number.abs() < 1e15 { number.to_string() } else { format!("{number:e}") }
}

/// Rounds a number to one decimal, for a sentence.
#[must_use]
pub fn one_decimal(number: f64) -> f64 {
    (10.0 * number).round() / 10.0
}

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
    fn terminals_and_line_readers_interpret_nothing_in_visible_text() {
        for (text, expected) in [
            ("Grüße, 音楽 \"♭\" 'x' \\", "Grüße, 音楽 \"♭\" 'x' \\"),
            ("\u{1b}]0;pwned\u{7}", "\\u{1b}]0;pwned\\u{7}"),
            ("a\nb forged\r\t", "a\\nb forged\\r\\t"),
            ("\u{9b}2J\u{85}\u{7f}", "\\u{9b}2J\\u{85}\\u{7f}"),
            ("\u{202e}fdp.\u{2066}\u{2028}", "\\u{202e}fdp.\\u{2066}\\u{2028}"),
        ] {
            assert_eq!(visible(text), expected);
        }
        let text = "\u{1b}\u{9b}\u{202e}";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        assert_eq!(visible_json(&json), "[\n  \"\\u001b\\u009b\\u202e\"\n]");
        assert_eq!(serde_json::from_str::<[String; 1]>(&visible_json(&json)).unwrap(), [text]);
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [(7.5, "7.5"), (9000.0, "9000"), (1e308, "1e308"), (-2.5e40, "-2.5e40")] {
            assert_eq!(short_number(number), expected);
        }
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
