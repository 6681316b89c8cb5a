//! Musicians' spellings of notes, keys, modes, chords and emotions.

mod chord;
mod emotion;
mod key;
mod note;

pub use note::pitch_class;

/// Replaces the many forms of a character by one: accidentals, hyphens and other signs by the ones on a keyboard, letters
/// with diacritics by plain ones. Leaves the case.
fn plain(text: &str) -> String {
    text.trim().chars().flat_map(plain_letters).collect()
}

/// Returns the plain characters for one character; none for a combining diacritic or a variation selector.
fn plain_letters(character: char) -> impl Iterator<Item = char> {
    let (first, second) = match character {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => (None, None),
        '♯' | '＃' => (Some('#'), None),
        '𝄪' => (Some('x'), None),
        '𝄫' => (Some('♭'), Some('♭')),
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '－' => (Some('-'), None),
        '＋' => (Some('+'), None),
        'Δ' | 'δ' | '△' | '∆' | '▵' => (Some('^'), None),
        'º' | '˚' | '○' => (Some('°'), None),
        'Ø' | '∅' | '⌀' => (Some('ø'), None),
        'à'..='å' | 'À'..='Å' => (Some('a'), None),
        'ç' | 'Ç' => (Some('c'), None),
        'è'..='ë' | 'È'..='Ë' => (Some('e'), None),
        'ì'..='ï' | 'Ì'..='Ï' => (Some('i'), None),
        'ñ' | 'Ñ' => (Some('n'), None),
        'ò'..='ö' | 'Ò'..='Ö' => (Some('o'), None),
        'ù'..='ü' | 'Ù'..='Ü' => (Some('u'), None),
        'ß' => (Some('s'), Some('s')),
        _ if character.is_whitespace() => (Some(' '), None),
        _ => (Some(character), None),
    };
    first.into_iter().chain(second)
}

/// Returns the masculine form of an adjective that may be feminine in Spanish, Italian or Portuguese: `dorico` for `dorica`.
fn masculine(word: &str) -> Option<String> {
    word.strip_suffix(['a', 'A']).map(|stem| format!("{stem}o"))
}

/// Returns the rest of `text` after `start`, ignoring case.
fn strip<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}
