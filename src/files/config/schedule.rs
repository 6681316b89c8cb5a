//! `[schedule]` in `melos.toml`: opening hours in local time, each with an optional preset.
//!
//! For each date, opening hours are converted to instants in the time zone, so days of 23 or 25 hours are handled
//! correctly, and the result depends only on the current time, not on earlier clock readings.

use std::time::{Duration, Instant};

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::files::document::{Document, Field, Table};

/// Allowed fade times, in seconds.
const FADE_SECONDS: std::ops::RangeInclusive<f64> = 0.0..=600.0;
/// How long a new state must last before it is reported, so that the music does not stop again if the clock is set back
/// slightly just after opening time.
const SETTLING_TIME: Duration = Duration::from_secs(3);
/// Maximum number of opening hours: they are evaluated every second by the thread that plays.
const MAX_HOURS: usize = 200;
/// Number of days searched for the next change.
const DAYS_AHEAD: i64 = 8;
/// What is expected of a time zone.
const KNOWN_ZONE: &str =
    "a time zone that this machine knows, such as \"Europe/Berlin\" (on Debian, install the tzdata package)";
/// The names of the days in `melos.toml`.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The opening hours, and how the music fades in and out.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The time zone; the system's if `None`.
    pub zone: Option<TimeZone>,
    /// Fade-in time in seconds.
    pub fade_in: f32,
    /// Fade-out time in seconds.
    pub fade_out: f32,
    /// The opening hours. If several overlap, those that opened last apply; if they opened together, the last in the
    /// list apply.
    pub hours: Vec<Hours>,
}

/// Opening hours on some days.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    /// The days on which the hours begin.
    pub days: Vec<Weekday>,
    /// When the hours begin.
    pub open: Time,
    /// When the hours end; on the next day if not after `open`.
    pub close: Time,
    /// The preset to load when the hours begin.
    pub preset: Option<String>,
}

/// The state of the schedule at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Index of the opening hours that apply; `None` while closed.
    pub hours: Option<usize>,
    /// When these hours began.
    pub since: Option<Timestamp>,
    /// When the state changes; `None` if it stays the same for at least a week.
    pub next_change: Option<Timestamp>,
}

impl Schedule {
    /// Returns the state at an instant.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> State {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        let mut spans = self.spans(&zone, now);
        spans.sort_unstable_by_key(|(from, _, index)| (*from, *index));
        let mut changes: Vec<_> = spans.iter().flat_map(|(from, to, _)| [*from, *to]).filter(|at| *at > now).collect();
        changes.sort_unstable();
        let mut coming = spans.iter().peekable();
        // The hours that have begun, latest last; those below the last may have ended.
        let mut begun = Vec::new();
        // Must be called with increasing times.
        let mut span_at = |moment: Timestamp| {
            while let Some(span) = coming.next_if(|(from, ..)| *from <= moment) {
                begun.push(span);
            }
            while begun.pop_if(|(_, to, _)| *to <= moment).is_some() {}
            begun.last().map(|(from, _, index)| (*from, *index))
        };
        let current = span_at(now);
        let hours = current.map(|(_, index)| index);
        let next_change = changes.into_iter().find(|at| span_at(*at).map(|(_, index)| index) != hours);
        State { hours, since: current.map(|(from, _)| from), next_change }
    }

    /// Returns why the opening hours are not in local time: none is chosen, and the system's is unknown, as if `TZ` is
    /// misspelt or no time zones are installed.
    #[must_use]
    pub fn zone_problem(&self) -> Option<String> {
        let is_known = self.zone.is_some() || TimeZone::try_system().is_ok();
        (!is_known).then(|| {
            format!(
                "schedule.time_zone is missing and the system's time zone is unknown, so the opening hours are in UTC; expected {KNOWN_ZONE}"
            )
        })
    }

    /// Returns the start, end and index of all opening hours from the day before yesterday to [`DAYS_AHEAD`] days
    /// ahead.
    fn spans(&self, zone: &TimeZone, now: Timestamp) -> Vec<(Timestamp, Timestamp, usize)> {
        let today = zone.to_datetime(now).date();
        let mut spans = Vec::new();
        for day in -2..=DAYS_AHEAD {
            let Ok(date) = today.checked_add(day.days()) else { continue };
            for (index, hours) in
                self.hours.iter().enumerate().filter(|(_, hours)| hours.days.contains(&date.weekday()))
            {
                let end = if hours.close > hours.open { Ok(date) } else { date.tomorrow() };
                // A local time that occurs twice means its first occurrence; one that the clock skips moves later by
                // the length of the gap.
                let from = zone.to_timestamp(date.to_datetime(hours.open));
                let to = end.and_then(|end| zone.to_timestamp(end.to_datetime(hours.close)));
                if let (Ok(from), Ok(to)) = (from, to) {
                    spans.push((from, to, index));
                }
            }
        }
        spans
    }

    /// Describes the closure at an instant, such as `closed until Sat 10:00`; `None` while open.
    #[must_use]
    pub fn closed(&self, now: Timestamp) -> Option<String> {
        let State { hours: None, next_change, .. } = self.at(now) else { return None };
        Some(next_change.map_or("closed".to_owned(), |change| format!("closed until {}", self.local(change))))
    }

    /// Formats an instant as local time, such as `Sat 18:00`.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        zone.to_datetime(at).strftime("%a %H:%M").to_string()
    }
}

