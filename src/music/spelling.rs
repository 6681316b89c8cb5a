//! Musicians' spellings of notes, keys, modes and chords.

mod chord;
mod key;
mod note;

pub use note::pitch_class;

/// Replaces the many forms of a character by one: accidentals, hyphens and other signs by the ones on a keyboard, letters
/// with diacritics by plain ones. Leaves the case.
fn plain(text: &str) -> String {
    text.trim()
        .chars()
        .filter(|character| !matches!(character, '\u{300}'..='\u{36f}'))
        .flat_map(|character| {
            let (first, second) = match character {
                '♯' | '＃' => ('#', None),
                '𝄪' => ('x', None),
                '𝄫' => ('♭', Some('♭')),
                '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '－' => ('-', None),
                '＋' => ('+', None),
                'Δ' | 'δ' | '△' | '∆' | '▵' => ('^', None),
                'º' | '˚' | '○' => ('°', None),
                'Ø' | '∅' | '⌀' => ('ø', None),
                'à' | 'á' | 'â' | 'ä' | 'Ä' => ('a', None),
                'è' | 'é' | 'ê' | 'È' | 'É' | 'Ê' => ('e', None),
                'ü' | 'Ü' => ('u', None),
                _ if character.is_whitespace() => (' ', None),
                _ => (character, None),
            };
            std::iter::once(first).chain(second)
        })
        .collect()
}

/// Returns the rest of `text` after `start`, ignoring case.
fn strip<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}
