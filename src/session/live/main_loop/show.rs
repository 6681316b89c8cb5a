//! The performance, and everything else that parameters control: presets, setlists, the timer, recordings.

use super::performance::Performance;
use super::presets::Presets;
use super::reports::{Reports, kind_of};
use super::scene_files::SceneFiles;
use super::setlists::{Setlists, entry_number};
use super::timer::Timer;
use crate::conductor::Conductor;
use crate::event::ControlEvent;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::files::library::Library;
use crate::files::preset::Preset;
use crate::files::scene::Scene;
use crate::files::setlist::Setlist;
use crate::files::{NameError, exact_name};
use crate::output::record::Format;
use crate::remote::status::ShowMetrics;
use crate::session::live::Settings;
use crate::session::live::state::scene_events;
use crate::session::live::takes::Takes;
use crate::units::seconds_to_frames;

/// Everything that an event can change.
pub(in crate::session::live) struct Show {
    pub(in crate::session::live) performance: Performance,
    pub(in crate::session::live) presets: Presets,
    pub(in crate::session::live) scene_files: SceneFiles,
    pub(in crate::session::live) setlists: Setlists,
    pub(in crate::session::live) timer: Timer,
    pub(in crate::session::live) takes: Takes,
    pub(in crate::session::live) reports: Reports,
}

impl Show {
    pub(super) const fn conductor(&self) -> &Conductor {
        self.performance.conductor()
    }

    /// Handles an event, unless the preset or setlist that it names cannot be found.
    pub(super) fn handle(&mut self, event: ControlEvent) {
        if let Some(event) = self.with_exact_name(event) {
            self.perform(&event);
        }
    }

    /// Applies an event and runs its side effects. Returns whether it was valid, and logs a warning if it was not.
    pub(in crate::session::live) fn perform(&mut self, event: &ControlEvent) -> bool {
        if let ControlEvent::Set(param, _) | ControlEvent::NextBar(param, _) = event
            && param.is_mood()
        {
            let glide = self.presets.restore_glide(&self.preset(), self.conductor().value(Param::Glide));
            self.apply_all(glide);
        }
        let valid = self.apply(event);
        if let ControlEvent::Set(param, value) = event
            && valid
        {
            self.run_side_effects(*param, value);
        }
        if matches!(event, ControlEvent::RenameScene { .. }) {
            self.reports.recheck_scenes();
        }
        valid
    }

    /// Applies an event at the horizon, without side effects. Returns whether it was valid, and logs a warning if it
    /// was not.
    pub(super) fn apply(&mut self, event: &ControlEvent) -> bool {
        let applied = self.performance.apply(event);
        if let Err(error) = &applied {
            self.reports.warn(kind_of(event), &format!("ignored: {error}"));
        }
        applied.is_ok()
    }

    pub(super) fn apply_all(&mut self, events: impl IntoIterator<Item = ControlEvent>) {
        for event in events {
            self.apply(&event);
        }
    }

    /// Returns an event with the exact name of the preset, setlist or scene that it names, so that the control log holds
    /// that name. If the preset or setlist cannot be found, or several scenes could be meant, logs a warning and returns
    /// `None`.
    pub(super) fn with_exact_name(&mut self, mut event: ControlEvent) -> Option<ControlEvent> {
        let kind = kind_of(&event);
        let exact = match &mut event {
            ControlEvent::Set(param, Value::Text(name)) | ControlEvent::NextBar(param, Value::Text(name)) => {
                self.exact_name(*param, name).map(|exact| *name = exact)
            }
            ControlEvent::RenameScene { from, .. } => self.exact_name(Param::Scene, from).map(|exact| *from = exact),
            _ => Ok(()),
        };
        match exact {
            Ok(()) => Some(event),
            Err(error) => {
                self.reports.warn(kind, &error.to_string());
                None
            }
        }
    }

    /// Returns the exact name of the preset, setlist or scene that a parameter's value stands for, otherwise the value itself.
    fn exact_name(&self, param: Param, value: &str) -> Result<String, NameError> {
        let exact = match param {
            Param::Preset => self.presets.library().find(value)?.0,
            // An empty name selects no setlist.
            Param::Setlist if !value.is_empty() => self.setlists.library().find(value)?.0,
            // A scene may be stored under this name before it is recalled; the conductor refuses to recall a missing one.
            param if param.names_scene() => {
                let scenes = self.conductor().scene_names().map(|name| (name, name));
                match exact_name("scene", value, scenes) {
                    Err(NameError::Unknown { .. }) => value,
                    exact => exact?,
                }
            }
            _ => value,
        };
        Ok(exact.to_owned())
    }

    /// Carries out what a parameter does in the daemon besides changing the music.
    pub(super) fn run_side_effects(&mut self, param: Param, value: &Value) {
        if param.policy().ends_journey {
            self.presets.end_journey();
        }
        let (frame, tempo_source) = (self.conductor().frame(), self.tempo_source());
        let events = match (param, value) {
            (Param::Preset, Value::Text(name)) => self.presets.load(name, frame, tempo_source),
            (Param::PresetNext, _) => self.presets.load_relative(&self.preset(), 1, frame, tempo_source),
            (Param::PresetPrevious, _) => self.presets.load_relative(&self.preset(), -1, frame, tempo_source),
            (Param::Record, Value::Toggle(on)) => return self.record(*on),
            (Param::SceneStore | Param::SceneDelete, _) => return self.reports.recheck_scenes(),
            (Param::Timer, Value::Number(seconds)) => return self.timer.start(*seconds, frame),
            (Param::Setlist, _) => return self.go_to_entry(0),
            (Param::SetlistNext, _) => return self.step_setlist(1),
            (Param::SetlistPrevious, _) => return self.step_setlist(-1),
            (Param::SetlistGo, number) => {
                // Without a setlist, only the position before the first entry exists, and `setlist/go` returns to it.
                let is_selected = entry_number(number) == 0 || self.select_setlist().is_some();
                return self.go_to_entry(if is_selected { entry_number(number) } else { 0 });
            }
            _ => return,
        };
        self.apply_all(events);
    }