/// Reports which opening hours apply: the first time at once, and a change only after it has lasted a few seconds,
/// whether it was caused by the passing of time or by a clock adjustment.
#[derive(Debug, Default)]
pub struct Debounce {
    reported: Option<Option<usize>>,
    /// Hours that differ from those reported, and when they were first observed.
    pending: Option<(Option<usize>, Instant)>,
}

impl Debounce {
    /// Returns whether nothing has been reported yet.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.reported.is_none()
    }

    /// Updates the index of the hours that apply at the monotonic time `now`; returns it if it must be reported.
    pub fn update(&mut self, current: Option<usize>, now: Instant) -> Option<Option<usize>> {
        let Some(reported) = self.reported else {
            self.reported = Some(current);
            return Some(current);
        };
        if current == reported {
            self.pending = None;
            return None;
        }
        let since = match self.pending {
            Some((pending, since)) if pending == current => since,
            _ => self.pending.insert((current, now)).1,
        };
        if now.saturating_duration_since(since) < SETTLING_TIME {
            return None;
        }
        (self.reported, self.pending) = (Some(current), None);
        Some(current)
    }
}

pub(super) fn read(document: &mut Document<'_>, mut table: Table<'_>) -> Option<Schedule> {
    let mut schedule = Schedule { zone: None, fade_in: 10.0, fade_out: 30.0, hours: Vec::new() };
    if let Some(field) = table.take("time_zone")
        && let Some(name) = field.text(document)
    {
        schedule.zone = TimeZone::get(&name).ok().or_else(|| field.reject(document, KNOWN_ZONE));
    }
    for (key, fade) in [("fade_in", &mut schedule.fade_in), ("fade_out", &mut schedule.fade_out)] {
        if let Some(seconds) = table.number(document, key, FADE_SECONDS) {
            *fade = seconds as f32;
        }
    }
    let tables = table.tables(document, "hours");
    if tables.is_empty() {
        document.add(table.span(), "", "schedule.hours is missing; expected [[schedule.hours]] with open and close");
    }
    if let Some(excess) = tables.get(MAX_HOURS) {
        let hint = format!("schedule.hours has {} entries; expected at most {MAX_HOURS}", tables.len());
        document.add(excess.span(), "", hint);
    }
    schedule.hours = tables.into_iter().filter_map(|table| hours(document, table)).collect();
    table.finish(document);
    Some(schedule)
}

fn hours(document: &mut Document<'_>, mut table: Table<'_>) -> Option<Hours> {
    let days = match table.take("days") {
        Some(field) => days(document, &field),
        None => Some(DAYS.map(|(_, day)| day).to_vec()),
    };
    let [open, close] = ["open", "close"].map(|key| time(document, &mut table, key));
    let preset = table.text(document, "preset");
    table.finish(document);
    Some(Hours { days: days?, open: open?, close: close?, preset })
}

fn days(document: &mut Document<'_>, field: &Field<'_>) -> Option<Vec<Weekday>> {
    let day = |name: &String| DAYS.iter().find(|(known, _)| name == known).map(|(_, day)| *day);
    let days = field.texts().and_then(|names| names.iter().map(day).collect::<Option<Vec<_>>>());
    days.filter(|days| !days.is_empty()).or_else(|| {
        field.reject(document, "a list of days, each \"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\" or \"sun\"")
    })
}

