//! Finds the preset, scene or setlist that a text names.

use thiserror::Error;

use crate::quote::{choices, listed, quoted};

/// Why a text names nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing has this name or title.
    #[error("there is no {kind} {}; {known}", quoted(name))]
    Unknown {
        /// What was looked for, such as `preset`.
        kind: &'static str,
        /// The text.
        name: String,
        /// The end of the message, which lists the existing names.
        known: String,
    },
    /// Several names or titles differ from the text in case only.
    #[error("{} could be one of several {kind}s: {candidates}", quoted(name))]
    Ambiguous {
        /// What was looked for, such as `preset`.
        kind: &'static str,
        /// The text.
        name: String,
        /// The exact names.
        candidates: String,
    },
}

/// Something that has a title, which people see, besides its name.
pub trait Titled {
    /// What it is, such as `preset`.
    const KIND: &'static str;

    /// Returns the title.
    fn title(&self) -> &str;
}

/// Returns the exact name that a text stands for: the same name, otherwise the only one that differs in case only,
/// otherwise the name of the only item with this title, ignoring case. `known` are all names, each with its title or, if
/// there are no titles, with the name again.
///
/// # Errors
/// When the text stands for no name, or for several.
pub fn exact_name<'a>(
    kind: &'static str,
    text: &str,
    known: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<&'a str, NameError> {
    if let Some((name, _)) = known.clone().find(|(name, _)| *name == text) {
        return Ok(name);
    }
    let lower_case = text.to_lowercase();
    let is_meant = |other: &str| other.to_lowercase() == lower_case;
    let mut found: Vec<_> = known.clone().filter(|(name, _)| is_meant(name)).collect();
    if found.is_empty() {
        found = known.clone().filter(|(_, title)| is_meant(title)).collect();
    }
    let name = text.to_owned();
    match found[..] {
        [] => Err(NameError::Unknown { kind, name, known: choices(known.map(|(name, _)| name)) }),
        [(only, _)] => Ok(only),
        _ => Err(NameError::Ambiguous { kind, name, candidates: listed(found.iter().map(|(name, _)| *name)) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_their_case_and_title_only_if_that_is_clear() {
        let known =
            [("dusk", "Fall"), ("slow-dawn", "Slow dawn"), ("storm", "Fall"), ("STORM", "Gale"), ("Über", "dusk")];
        let exact = |text: &str| exact_name("preset", text, known.into_iter());
        for (text, name) in [
            ("storm", "storm"),
            ("STORM", "STORM"),
            ("Slow-Dawn", "slow-dawn"),
            ("slow Dawn", "slow-dawn"),
            ("gale", "STORM"),
            ("ÜBER", "Über"),
            // A name comes before the title of another preset.
            ("Dusk", "dusk"),
        ] {
            assert_eq!(exact(text), Ok(name));
        }
        for (text, message) in [
            ("Storm", "\"Storm\" could be one of several presets: storm, STORM"),
            ("fall", "\"fall\" could be one of several presets: dusk, storm"),
            ("dawn", "there is no preset \"dawn\"; choose one of dusk, slow-dawn, storm, STORM, Über"),
            ("", "there is no preset \"\"; choose one of dusk, slow-dawn, storm, STORM, Über"),
        ] {
            assert_eq!(exact(text).unwrap_err().to_string(), message);
        }
    }
}