    /// Returns the frame of the journey's next step or the timer's end, whichever comes first.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.presets.next_frame().into_iter().chain(self.timer.next_frame()).min()
    }

    /// Applies the changes that the journey and the timer make at a frame.
    pub(super) fn step(&mut self, frame: u64) {
        if self.presets.next_frame() == Some(frame) {
            let events = self.presets.step();
            self.apply_all(events);
        }
        let events = self.timer.expire(frame);
        self.apply_all(events.into_iter().flatten());
    }

    pub(in crate::session::live) fn tempo_source(&self) -> TempoSource {
        match self.conductor().value(Param::TempoSource) {
            Value::Choice(position) => TempoSource::at(position),
            _ => TempoSource::Mood,
        }
    }

    /// Returns the name of the current preset; empty if there is none.
    pub(super) fn preset(&self) -> String {
        self.text(Param::Preset)
    }

    fn text(&self, param: Param) -> String {
        match self.conductor().value(param) {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    /// Moves by a number of entries in the selected setlist.
    fn step_setlist(&mut self, steps: isize) {
        let setlist = self.select_setlist();
        if let Some(number) = setlist.and_then(|setlist| self.setlists.number_at_offset(&setlist, steps)) {
            self.go_to_entry(number);
        }
    }

    /// Returns the selected setlist. If none is selected, selects the only one; if there is not exactly one, logs a warning
    /// and returns `None`.
    fn select_setlist(&mut self) -> Option<String> {
        let selected = self.text(Param::Setlist);
        if !selected.is_empty() {
            return Some(selected);
        }
        match self.setlists.default_name().map(str::to_owned) {
            Ok(only) => {
                self.apply(&ControlEvent::Set(Param::Setlist, Value::Text(only.clone())));
                Some(only)
            }
            Err(problem) => {
                self.reports.warn("setlist", &problem);
                None
            }
        }
    }

    /// Goes to an entry of the selected setlist, numbered from 1, and loads it; 0 is the position before the first.
    fn go_to_entry(&mut self, number: usize) {
        let entry = self.setlists.go_to(&self.text(Param::Setlist), number);
        self.apply(&self.setlists.position_event());
        match entry {
            Ok(Some(event)) => self.handle(event),
            Ok(None) => {}
            Err(problem) => self.reports.warn("setlist", &problem),
        }
    }

    /// Starts or stops recording.
    fn record(&mut self, on: bool) {
        if !on {
            return self.takes.end();
        }
        let conductor = self.performance.conductor();
        let format = match conductor.value(Param::RecordFormat) {
            Value::Choice(1) => Format::Flac,
            _ => Format::Wav,
        };
        let pre_roll = match conductor.value(Param::RecordPreRoll) {
            Value::Number(seconds) => seconds_to_frames(f64::from(seconds)),
            _ => 0,
        };
        if !self.takes.begin(conductor.mood().dominant().name(), format, pre_roll) {
            self.apply(&ControlEvent::Set(Param::Record, Value::Toggle(false)));
        }
    }

    /// Replaces presets and setlists; if the current preset is among the `changed` ones, it is loaded again.
    pub(super) fn reload(&mut self, presets: Library<Preset>, setlists: Library<Setlist>, changed: &[String]) {
        self.presets.replace(presets);
        self.setlists.replace(setlists, &self.text(Param::Setlist));
        self.apply(&self.setlists.position_event());
        self.publish_libraries();
        let preset = self.preset();
        if changed.contains(&preset) {
            let events = self.presets.load(&preset, self.conductor().frame(), self.tempo_source());
            self.apply_all(events);
        }
    }

    /// Replaces the scene files, and loads those that have `changed`.
    pub(super) fn reload_scenes(&mut self, scenes: Library<Scene>, changed: &[String]) {
        let names = self.scene_files.replace(scenes, changed, self.performance.conductor());
        for name in &names {
            let events = self.scene_files.events(name, self.performance.conductor());
            self.apply_all(events);
        }
        self.scene_files.set_loaded(&names, self.performance.conductor());
        self.reports.recheck_scenes();
    }

    /// Adds a scene, unless one of its name exists.
    pub(super) fn add_scene(&mut self, name: &str, values: &Settings) {
        if self.conductor().scene(name).is_none() {
            self.apply_all(scene_events(name, values));
            self.reports.recheck_scenes();
        }
    }

    /// Publishes the names of presets and setlists.
    pub(super) fn publish_libraries(&self) {
        self.reports.publish_libraries(self.presets.library(), self.setlists.library());
    }

    /// Returns the state of the setlist, the timer and the opening hours for `melos status`.
    pub(super) fn metrics(&self, head: u64, schedule: Option<&str>) -> ShowMetrics {
        let [entry, next_entry] = self.setlists.entry_names(&self.text(Param::Setlist));
        let timer_seconds_left = self.timer.seconds_left(head);
        ShowMetrics { entry, next_entry, timer_seconds_left, schedule: schedule.map(str::to_owned) }
    }
}
