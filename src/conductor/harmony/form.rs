//! Form: which phrases return.

use std::collections::VecDeque;

use crate::music::emotion::Emotion;

use super::dice::{Luck, Purpose};
use super::phrase::Phrase;

/// Phrases that may return.
const THEMES: usize = 4;
/// Share of phrases that return at a recall of 1; the others are new, so that there is something to come back to.
const OFTEN: f32 = 0.7;
/// How much likelier a phrase returns that had the emotion that speaks now.
const SAME_EMOTION: f32 = 6.0;
/// How much likelier a phrase returns than the one that was new after it.
const OLDER: f32 = 1.3;

/// The phrases that were new when they were played, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(VecDeque<Phrase>);

impl Form {
    /// Remembers a phrase if it is new. Those planned after it, before everything was planned again, are forgotten.
    pub(super) fn remember(&mut self, phrase: &Phrase) {
        self.0.retain(|theme| theme.number < phrase.number);
        if phrase.recalled.is_none() {
            self.0.push_back(*phrase);
            if self.0.len() > THEMES {
                self.0.pop_front();
            }
        }
    }

    /// The phrase that returns as number `number`, in which `emotion` speaks; `None` where a new one is to come. `recall`
    /// is 0 (never) to 1.
    pub(super) fn returning(&self, number: u64, emotion: Emotion, recall: f32, luck: Luck) -> Option<&Phrase> {
        let mut dice = luck.dice(Purpose::Form, number);
        if dice.unit() >= OFTEN * recall {
            return None;
        }
        let themes: Vec<_> = self.0.iter().filter(|theme| theme.number < number).collect();
        let age = |index: usize| (themes.len() - 1 - index) as i32;
        let odds: Vec<_> = themes
            .iter()
            .enumerate()
            .map(|(index, theme)| OLDER.powi(age(index)) * if theme.emotion == emotion { SAME_EMOTION } else { 1.0 })
            .collect();
        dice.pick(&odds).map(|index| themes[index])
    }
}
