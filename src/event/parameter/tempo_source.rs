//! Tempo sources.

/// The choices of `tempo/source`, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TempoSource {
    /// The tempo of the mood.
    #[default]
    Mood,
    /// The value of `tempo`.
    Pinned,
    /// A MIDI clock.
    Clock,
    /// An Ableton Link session.
    Link,
    /// The JACK transport.
    Jack,
}

impl TempoSource {
    /// All choices, by position.
    pub const ALL: [Self; 5] = [Self::Mood, Self::Pinned, Self::Clock, Self::Link, Self::Jack];

    /// Returns the source at a position in the choice; [`Self::Mood`] if the position is invalid.
    #[must_use]
    pub fn at(position: u8) -> Self {
        Self::ALL.get(usize::from(position)).copied().unwrap_or_default()
    }

    /// Returns whether the source is external, so that the tempo cannot be set in Melos.
    #[must_use]
    pub const fn is_external(self) -> bool {
        matches!(self, Self::Clock | Self::Link | Self::Jack)
    }

    /// Returns the source's name, for use in a sentence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mood => "the mood",
            Self::Pinned => "a pinned value",
            Self::Clock => "a MIDI clock",
            Self::Link => "Ableton Link",
            Self::Jack => "the JACK transport",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Param};
    use super::*;

    #[test]
    fn sources_match_the_choices_of_the_parameter() {
        let Kind::Choice { names, .. } = Param::TempoSource.spec().kind else { panic!("tempo/source is a choice") };
        assert_eq!(names.len(), TempoSource::ALL.len());
        for (position, source) in TempoSource::ALL.into_iter().enumerate() {
            assert_eq!(TempoSource::at(position as u8), source);
            assert_eq!(source as usize, position);
        }
    }
}
