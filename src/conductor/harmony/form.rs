//! Musical form: which phrases are recalled.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::music::emotion::Emotion;
use crate::music::theory::Mode;

use super::Cadence;
use super::rng::{Purpose, RngStreams};

/// Maximum number of phrases stored.
const MAX_THEMES: usize = 4;
/// Fraction of phrases that recall an earlier one at recall 1. The others are new, so that there is material to recall.
const RECALL_RATE: f32 = 0.7;
/// Factor on the odds of phrases with the current emotion.
const SAME_EMOTION_FACTOR: f32 = 6.0;
/// Factor on the odds of a phrase relative to the next newer one.
const AGE_FACTOR: f32 = 1.3;

/// A phrase that can be recalled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Theme {
    /// Number of phrases before it.
    pub number: u64,
    /// First bar.
    pub start: u64,
    /// Length in bars.
    pub bars: u32,
    /// The emotion that was dominant when it was played.
    pub emotion: Emotion,
    /// The mode.
    pub mode: Mode,
    /// The cadences of its sections.
    pub cadences: [Cadence; 2],
}

/// The phrases that can be recalled, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Form(VecDeque<Theme>);

impl Form {
    /// Stores phrase `number` if it is new. Discards that phrase and later ones if a replaced plan had stored them.
    pub(super) fn store(&mut self, number: u64, new: Option<Theme>) {
        self.0.retain(|theme| theme.number < number);
        if let Some(theme) = new {
            self.0.push_back(theme);
            if self.0.len() > MAX_THEMES {
                self.0.pop_front();
            }
        }
    }

    /// Returns the earlier phrase that phrase `number`, whose emotion is `emotion`, recalls; `None` if that phrase is a
    /// new one. `recall` is 0 (never) to 1.
    pub(super) fn recall(&self, number: u64, emotion: Emotion, recall: f32, streams: RngStreams) -> Option<&Theme> {
        let mut rng = streams.rng(Purpose::Form, number);
        if rng.unit() >= RECALL_RATE * recall {
            return None;
        }
        let themes: Vec<_> = self.0.iter().filter(|theme| theme.number < number).collect();
        let age = |index: usize| (themes.len() - 1 - index) as i32;
        let odds: Vec<_> = themes
            .iter()
            .enumerate()
            .map(|(index, theme)| {
                AGE_FACTOR.powi(age(index)) * if theme.emotion == emotion { SAME_EMOTION_FACTOR } else { 1.0 }
            })
            .collect();
        rng.pick(&odds).map(|index| themes[index])
    }
}
