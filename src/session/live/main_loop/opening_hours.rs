//! Starts and stops the music according to the opening hours in the configuration.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::files::config::schedule::{Debounce, Schedule};
use crate::files::library::Library;
use crate::files::preset::Preset;
use crate::units::SAMPLE_RATE;

/// Interval between checks of the wall clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Frames after the start of the daemon during which the music starts or stops without a fade: outside the opening
/// hours, it should not be audible at all.
const STARTUP: u64 = 5 * SAMPLE_RATE as u64;

/// Follows the schedule of opening hours.
#[derive(Debug)]
pub(in crate::session::live) struct OpeningHours {
    /// Opening hours that began after this time start with their preset; those that began earlier are continued.
    continued_before: Timestamp,
    /// The schedule of the last check.
    schedule: Option<Schedule>,
    debounce: Debounce,
    checked: Option<Instant>,
    /// Whether the opening hours have switched the music off.
    pub(super) closed: bool,
    /// `open` or `closed`, and until when, for the status.
    status: Option<String>,
    /// Why the opening hours are not in local time.
    zone_problem: Option<String>,
}

/// The start or end of opening hours.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transition {
    /// Whether the music starts.
    pub(super) open: bool,
    /// Whether the hours have just begun or ended, or did so while the daemon was not running; false for a state that
    /// continues after a restart or an edit of the schedule.
    pub(super) is_new: bool,
    /// The preset to load.
    pub(super) preset: Option<String>,
    /// Fade time in seconds.
    fade: f32,
}

impl OpeningHours {
    /// Creates the opening hours of a daemon whose state was last saved at `saved`, if ever.
    pub(in crate::session::live) fn new(saved: Option<Timestamp>) -> Self {
        Self {
            continued_before: saved.unwrap_or(Timestamp::MIN),
            schedule: None,
            debounce: Debounce::default(),
            checked: None,
            closed: false,
            status: None,
            zone_problem: None,
        }
    }

    /// Checks the wall clock, at most once a second; returns a transition if there is one. A new schedule always causes
    /// one.
    pub(super) fn check(&mut self, schedule: Option<&Schedule>) -> Option<Transition> {
        let now = Instant::now();
        if self.checked.is_some_and(|checked| now - checked < CLOCK_INTERVAL) {
            return None;
        }
        self.checked = Some(now);
        self.check_at(schedule, Timestamp::now(), now)
    }

    /// Checks at given times of the wall clock and the monotonic clock; see [`Self::check`].
    fn check_at(&mut self, schedule: Option<&Schedule>, wall: Timestamp, now: Instant) -> Option<Transition> {
        // After the first check, opening hours are new only if they begin between two checks.
        let continued_before = std::mem::replace(&mut self.continued_before, Timestamp::MAX);
        if self.schedule.as_ref() != schedule {
            self.debounce = Debounce::default();
            self.schedule = schedule.cloned();
            self.zone_problem = schedule.and_then(Schedule::zone_problem);
        }
        let Some(schedule) = schedule else {
            self.status = None;
            return None;
        };
        let current = schedule.at(wall);
        let state = if current.hours.is_some() { "open" } else { "closed" };
        self.status = Some(match current.next_change {
            Some(change) => format!("{state} until {}", schedule.local(change)),
            None => state.to_owned(),
        });
        let is_new = !self.debounce.is_new() || current.since.is_some_and(|since| since > continued_before);
        Some(match self.debounce.update(current.hours, now)?.map(|index| &schedule.hours[index]) {
            Some(hours) => Transition { open: true, is_new, preset: hours.preset.clone(), fade: schedule.fade_in },
            None => Transition { open: false, is_new, preset: None, fade: schedule.fade_out },
        })
    }

    /// Returns `open` or `closed`, and until when; `None` without a schedule.
    pub(super) fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Returns why the opening hours do not apply as they should: they are not in local time, or a preset cannot be found.
    pub(super) fn problem(&self, presets: &Library<Preset>) -> Option<String> {
        let names = self.schedule.iter().flat_map(|schedule| &schedule.hours).filter_map(|hours| hours.preset.as_ref());
        let preset_problem =
            || names.filter_map(|name| presets.find(name).err()).next().map(|error| format!("schedule.hours: {error}"));
        self.zone_problem.clone().or_else(preset_problem)
    }
}

