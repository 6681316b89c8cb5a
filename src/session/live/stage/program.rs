//! Planned events: the setlist, the timer, the opening hours, and modulations.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Stage;
use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::parameter::{Param, Value};
use crate::files::config::schedule::{Opening, Schedule};
use crate::files::library::Library;
use crate::files::setlist::{Cue, Entry, Setlist};
use crate::quote::{listed, quoted};
use crate::remote::status::ShowMetrics;
use crate::units::{SAMPLE_RATE, frames_to_seconds, seconds_to_frames};

/// Interval between checks of the wall clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Frames after the start within which a closed door is found closed: nothing fades that nobody was meant to hear.
const BEGINNING: u64 = 5 * SAMPLE_RATE as u64;

/// Frames after the start at which MIDI devices have had time to be found.
const MIDI_SETTLED: u64 = 3 * SAMPLE_RATE as u64 / 2;

/// The setlists, and the position in the plans.
pub(in crate::session::live) struct Program {
    setlists: Library<Setlist>,
    /// The frame at which the timer runs out.
    timer: Option<u64>,
    /// The current entry of the setlist, from 1.
    place: usize,
    opening: Opening,
    /// The opening hours that were looked at last, and when.
    schedule: Option<Schedule>,
    looked: Option<Instant>,
    /// Whether it is open, and until when, in words.
    hours: Option<String>,
    /// Whether MIDI devices were named.
    greeted: bool,
}

impl Program {
    /// Goes on at the entry of the setlist that the performance was at.
    pub(in crate::session::live) fn new(setlists: Library<Setlist>, conductor: &Conductor) -> Self {
        let place = entry_of(&conductor.value(Param::SetlistGo));
        Self {
            setlists,
            timer: None,
            place,
            opening: Opening::default(),
            schedule: None,
            looked: None,
            hours: None,
            greeted: false,
        }
    }

    pub(super) const fn setlists(&self) -> &Library<Setlist> {
        &self.setlists
    }

    /// Takes what the folders hold now.
    pub(super) fn replace(&mut self, setlists: Library<Setlist>) {
        self.setlists = setlists;
    }

    /// The frame at which something is due.
    pub(super) const fn next_frame(&self) -> Option<u64> {
        self.timer
    }

    /// Starts the timer at a frame, or cancels it.
    pub(super) fn wind_timer(&mut self, seconds: f32, frame: u64) {
        let runs = self.timer.is_some();
        self.timer = (seconds > 0.0).then(|| frame + seconds_to_frames(f64::from(seconds)));
        if seconds > 0.0 {
            tracing::info!("the music fades out in {seconds:.0} s; `melos set timer 0` cancels this");
        } else if runs {
            tracing::info!("the timer is cancelled");
        }
    }

    /// The setlist that an event names, if it does not exist; the empty name selects none.
    pub(super) fn missing<'a>(&self, event: &'a ControlEvent) -> Option<&'a str> {
        match event {
            ControlEvent::Set(Param::Setlist, Value::Text(name))
            | ControlEvent::NextBar(Param::Setlist, Value::Text(name))
                if !name.is_empty() && self.setlists.get(name).is_none() =>
            {
                Some(name)
            }
            _ => None,
        }
    }

    fn entries(&self, setlist: &str) -> &[Entry] {
        self.setlists.get(setlist).map_or(&[][..], |setlist| &setlist.entries)
    }
}

fn entry_of(place: &Value) -> usize {
    if let Value::Number(place) = place { place.round() as usize } else { 0 }
}

impl Stage {
    /// What is due by plan at a frame.
    pub(super) fn run_program(&mut self, frame: u64) {
        if self.program.timer.take_if(|end| *end <= frame).is_some() {
            tracing::info!("the timer has run out: the music fades out; `melos set play on` resumes");
            self.apply(&ControlEvent::Set(Param::Timer, Value::Number(0.0)));
            self.apply(&ControlEvent::Set(Param::Play, Value::Toggle(false)));
        }
    }

    /// Sets the current entry of the setlist without loading it; 0 is before the first.
    pub(super) fn stand_at(&mut self, place: usize) {
        self.program.place = place;
        self.apply(&ControlEvent::Set(Param::SetlistGo, Value::Number(place as f32)));
    }

    /// Goes on in the setlist, or back; where none is chosen and there is one, that is it.
    pub(super) fn step_setlist(&mut self, steps: isize) {
        let Value::Text(mut name) = self.performance.conductor().value(Param::Setlist) else { return };
        if name.is_empty() {
            let names: Vec<String> = self.program.setlists.names().map(str::to_owned).collect();
            let [only] = names.as_slice() else {
                let there = listed(self.program.setlists.names());
                return self.reports.complain(
                    "setlist",
                    &format!("no setlist is selected; `melos setlist NAME` selects one of {there}"),
                );
            };
            name.clone_from(only);
            self.apply(&ControlEvent::Set(Param::Setlist, Value::Text(name.clone())));
        }
        let entries = self.program.entries(&name).len();
        let there = self.program.place as isize + steps;
        if there < 1 || there as usize > entries {
            let end = if steps > 0 { "ends" } else { "begins" };
            return tracing::info!("setlist {} {end} here", quoted(&name));
        }
        self.go_in_setlist(&Value::Number(there as f32));
    }

