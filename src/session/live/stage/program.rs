//! What happens by plan: the setlist, the timer, the opening hours, and what moves by itself.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Stage, Turn};
use crate::event::ControlEvent;
use crate::event::modulation::Modulation;
use crate::event::parameter::{Param, Value};
use crate::files::config::schedule::{Opening, Schedule};
use crate::files::setlist::Cue;
use crate::quote::{listed, quoted};
use crate::remote::status::ShowFigures;
use crate::units::{SAMPLE_RATE, frames_to_seconds, seconds_to_frames};

/// Between two looks at the clock on the wall.
const LOOK: Duration = Duration::from_secs(1);
/// Frames after the start within which a closed door is found closed: nothing fades that nobody was meant to hear.
const BEGINNING: u64 = 5 * SAMPLE_RATE as u64;

/// Where in its plans the performance is.
#[derive(Default)]
pub(super) struct Program {
    /// The frame at which the timer runs out.
    timer: Option<u64>,
    /// The entry of the setlist that was gone to last, from 1.
    place: usize,
    opening: Opening,
    /// The opening hours that were looked at last, and when.
    schedule: Option<Schedule>,
    looked: Option<Instant>,
}

impl Program {
    /// A program that goes on at an entry of the setlist.
    pub(super) fn at(place: &Value) -> Self {
        Self { place: entry_of(place), ..Self::default() }
    }

    /// The frame at which something is due.
    pub(super) const fn next_frame(&self) -> Option<u64> {
        self.timer
    }
}

fn entry_of(place: &Value) -> usize {
    if let Value::Number(place) = place { place.round() as usize } else { 0 }
}

impl Stage {
    /// Lets move by itself what a preset names, and nothing else.
    pub(super) fn modulate(&mut self, turn: &mut Turn, by: &[(Param, Modulation)]) {
        let ended: Vec<_> =
            self.conductor.modulated().filter(|param| !by.iter().any(|(other, _)| other == param)).collect();
        for param in ended {
            self.apply(turn, &ControlEvent::Modulate(param, None));
        }
        for (param, modulation) in by {
            self.apply(turn, &ControlEvent::Modulate(*param, Some(*modulation)));
        }
    }

    /// Winds the timer up, or calls it off.
    pub(super) fn wind_timer(&mut self, turn: &mut Turn, seconds: f32) {
        let runs = turn.program.timer.is_some();
        turn.program.timer = (seconds > 0.0).then(|| self.conductor.frame() + seconds_to_frames(f64::from(seconds)));
        if seconds > 0.0 {
            tracing::info!("the music fades out in {seconds:.0} s; `melos set timer 0` calls it off");
        } else if runs {
            tracing::info!("the timer is called off");
        }
    }

    /// What is due by plan.
    pub(super) fn run_program(&mut self, turn: &mut Turn) {
        if turn.program.timer.is_some_and(|frame| frame <= self.conductor.frame()) {
            turn.program.timer = None;
            tracing::info!("the timer has run out: the music fades out; `melos set play on` goes on");
            self.apply(turn, &ControlEvent::Set(Param::Timer, Value::Number(0.0)));
            self.apply(turn, &ControlEvent::Set(Param::Play, Value::Toggle(false)));
        }
    }

    /// Complains about a setlist that there is not.
    pub(super) fn misses_setlist(&self, turn: &mut Turn, event: &ControlEvent) -> bool {
        let (ControlEvent::Set(Param::Setlist, Value::Text(name))
        | ControlEvent::NextBar(Param::Setlist, Value::Text(name))) = event
        else {
            return false;
        };
        let missing = !name.is_empty() && self.setlists.get(name).is_none();
        if missing {
            let there = listed(self.setlists.names());
            turn.complain("setlist", &format!("there is no setlist {}; there are {there}", quoted(name)));
        }
        missing
    }

    /// Another setlist begins before its first entry.
    pub(super) fn open_setlist(&mut self, turn: &mut Turn) {
        self.stand_at(turn, 0);
    }

    fn stand_at(&mut self, turn: &mut Turn, place: usize) {
        turn.program.place = place;
        self.apply(turn, &ControlEvent::Set(Param::SetlistGo, Value::Number(place as f32)));
    }

    /// Goes on in the setlist, or back; where none is chosen and there is one, that is it.
    pub(super) fn step_setlist(&mut self, turn: &mut Turn, steps: isize) {
        let Value::Text(mut name) = self.conductor.value(Param::Setlist) else { return };
        if name.is_empty() {
            let names: Vec<String> = self.setlists.names().map(str::to_owned).collect();
            let [only] = names.as_slice() else {
                let there = listed(self.setlists.names());
                return turn.complain(
                    "setlist",
                    &format!("no setlist is chosen; `melos setlist NAME` chooses one of {there}"),
                );
            };
            name.clone_from(only);
            self.apply(turn, &ControlEvent::Set(Param::Setlist, Value::Text(name.clone())));
        }
        let entries = self.setlists.get(&name).map_or(0, |setlist| setlist.entries.len());
        let there = turn.program.place as isize + steps;
        if there < 1 || there as usize > entries {
            let end = if steps > 0 { "ends" } else { "begins" };
            return tracing::info!("setlist {} {end} here", quoted(&name));
        }
        self.go_in_setlist(turn, &Value::Number(there as f32));
    }