impl Transition {
    /// Returns why the music starts or stops.
    fn reason(&self) -> &'static str {
        match (self.open, self.is_new) {
            (true, true) => "the opening hours begin: the music fades in",
            (true, false) => "within the opening hours: the music fades in",
            (false, true) => "the opening hours end: the music fades out",
            (false, false) => "outside the opening hours: the music is off",
        }
    }

    /// Returns the events that start or stop the music; empty if it is already playing or stopped, respectively.
    pub(super) fn events(&self, conductor: &Conductor) -> Vec<ControlEvent> {
        if conductor.value(Param::Play) == Value::Toggle(self.open) {
            return Vec::new();
        }
        tracing::info!("{}", self.reason());
        let fade = if conductor.frame() < STARTUP { 0.0 } else { self.fade };
        vec![
            ControlEvent::Set(Param::PlayFade, Value::Number(fade)),
            ControlEvent::Set(Param::Play, Value::Toggle(self.open)),
            ControlEvent::Set(Param::PlayFade, conductor.value(Param::PlayFade)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::files::config::Config;

    const HOURS: &str = "[schedule]\ntime_zone = \"UTC\"\n[[schedule.hours]]\nopen = \"10:00\"\nclose = \"18:00\"\npreset = \"tides\"\n";

    fn time(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    /// Returns `open` and `is_new` of the transition, if any, within a few seconds of each time.
    fn transitions(hours: &mut OpeningHours, schedule: &Schedule, times: &[&str]) -> Vec<Option<(bool, bool)>> {
        let mut now = Instant::now();
        let mut check = |text: &&str| {
            now += Duration::from_secs(60);
            let first = hours.check_at(Some(schedule), time(text), now);
            let settled = hours.check_at(Some(schedule), time(text), now + Duration::from_secs(5));
            first.or(settled).map(|transition| (transition.open, transition.is_new))
        };
        times.iter().map(&mut check).collect()
    }

    #[test]
    fn a_start_outside_the_opening_hours_is_not_their_end() {
        let transition = |open, is_new| Transition { open, is_new, preset: None, fade: 1.0 };
        assert!(transition(false, false).reason().starts_with("outside the opening hours"));
        assert!(transition(false, true).reason().starts_with("the opening hours end"));
        assert!(transition(true, true).reason().starts_with("the opening hours begin"));
    }

    #[test]
    fn the_preset_is_loaded_at_each_opening_but_not_after_a_restart() {
        let schedule = Config::parse(Path::new("melos.toml"), HOURS).unwrap().schedule.unwrap();
        let (opens, continues, closes) = (Some((true, true)), Some((true, false)), Some((false, true)));
        // The daemon runs day and night.
        let mut hours = OpeningHours::new(None);
        assert_eq!(
            transitions(&mut hours, &schedule, &["28T11:00", "28T12:00", "28T18:00", "29T10:00", "29T11:00"]),
            [opens, None, closes, opens, None]
        );
        // The machine is switched off at night, and on again before or after the opening.
        let mut hours = OpeningHours::new(Some(time("28T17:50")));
        assert_eq!(transitions(&mut hours, &schedule, &["29T09:50", "29T10:01"]), [Some((false, false)), opens]);
        let mut hours = OpeningHours::new(Some(time("28T17:50")));
        assert_eq!(transitions(&mut hours, &schedule, &["29T10:10"]), [opens]);
        // The daemon is restarted during the day, and the schedule is edited later.
        let mut hours = OpeningHours::new(Some(time("29T13:00")));
        assert_eq!(transitions(&mut hours, &schedule, &["29T13:01", "29T13:02"]), [continues, None]);
        let edited = Schedule { fade_in: 3.0, ..schedule };
        assert_eq!(transitions(&mut hours, &edited, &["29T13:03"]), [continues]);
    }

    #[test]
    fn a_preset_that_cannot_be_found_is_a_problem_before_the_hours_begin() {
        let folder = tempfile::tempdir().unwrap();
        let (mut presets, _) = Library::open(vec![folder.path().to_owned()], Preset::read);
        let schedule = Config::parse(Path::new("melos.toml"), HOURS).unwrap().schedule.unwrap();
        let mut hours = OpeningHours::new(None);
        assert_eq!(hours.problem(&presets), None);
        transitions(&mut hours, &schedule, &["28T02:00"]);
        let problem = hours.problem(&presets).unwrap();
        assert!(problem.starts_with("schedule.hours: there is no preset \"tides\""), "{problem}");
        std::fs::write(folder.path().join("my-tides.toml"), "schema = 1\nname = \"Tides\"\n").unwrap();
        presets.reload();
        assert_eq!(hours.problem(&presets), None);
    }
}
