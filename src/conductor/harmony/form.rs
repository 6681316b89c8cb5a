//! Musical form: which phrases return.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::music::emotion::Emotion;
use crate::music::theory::Mode;

use super::Cadence;
use super::rng::{Purpose, RngStreams};

/// Maximum phrases remembered.
const THEMES: usize = 4;
/// Fraction of phrases that are returns at recall 1; the others are new, so that there is material to return to.
const OFTEN: f32 = 0.7;
/// How much likelier a phrase with the current emotion is to return.
const SAME_EMOTION: f32 = 6.0;
/// How much likelier a phrase is to return than the next newer one.
const OLDER: f32 = 1.3;

/// A phrase that was new when it was played.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Theme {
    /// Its number among all phrases.
    pub number: u64,
    /// Its first bar.
    pub start: u64,
    /// Its length.
    pub bars: u32,
    /// The emotion that was dominant when it was played.
    pub emotion: Emotion,
    /// Its mode.
    pub mode: Mode,
    /// How its sections ended.
    pub cadences: [Cadence; 2],
}

/// The phrases that may return, oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Form(VecDeque<Theme>);

impl Form {
    /// Remembers phrase `number` if it is new. Forgets that phrase and later ones from a plan that has since been
    /// replaced.
    pub(super) fn remember(&mut self, number: u64, new: Option<Theme>) {
        self.0.retain(|theme| theme.number < number);
        if let Some(theme) = new {
            self.0.push_back(theme);
            if self.0.len() > THEMES {
                self.0.pop_front();
            }
        }
    }

    /// The earlier phrase that returns as phrase `number`, whose emotion is `emotion`; `None` if a new one is due.
    /// `recall` is 0 (never) to 1.
    pub(super) fn returning(&self, number: u64, emotion: Emotion, recall: f32, streams: RngStreams) -> Option<&Theme> {
        let mut rng = streams.rng(Purpose::Form, number);
        if rng.unit() >= OFTEN * recall {
            return None;
        }
        let themes: Vec<_> = self.0.iter().filter(|theme| theme.number < number).collect();
        let age = |index: usize| (themes.len() - 1 - index) as i32;
        let odds: Vec<_> = themes
            .iter()
            .enumerate()
            .map(|(index, theme)| OLDER.powi(age(index)) * if theme.emotion == emotion { SAME_EMOTION } else { 1.0 })
            .collect();
        rng.pick(&odds).map(|index| themes[index])
    }
}
