//! Starts and stops the music according to the opening hours in the configuration.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::files::config::schedule::{Debounce, Schedule};
use crate::units::SAMPLE_RATE;

/// Interval between checks of the wall clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Frames after the start during which music outside the opening hours stops without a fade, since nobody should hear
/// it.
const BEGINNING: u64 = 5 * SAMPLE_RATE as u64;

/// The schedule, and whether it is open.
#[derive(Debug, Default)]
pub(in crate::session::live) struct OpeningHours {
    /// The schedule of the last check.
    schedule: Option<Schedule>,
    debounce: Debounce,
    checked: Option<Instant>,
    /// Whether it is open and until when, for the status.
    status: Option<String>,
}

/// The opening hours begin or end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transition {
    pub(super) open: bool,
    /// The preset to load.
    pub(super) preset: Option<String>,
    /// Fade time in seconds.
    fade: f32,
}

impl OpeningHours {
    /// Checks the wall clock once a second; returns a transition when there is one. A new schedule starts over.
    pub(super) fn check(&mut self, schedule: Option<&Schedule>) -> Option<Transition> {
        let now = Instant::now();
        if self.checked.is_some_and(|checked| now - checked < CLOCK_INTERVAL) {
            return None;
        }
        self.checked = Some(now);
        if self.schedule.as_ref() != schedule {
            self.debounce = Debounce::default();
            self.schedule = schedule.cloned();
        }
        let Some(schedule) = schedule else {
            self.status = None;
            return None;
        };
        let current = schedule.at(Timestamp::now());
        let state = if current.hours.is_some() { "open" } else { "closed" };
        self.status = Some(match current.until {
            Some(until) => format!("{state} until {}", schedule.local(until)),
            None => state.to_owned(),
        });
        Some(match self.debounce.update(current.hours, now)?.map(|index| &schedule.hours[index]) {
            Some(hours) => Transition { open: true, preset: hours.preset.clone(), fade: schedule.fade_in },
            None => Transition { open: false, preset: None, fade: schedule.fade_out },
        })
    }

    /// Whether it is open and until when; `None` without a schedule.
    pub(super) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }
}

impl Transition {
    /// The events that start or stop the music; empty if it is already playing or stopped, respectively.
    pub(super) fn events(&self, conductor: &Conductor) -> Vec<ControlEvent> {
        if conductor.value(Param::Play) == Value::Toggle(self.open) {
            return Vec::new();
        }
        tracing::info!(
            "the opening hours {}",
            if self.open { "begin: the music fades in" } else { "end: the music fades out" }
        );
        let fade = if conductor.frame() < BEGINNING { 0.0 } else { self.fade };
        vec![
            ControlEvent::Set(Param::PlayFade, Value::Number(fade)),
            ControlEvent::Set(Param::Play, Value::Toggle(self.open)),
            ControlEvent::Set(Param::PlayFade, conductor.value(Param::PlayFade)),
        ]
    }
}
