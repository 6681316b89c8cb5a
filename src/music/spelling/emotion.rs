//! Names of emotions.

use super::{masculine, plain, plain_letters};
use crate::music::emotion::Emotion;

impl Emotion {
    /// Parses a name, the corresponding noun or another word for the emotion, such as `sadness` or `joyful`, in English,
    /// German, French, Spanish, Italian or Portuguese. Ignores case; diacritics may be left out: `frohlich`, `froehlich`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = plain(name).to_lowercase();
        let masculine = masculine(&name);
        let is_meant = |word: &str| is_word(&name, word) || masculine.as_ref().is_some_and(|name| is_word(name, word));
        Self::ALL
            .into_iter()
            .find(|emotion| is_meant(emotion.name()) || words(*emotion).iter().any(|synonym| is_meant(synonym)))
    }
}

/// Returns whether a plain text in lower case is a word, whose umlauts may be written with an `e`.
fn is_word(text: &str, word: &str) -> bool {
    let with_e = |letter| plain_letters(letter).chain(matches!(letter, 'ä' | 'ö' | 'ü').then_some('e'));
    word.chars().flat_map(plain_letters).eq(text.chars()) || word.chars().flat_map(with_e).eq(text.chars())
}

/// Returns other words for the emotion, in lower case: in English, with the corresponding noun first, then in German, French,
/// and Spanish, Italian and Portuguese, whose feminine forms [`masculine`] covers. A word for a feeling between two
/// emotions belongs to the one with the nearer [anchor](Emotion::anchor).
#[rustfmt::skip] // A line for each language.
const fn words(emotion: Emotion) -> &'static [&'static str] {
    match emotion {
        Emotion::Happy => &[
            "happiness", "joy", "joyful", "joyous", "cheerful", "glad", "merry", "playful", "bright",
            "fröhlich", "fröhlichkeit", "froh", "freude", "freudig", "glücklich", "glück", "heiter",
            "joie", "joyeux", "joyeuse", "heureux", "heureuse", "bonheur", "gai", "gaie",
            "feliz", "felicidad", "alegre", "alegría", "contento", "felicidade",
            "felice", "felicità", "gioia", "gioioso", "allegro", "allegria",
        ],
        Emotion::Sad => &[
            "sadness", "melancholy", "melancholic", "sorrow", "sorrowful", "gloomy", "mournful", "depressed",
            "traurig", "traurigkeit", "trauer", "melancholisch", "melancholie",
            "triste", "tristesse", "mélancolique", "mélancolie",
            "tristeza", "melancólico", "melancolía",
            "tristezza", "malinconico", "malinconia", "mesto",
        ],
        Emotion::Energetic => &[
            "energy", "excited", "exciting", "excitement", "lively", "upbeat", "ecstatic",
            "energisch", "energie", "energiegeladen", "lebhaft",
            "énergique",
            "enérgico", "energía",
            "energico", "vivace",
        ],
        Emotion::Calm => &[
            "calmness", "peaceful", "peace", "relaxed", "relaxing", "serene", "tranquil", "quiet", "gentle",
            "ruhig", "ruhe", "friedlich", "gelassen", "gelassenheit",
            "calme", "tranquille", "tranquillité", "paisible", "serein", "sereine", "sérénité",
            "tranquilo", "tranquilidad", "calmo", "calmado", "sereno", "tranquilidade",
            "tranquillo", "tranquillità", "serenità",
        ],
        Emotion::Romantic => &[
            "romance", "love", "loving", "tender", "passionate",
            "romantisch", "romantik", "liebe", "liebevoll", "zärtlich",
            "romantique", "romantisme", "amour", "amoureux", "amoureuse", "tendre",
            "romántico", "romanticismo", "amor", "tierno",
            "romantico", "amore", "tenero",
        ],
        Emotion::Angry => &[
            "anger", "furious", "fury", "rage", "aggressive", "tense", "tension",
            "wütend", "wut", "zornig", "zorn", "aggressiv",
            "en colère", "colère", "fâché", "fâchée", "furieux", "furieuse",
            "enojado", "enojo", "enfadado", "enfado", "ira", "rabia", "furioso", "raiva", "zangado",
            "arrabbiato", "rabbia",
        ],
        Emotion::Nostalgic => &[
            "nostalgia", "wistful", "longing", "yearning", "bittersweet",
            "nostalgisch", "nostalgie", "sehnsucht", "sehnsüchtig", "wehmütig", "wehmut",
            "nostalgique",
            "nostálgico", "añoranza", "saudade",
            "nostalgico",
        ],
        Emotion::Mysterious => &[
            "mystery", "dark", "eerie", "ominous", "suspenseful", "enigmatic",
            "geheimnisvoll", "geheimnis", "mysteriös", "rätselhaft", "mystisch",
            "mystérieux", "mystérieuse", "mystère",
            "misterioso", "misterio", "enigmático", "mistério",
            "mistero", "enigmatico",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for emotion in Emotion::ALL {
            assert_eq!(Emotion::from_name(&emotion.name().to_uppercase()), Some(emotion));
        }
        for (name, expected) in [
            (" Anger ", Some(Emotion::Angry)),
            ("Calm\n", Some(Emotion::Calm)),
            ("JOYFUL", Some(Emotion::Happy)),
            ("melancholy", Some(Emotion::Sad)),
            ("excited", Some(Emotion::Energetic)),
            ("peaceful", Some(Emotion::Calm)),
            ("tender", Some(Emotion::Romantic)),
            ("tense", Some(Emotion::Angry)),
            ("bittersweet", Some(Emotion::Nostalgic)),
            ("dark", Some(Emotion::Mysterious)),
            ("bored", None),
            ("", None),
        ] {
            assert_eq!(Emotion::from_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn every_word_has_one_meaning() {
        for emotion in Emotion::ALL {
            for word in words(emotion) {
                assert_eq!(Emotion::from_name(word), Some(emotion), "{word}");
                assert_eq!(Emotion::from_name(&word.to_uppercase()), Some(emotion), "{word}");
                assert_eq!(Emotion::from_name(&plain(word)), Some(emotion), "{word}");
            }
        }
    }

    #[test]
    fn names_are_read_in_several_languages() {
        for (emotion, names) in [
            (
                Emotion::Happy,
                &["Freude", "FRÖHLICH", "frohlich", "froehlich", "joie", "alegre", "felice", "allegra"][..],
            ),
            (Emotion::Sad, &["traurig", "triste", "tristesse", "Tristeza", "malinconica", "melancolia"]),
            (Emotion::Energetic, &["energisch", "énergique", "e\u{301}nergique", "enérgica", "energica", "ENERGIA"]),
            (Emotion::Calm, &["ruhig", "calme", "calma", "tranquilla", "tranquilo", "serena"]),
            (Emotion::Romantic, &["romantisch", "romantique", "romántica", "ROMANTICO", "zartlich", "zaertlich"]),
            (
                Emotion::Angry,
                &["wütend", "wutend", "WUETEND", "en colère", "colere", "fachee", "enojada", "arrabbiata"],
            ),
            (Emotion::Nostalgic, &["nostalgisch", "nostalgique", "nostálgica", "Sehnsucht", "anoranza"]),
            (Emotion::Mysterious, &["geheimnisvoll", "mystérieuse", "mysterioes", "misteriosa", "mistero"]),
        ] {
            for name in names {
                assert_eq!(Emotion::from_name(name), Some(emotion), "{name}");
            }
        }
        for invalid in ["gelangweilt", "ennuyé", "calmer", "happa", "saed", "colere noire", "en", "trist", "alegría!"]
        {
            assert_eq!(Emotion::from_name(invalid), None, "{invalid}");
        }
    }
}