    /// Goes to an entry of the setlist, by its number from 1.
    pub(super) fn go_in_setlist(&mut self, turn: &mut Turn, place: &Value) {
        let (place, before) = (entry_of(place), turn.program.place);
        let Value::Text(name) = self.conductor.value(Param::Setlist) else { return };
        let entries = self.setlists.get(&name).map_or(&[][..], |setlist| &setlist.entries);
        let (entry, count) = (place.checked_sub(1).and_then(|index| entries.get(index)).cloned(), entries.len());
        let Some(entry) = entry else {
            if place > 0 {
                let complaint = format!("there is no entry {place} in setlist {}, which has {count}", quoted(&name));
                turn.complain("setlist", &complaint);
            }
            return self.stand_at(turn, if place == 0 { 0 } else { before });
        };
        self.stand_at(turn, place);
        let (what, which) = entry.cue.named();
        tracing::info!("setlist {}: {place} of {count}, {what} {}", quoted(&name), quoted(which));
        match entry.cue {
            Cue::Preset(preset) => self.play_preset(turn, &preset),
            Cue::Scene(scene) => {
                let value = Value::Text(scene);
                if self.apply(turn, &ControlEvent::Set(Param::Scene, value.clone())) {
                    self.act(turn, Param::Scene, &value);
                }
            }
        }
    }

    fn play_preset(&mut self, turn: &mut Turn, name: &str) {
        let value = Value::Text(name.to_owned());
        let event = ControlEvent::Set(Param::Preset, value.clone());
        if self.misses_preset(turn, &event) {
            return;
        }
        self.apply(turn, &event);
        self.act(turn, Param::Preset, &value);
    }

    /// Looks at the clock on the wall, now and then, and opens or closes.
    pub(super) fn look_at_clock(&mut self, turn: &mut Turn) {
        let now = Instant::now();
        if turn.program.looked.is_some_and(|looked| now - looked < LOOK) {
            return;
        }
        turn.program.looked = Some(now);
        if turn.program.schedule != self.config.schedule {
            turn.program.opening = Opening::default();
            turn.program.schedule.clone_from(&self.config.schedule);
        }
        let Some(schedule) = turn.program.schedule.clone() else { return };
        let Some(holds) = turn.program.opening.look(&schedule, Timestamp::now(), now) else { return };
        match holds.map(|index| &schedule.hours[index]) {
            Some(hours) => {
                let playing = self.conductor.value(Param::Preset);
                if let Some(preset) = hours.preset.as_ref().filter(|preset| playing != Value::Text((*preset).clone())) {
                    self.play_preset(turn, preset);
                }
                self.fade(turn, true, schedule.fade_in);
            }
            None => self.fade(turn, false, schedule.fade_out),
        }
    }

    fn fade(&mut self, turn: &mut Turn, on: bool, seconds: f32) {
        if self.conductor.value(Param::Play) == Value::Toggle(on) {
            return;
        }
        tracing::info!(
            "the opening hours {}",
            if on { "begin: the music fades in" } else { "end: the music fades out" }
        );
        let usual = self.conductor.value(Param::PlayFade);
        let seconds = if self.conductor.frame() < BEGINNING { 0.0 } else { seconds };
        for (param, value) in
            [(Param::PlayFade, Value::Number(seconds)), (Param::Play, Value::Toggle(on)), (Param::PlayFade, usual)]
        {
            self.apply(turn, &ControlEvent::Set(param, value));
        }
    }

    /// What `melos status` tells of all that.
    pub(super) fn show_program(&self, turn: &Turn) {
        let Value::Text(name) = self.conductor.value(Param::Setlist) else { return };
        let entries = self.setlists.get(&name).map_or(&[][..], |setlist| &setlist.entries);
        let named = |index: usize| {
            let (what, which) = entries.get(index)?.cue.named();
            Some(format!("{what} {which}"))
        };
        let timer = turn.program.timer.map(|end| frames_to_seconds(end.saturating_sub(self.engine.frame())));
        let schedule = turn.program.schedule.as_ref().map(|schedule| {
            let now = schedule.at(Timestamp::now());
            let state = if now.hours.is_some() { "open" } else { "closed" };
            now.until.map_or_else(|| state.to_owned(), |until| format!("{state} until {}", schedule.said(until)))
        });
        self.board.tell_show(ShowFigures {
            entry: turn.program.place.checked_sub(1).and_then(named),
            next_entry: named(turn.program.place),
            timer_seconds_left: timer,
            schedule,
        });
    }
}
