//! Musical form: which phrases are recalled.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::music::emotion::Emotion;
use crate::music::theory::Mode;

use super::Cadence;
use super::rng::{Purpose, RngStreams};

/// Maximum number of phrases stored.
const MAX_THEMES: usize = 4;
/// Fraction of phrases that recall an earlier one when `recall` is 1. The others are new, so that there are always phrases to
/// recall.
const RECALL_RATE: f32 = 0.9;
/// Multiplier for the odds of phrases with the current emotion.
const SAME_EMOTION_FACTOR: f32 = 6.0;
/// Multiplier for the odds of a phrase relative to the next newer one.
const AGE_FACTOR: f32 = 1.3;
/// Multiplier for the odds of the original phrase that came after the one just recalled. It makes whole passages return,
/// as verses do.
const SUCCESSOR_FACTOR: f32 = 20.0;

/// A phrase that can be recalled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Theme {
    /// Number of phrases before it.
    pub number: u64,
    /// First bar.
    pub start: u64,
    /// Length in bars.
    pub bars: u32,
    /// The emotion.
    pub emotion: Emotion,
    /// The mode.
    pub mode: Mode,
    /// The cadences of the sections.
    pub cadences: [Cadence; 2],
}

/// The phrases that can be recalled, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Form(VecDeque<Theme>);

impl Form {
    /// Stores the theme of phrase `number`, if it has one. Discards the themes of that phrase and later ones, which belong to a
    /// plan that has been replaced.
    pub(super) fn store(&mut self, number: u64, theme: Option<Theme>) {
        self.0.retain(|theme| theme.number < number);
        if let Some(theme) = theme {
            self.0.push_back(theme);
            if self.0.len() > MAX_THEMES {
                self.0.pop_front();
            }
        }
    }

    /// Returns the theme of phrase `number`, if it is still stored.
    pub(super) fn theme(&self, number: u64) -> Option<&Theme> {
        self.0.iter().find(|theme| theme.number == number)
    }

    /// Chooses the earlier phrase that phrase `number` recalls, or `None` for a new phrase. `previous` is the number of the
    /// preceding phrase or, if that was a recall, of its original. `recall` is 0 (never) to 1.
    pub(super) fn recall(
        &self,
        number: u64,
        previous: Option<u64>,
        emotion: Emotion,
        recall: f32,
        streams: RngStreams,
    ) -> Option<&Theme> {
        let mut rng = streams.rng(Purpose::Form, number);
        if rng.unit() >= RECALL_RATE * recall {
            return None;
        }
        let themes: Vec<_> = self.0.iter().filter(|theme| theme.number < number).collect();
        let age = |index: usize| (themes.len() - 1 - index) as i32;
        let successor = themes.iter().position(|theme| Some(theme.number) == previous).map(|index| index + 1);
        let factor = |factor: f32, applies: bool| if applies { factor } else { 1.0 };
        let odds: Vec<_> = themes
            .iter()
            .enumerate()
            .map(|(index, theme)| {
                AGE_FACTOR.powi(age(index))
                    * factor(SAME_EMOTION_FACTOR, theme.emotion == emotion)
                    * factor(SUCCESSOR_FACTOR, successor == Some(index))
            })
            .collect();
        rng.pick(&odds).map(|index| themes[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let theme = |number| Theme {
            number,
            start: 8 * number,
            bars: 8,
            emotion: Emotion::Calm,
            mode: Mode::Major,
            cadences: [Cadence::Half, Cadence::Authentic],
        };
        Form((0..3).map(theme).collect())
    }

    /// Returns the numbers of the phrases recalled after phrase 1, in 200 trials.
    fn recalled(recall: f32) -> Vec<u64> {
        let (form, streams) = (form(), RngStreams::new(5, 1.0));
        let trials = 10..210;
        trials
            .filter_map(|number| form.recall(number, Some(1), Emotion::Calm, recall, streams))
            .map(|theme| theme.number)
            .collect()
    }

    #[test]
    fn recall_sets_the_share_of_recalled_phrases() {
        let counts = [0.0, 0.5, 1.0].map(|recall| recalled(recall).len());
        assert_eq!(counts[0], 0);
        assert!((70..110).contains(&counts[1]) && (165..195).contains(&counts[2]), "{counts:?}");
    }

    #[test]
    fn phrases_mostly_return_in_their_original_order() {
        let recalled = recalled(1.0);
        let successors = recalled.iter().filter(|number| **number == 2).count();
        assert!(successors * 4 > recalled.len() * 3, "{successors} of {} recalls", recalled.len());
        assert!(successors < recalled.len());
    }
}