fn time(document: &mut Document<'_>, table: &mut Table<'_>, key: &'static str) -> Option<Time> {
    let Some(field) = table.take(key) else {
        table.missing(document, key, "a time of day such as \"09:30\"");
        return None;
    };
    let text = field.text(document)?;
    let parts = text.split_once(':').filter(|(_, minutes)| minutes.len() == 2);
    let time = parts.and_then(|(hours, minutes)| Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok());
    time.or_else(|| field.reject(document, "a time of day from \"00:00\" to \"23:59\""))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::*;

    fn schedule(text: &str) -> Schedule {
        let text = format!("[schedule]\ntime_zone = \"Europe/Berlin\"\n{text}");
        Config::parse(Path::new("melos.toml"), &text).unwrap().schedule.unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Returns the reports, with their times, while the wall clock runs from one time to another, checked every second.
    fn reports(
        debounce: &mut Debounce,
        schedule: &Schedule,
        from: &str,
        to: &str,
        at: &mut Instant,
    ) -> Vec<(String, Option<usize>)> {
        let (mut wall, end, mut reports) = (time(from), time(to), Vec::new());
        while wall < end {
            if let Some(hours) = debounce.update(schedule.at(wall).hours, *at) {
                reports.push((wall.to_string(), hours));
            }
            wall += 1.second();
            *at += Duration::from_secs(1);
        }
        reports
    }

    const NIGHT: &str = "[[schedule.hours]]\nopen = \"01:00\"\nclose = \"02:30\"\n[[schedule.hours]]\nopen = \"03:30\"\nclose = \"04:00\"\n";

    #[test]
    fn a_skipped_closing_time_moves_later() {
        // 2026-03-29: 02:00 CET is 03:00 CEST; 02:30 does not exist and means 03:30.
        let (mut debounce, mut at) = (Debounce::default(), Instant::now());
        let reports = reports(&mut debounce, &schedule(NIGHT), "2026-03-28T23:00:00Z", "2026-03-29T03:00:00Z", &mut at);
        let expected = [
            ("2026-03-28T23:00:00Z", None),
            ("2026-03-29T00:00:03Z", Some(0)),
            ("2026-03-29T01:30:03Z", Some(1)),
            ("2026-03-29T02:00:03Z", None),
        ];
        assert_eq!(reports, expected.map(|(at, hours)| (at.to_owned(), hours)));
    }

    #[test]
    fn a_repeated_hour_opens_and_closes_once() {
        // 2026-10-25: 03:00 CEST is 02:00 CET, so 02:30 occurs twice; the first occurrence counts.
        let (mut debounce, mut at) = (Debounce::default(), Instant::now());
        let reports = reports(&mut debounce, &schedule(NIGHT), "2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z", &mut at);
        let expected = [
            ("2026-10-24T22:00:00Z", None),
            ("2026-10-24T23:00:03Z", Some(0)),
            ("2026-10-25T00:30:03Z", None),
            ("2026-10-25T02:30:03Z", Some(1)),
            ("2026-10-25T03:00:03Z", None),
        ];
        assert_eq!(reports, expected.map(|(at, hours)| (at.to_owned(), hours)));
    }

    #[test]
    fn only_large_adjustments_of_the_clock_take_effect() {
        let day = schedule("[[schedule.hours]]\ndays = [\"mon\", \"tue\"]\nopen = \"09:00\"\nclose = \"18:00\"\n");
        let (mut debounce, mut at) = (Debounce::default(), Instant::now());
        let mut run = |from, to| {
            let reports = reports(&mut debounce, &day, from, to, &mut at);
            reports.into_iter().map(|(_, hours)| hours).collect::<Vec<_>>()
        };
        // Monday, 2026-11-30, in winter: 09:00 is 08:00 UTC.
        assert_eq!(run("2026-11-30T07:59:00Z", "2026-11-30T08:00:10Z"), [None, Some(0)]);
        assert_eq!(run("2026-11-30T07:59:58Z", "2026-11-30T08:00:10Z"), [], "set back by twelve seconds");
        assert_eq!(run("2026-11-30T20:00:00Z", "2026-11-30T20:00:10Z"), [None], "set forward into the evening");
        assert_eq!(run("2026-11-30T12:00:00Z", "2026-11-30T12:00:10Z"), [Some(0)], "set back to noon");
        assert_eq!(run("2026-12-02T12:00:00Z", "2026-12-02T12:00:10Z"), [None], "a Wednesday");
    }

    #[test]
    fn opening_hours_may_cross_midnight_and_overlap() {
        let overlapping = schedule(
            "[[schedule.hours]]\nopen = \"20:00\"\nclose = \"02:00\"\npreset = \"slow-dawn\"\n[[schedule.hours]]\ndays = [\"fri\"]\nopen = \"23:00\"\nclose = \"00:30\"\npreset = \"storm\"\n",
        );
        // Friday, 2026-11-27.
        let at = |text: &str| overlapping.at(time(text));
        assert_eq!(at("2026-11-27T18:59:59Z").hours, None);
        assert_eq!(
            at("2026-11-27T19:00:00Z"),
            State {
                hours: Some(0),
                since: Some(time("2026-11-27T19:00:00Z")),
                next_change: Some(time("2026-11-27T22:00:00Z")),
            }
        );
        assert_eq!(at("2026-11-27T23:00:00Z").hours, Some(1));
        assert_eq!(
            at("2026-11-27T23:30:00Z"),
            State {
                hours: Some(0),
                since: Some(time("2026-11-27T19:00:00Z")),
                next_change: Some(time("2026-11-28T01:00:00Z")),
            }
        );
        assert_eq!(at("2026-11-28T01:00:00Z").hours, None);
        assert!(overlapping.closed(time("2026-11-28T01:00:00Z")).unwrap().starts_with("closed until "));
        assert_eq!(overlapping.closed(time("2026-11-27T23:00:00Z")), None);
        assert_eq!(overlapping.local(time("2026-11-28T01:00:00Z")), "Sat 02:00");
    }

    #[test]
    fn many_overlapping_opening_hours_are_evaluated_quickly() {
        // The last entry always applies, so the state never changes when the others begin and end.
        let hours = |open, close| format!("[[schedule.hours]]\nopen = \"{open}\"\nclose = \"{close}\"\n");
        let mut many = schedule(&[hours("09:00", "18:00"), hours("09:00", "09:00")].concat());
        many.hours = [vec![many.hours[0].clone(); 20_000], vec![many.hours[1].clone()]].concat();
        let started = Instant::now();
        let now = time("2026-11-27T19:00:00Z");
        let state = many.at(now);
        assert_eq!((state.hours, state.since), (Some(20_000), Some(time("2026-11-27T08:00:00Z"))));
        assert!(state.next_change.is_none_or(|change| change > now + (7 * 24).hours()));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn every_problem_is_reported() {
        let text = "[schedule]\ntime_zone = \"Europe/Berlyn\"\nfade_in = -1\n[[schedule.hours]]\ndays = [\"monday\"]\nopen = \"9\"\n";
        let problems = Config::parse(Path::new("melos.toml"), text).unwrap_err();
        let problems = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        for expected in [
            "melos.toml:2: schedule.time_zone = \"Europe/Berlyn\": expected a time zone that this machine knows",
            "melos.toml:3: schedule.fade_in = -1: expected a number from 0 to 600",
            "melos.toml:5: schedule.hours.days = [\"monday\"]: expected a list of days",
            "melos.toml:6: schedule.hours.open = \"9\": expected a time of day",
            "schedule.hours.close is missing",
        ] {
            assert!(problems.contains(expected), "{expected}\n{problems}");
        }
        let hours = "[[schedule.hours]]\nopen = \"09:00\"\nclose = \"18:00\"\n";
        assert_eq!(schedule(&hours.repeat(MAX_HOURS)).hours.len(), 200);
        let too_many = Config::parse(Path::new("melos.toml"), &hours.repeat(MAX_HOURS + 1)).unwrap_err();
        assert_eq!(too_many[0].to_string(), "melos.toml:601: schedule.hours has 201 entries; expected at most 200");
        let empty = Config::parse(Path::new("melos.toml"), "[schedule]\n").unwrap_err();
        assert!(empty[0].hint.contains("[[schedule.hours]]"), "{empty:?}");
    }
}