    /// Goes to an entry of the setlist, by its number from 1.
    pub(super) fn go_in_setlist(&mut self, place: &Value) {
        let (place, before) = (entry_of(place), self.program.place);
        let Value::Text(name) = self.performance.conductor().value(Param::Setlist) else { return };
        let entries = self.program.entries(&name);
        let (entry, count) = (place.checked_sub(1).and_then(|index| entries.get(index)).cloned(), entries.len());
        let Some(entry) = entry else {
            if place > 0 {
                let complaint = format!("there is no entry {place} in setlist {}, which has {count}", quoted(&name));
                self.reports.complain("setlist", &complaint);
            }
            return self.stand_at(if place == 0 { 0 } else { before });
        };
        self.stand_at(place);
        let (what, which) = entry.cue.named();
        tracing::info!("setlist {}: {place} of {count}, {what} {}", quoted(&name), quoted(which));
        match entry.cue {
            Cue::Preset(preset) => self.play_preset(&preset),
            Cue::Scene(scene) => {
                let value = Value::Text(scene);
                if self.apply(&ControlEvent::Set(Param::Scene, value.clone())) {
                    self.act(Param::Scene, &value);
                }
            }
        }
    }

    fn play_preset(&mut self, name: &str) {
        let value = Value::Text(name.to_owned());
        let event = ControlEvent::Set(Param::Preset, value.clone());
        if self.misses(&event) {
            return;
        }
        self.apply(&event);
        self.act(Param::Preset, &value);
    }

    /// Checks the wall clock periodically, and opens or closes.
    pub(super) fn look_at_clock(&mut self) {
        let now = Instant::now();
        if self.program.looked.is_some_and(|looked| now - looked < CLOCK_INTERVAL) {
            return;
        }
        self.program.looked = Some(now);
        if self.program.schedule != self.reloads.config.schedule {
            self.program.opening = Opening::default();
            self.program.schedule.clone_from(&self.reloads.config.schedule);
        }
        let Some(schedule) = self.program.schedule.clone() else {
            self.program.hours = None;
            return;
        };
        let present = schedule.at(Timestamp::now());
        let state = if present.hours.is_some() { "open" } else { "closed" };
        let until = present.until.map(|until| format!("{state} until {}", schedule.said(until)));
        self.program.hours = Some(until.unwrap_or_else(|| state.to_owned()));
        let Some(holds) = self.program.opening.look(present.hours, now) else { return };
        match holds.map(|index| &schedule.hours[index]) {
            Some(hours) => {
                let playing = self.performance.conductor().value(Param::Preset);
                if let Some(preset) = hours.preset.as_ref().filter(|preset| playing != Value::Text((*preset).clone())) {
                    self.play_preset(preset);
                }
                self.fade(true, schedule.fade_in);
            }
            None => self.fade(false, schedule.fade_out),
        }
    }

    fn fade(&mut self, on: bool, seconds: f32) {
        if self.performance.conductor().value(Param::Play) == Value::Toggle(on) {
            return;
        }
        tracing::info!(
            "the opening hours {}",
            if on { "begin: the music fades in" } else { "end: the music fades out" }
        );
        let usual = self.performance.conductor().value(Param::PlayFade);
        let seconds = if self.performance.conductor().frame() < BEGINNING { 0.0 } else { seconds };
        for (param, value) in
            [(Param::PlayFade, Value::Number(seconds)), (Param::Play, Value::Toggle(on)), (Param::PlayFade, usual)]
        {
            self.apply(&ControlEvent::Set(param, value));
        }
    }

    /// Has the MIDI devices named once, when they have had time to be found.
    pub(super) fn greet_midi(&mut self, head: u64) {
        if !self.program.greeted && head >= MIDI_SETTLED {
            self.program.greeted = true;
            self.devices.greet();
        }
    }

    /// The part of `melos status` about plans.
    pub(super) fn show_program(&self, head: u64) {
        let Value::Text(name) = self.performance.conductor().value(Param::Setlist) else { return };
        let entries = self.program.entries(&name);
        let named = |index: usize| {
            let (what, which) = entries.get(index)?.cue.named();
            Some(format!("{what} {which}"))
        };
        let timer = self.program.timer.map(|end| frames_to_seconds(end.saturating_sub(head)));
        self.reports.board().tell_show(ShowMetrics {
            entry: self.program.place.checked_sub(1).and_then(named),
            next_entry: named(self.program.place),
            timer_seconds_left: timer,
            schedule: self.program.hours.clone(),
        });
    }
}
