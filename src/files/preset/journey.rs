//! Moods that a preset moves through.

use super::mood;
use super::{Named, read_parameters};
use crate::event::parameter::{Param, Value};
use crate::files::document::{Document, Table};
use crate::units::seconds_to_frames;

/// One mood of a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The mood, and other parameters that change with it; set in this order.
    pub settings: Vec<(Param, Value)>,
    /// How long the step lasts, in seconds, its glide included.
    pub seconds: f64,
}

/// Longest step: a day.
const MAX_SECONDS: f64 = 86_400.0;

impl Step {
    pub(super) fn read(document: &mut Document<'_>, mut table: Table<'_>) -> Option<Self> {
        let seconds = table.take("seconds");
        let seconds = match seconds.as_ref().map(|field| field.number()) {
            Some(Some(number)) if (1.0..=MAX_SECONDS).contains(&number) => number,
            Some(_) => seconds?.wrong(document, &format!("a number from 1 to {MAX_SECONDS}"))?,
            None => {
                table.missing(document, "seconds", "how long the step lasts");
                return None;
            }
        };
        let span = table.span();
        let mut named: Vec<Named> = Vec::new();
        read_parameters(document, "", table, &mut named);
        mood::check(document, &named);
        let split = named.into_iter().map(|named| (named.param, named.value)).partition(|(param, _)| param.is_mood());
        let (mood, mut settings): (Vec<_>, Vec<_>) = split;
        if mood.is_empty() {
            document.add(span, "", "a step needs a mood: an emotion, a blend of emotions, or valence and arousal");
        }
        settings.sort_by_key(|(param, _)| *param);
        settings.extend(mood::complete(&mood));
        Some(Self { settings, seconds })
    }
}

/// A journey under way: an iterator over the frames at which steps begin, and what is to be set there.
#[derive(Debug, Clone)]
pub struct Walk {
    steps: Vec<Step>,
    repeats: bool,
    next: usize,
    frame: u64,
}

/// Where a journey has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The step that has begun last, from 1; 0 before the first.
    pub step: usize,
    /// How many steps there are.
    pub steps: usize,
    /// Frame at which that step ends, and the next begins if there is one.
    pub until: u64,
}

impl Walk {
    /// Sets out at a frame of the time line.
    #[must_use]
    pub fn new(preset: &super::Preset, start: u64) -> Self {
        Self { steps: preset.journey.clone(), repeats: preset.repeats, next: 0, frame: start }
    }

    /// The frame at which the next step begins; none after the last.
    #[must_use]
    pub fn next_frame(&self) -> Option<u64> {
        (self.next < self.steps.len() || self.repeats && !self.steps.is_empty()).then_some(self.frame)
    }

    /// Where it has come to; none where there is no journey.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        (!self.steps.is_empty()).then_some(Place { step: self.next, steps: self.steps.len(), until: self.frame })
    }
}

impl Iterator for Walk {
    type Item = (u64, Vec<(Param, Value)>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.steps.len() && self.repeats {
            self.next = 0;
        }
        let step = self.steps.get(self.next)?;
        let frame = self.frame;
        self.next += 1;
        self.frame += seconds_to_frames(step.seconds);
        Some((frame, step.settings.clone()))
    }
}
