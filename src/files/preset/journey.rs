//! Journeys: the moods that a preset moves through.

use crate::event::parameter::{Param, Value};
use crate::files::document::{Document, Table};
use crate::files::parameters::{self, Place, mood_last};
use crate::units::seconds_to_frames;

/// One step of a journey.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The mood and any other parameters, in the order in which to set them.
    pub settings: Vec<(Param, Value)>,
    /// Length of the step in seconds, including its glide.
    pub seconds: f64,
}

/// Maximum length of a step, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

impl Step {
    pub(super) fn read(document: &mut Document<'_>, mut table: Table<'_>) -> Option<Self> {
        let seconds = seconds(document, &mut table);
        let settings = mood_last(parameters::read(document, Place::Step, table));
        Some(Self { settings, seconds: seconds? })
    }
}

/// Reads the length of a step.
fn seconds(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<f64> {
    let Some(field) = table.take("seconds") else {
        table.missing(document, "seconds", "the length of the step in seconds");
        return None;
    };
    match field.number() {
        Some(number) if (1.0..=MAX_SECONDS).contains(&number) => Some(number),
        _ => field.reject(document, &format!("a number from 1 to {MAX_SECONDS}")),
    }
}

/// A running journey: an iterator over the start frames of its steps, with the values to set.
#[derive(Debug, Clone)]
pub struct JourneySteps {
    steps: Vec<Step>,
    repeats: bool,
    next: usize,
    frame: u64,
}

/// The current position in a journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JourneyPosition {
    /// The number of the current step, from 1; 0 before the first.
    pub step: usize,
    /// Number of steps.
    pub steps: usize,
    /// Frame at which the step ends and the next one, if any, starts.
    pub end_frame: u64,
}

impl JourneySteps {
    /// Starts a preset's journey at a frame.
    #[must_use]
    pub fn new(preset: &super::Preset, start: u64) -> Self {
        Self { steps: preset.journey.clone(), repeats: preset.repeats, next: 0, frame: start }
    }

    /// Continues a preset's journey at the start of a step, counted from 1, whose settings are already in effect;
    /// starts from the beginning if the step no longer exists.
    #[must_use]
    pub fn resume(preset: &super::Preset, step: usize, start: u64) -> Self {
        let journey = Self::new(preset, start);
        let Some(current) = step.checked_sub(1).and_then(|index| journey.steps.get(index)) else { return journey };
        let frame = start + seconds_to_frames(current.seconds);
        Self { next: step, frame, ..journey }
    }

    /// Returns the current step; `None` before the first.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.steps.get(self.next.checked_sub(1)?)
    }

    /// Returns the frame at which the next step starts; `None` if there is no next step.
    #[must_use]
    pub fn next_frame(&self) -> Option<u64> {
        (self.next < self.steps.len() || self.repeats && !self.steps.is_empty()).then_some(self.frame)
    }

    /// Returns the current position; `None` without a journey.
    #[must_use]
    pub fn position(&self) -> Option<JourneyPosition> {
        (!self.steps.is_empty()).then_some(JourneyPosition {
            step: self.next,
            steps: self.steps.len(),
            end_frame: self.frame,
        })
    }
}

impl Iterator for JourneySteps {
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
