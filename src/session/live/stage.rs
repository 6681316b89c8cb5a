//! The performance thread: a loop over a few parts that keeps the conductor slightly ahead of the play head.

mod agenda;
mod devices;
mod engine_feed;
mod ensemble;
mod leader;
mod learn;
mod lists;
mod onsets;
mod performance;
mod presets;
mod program;
mod reloads;
mod reports;
mod scheduler;
mod sound;
mod streams;
mod timeline;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::networks::Replacement;
use super::reload::Reloaded;
use super::state::Saved;
use super::takes::Takes;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::event::{ControlEvent, Incoming, Notice, Part};
use crate::files::config::{Config, ConfigChange};
use crate::output::record::Format;
use crate::quote::{listed, quoted};
use crate::remote::http::api_state::Wanted;
use crate::units::seconds_to_frames;

pub(super) use devices::Devices;
pub(super) use engine_feed::EngineFeed;
use onsets::Onsets;
pub(super) use performance::Performance;
pub(super) use presets::Presets;
pub(super) use program::Program;
pub(super) use reloads::Reloads;
pub(super) use reports::Reports;
use reports::kind_of;
pub(super) use scheduler::Scheduler;
pub(super) use sound::Sound;

/// Frames by which the horizon leads the play head beyond one block: a tick and a late wake-up.
const MARGIN: u64 = 256;
/// Interval between turns during the final fade.
const TICK: Duration = Duration::from_millis(1);
/// Maximum duration of the final fade; an output whose device is gone never reports silence.
const LAST_FADE: Duration = Duration::from_secs(4);

/// The parts of the performance thread. They do not know each other; the loop passes data between them.
pub(super) struct Stage {
    pub(super) scheduler: Scheduler,
    pub(super) performance: Performance,
    pub(super) presets: Presets,
    pub(super) program: Program,
    pub(super) devices: Devices,
    pub(super) reloads: Reloads,
    pub(super) takes: Takes,
    pub(super) reports: Reports,
    pub(super) sound: Sound,
}

impl Stage {
    /// Plays until `stop` is set, then fades out.
    ///
    /// # Errors
    /// When the audio cannot continue.
    pub(super) fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut onsets = Onsets::default();
        let events = self.presets.begin_to_move(&self.playing());
        self.apply_all(events);
        self.tell_values();
        self.show_presets();
        while !stop.load(Relaxed) {
            self.scheduler.wait(self.sound.block(), self.reports.due_in());
            self.turn(&mut onsets);
            if self.sound.status().failed() {
                bail!("the audio driver crashed with the engine");
            }
        }
        let last = self.saved();
        self.apply(&ControlEvent::Set(Param::PlayFade, Value::Number(0.0)));
        self.apply(&ControlEvent::Set(Param::Play, Value::Toggle(false)));
        let end = Instant::now() + LAST_FADE;
        while !self.sound.silent() && Instant::now() < end {
            std::thread::sleep(TICK);
            self.turn(&mut onsets);
        }
        self.takes.close(self.sound.head(), self.performance.log());
        self.reports.close(last);
        Ok(())
    }

    /// Everything that is due: arrivals, scheduled events, periodic work.
    fn turn(&mut self, onsets: &mut Onsets) {
        let (head, block) = (self.sound.head(), self.sound.block());
        let lead = block + MARGIN;
        let horizon = head + lead;
        // What was rendered last is now being output.
        self.scheduler.observe(head.saturating_sub(block));
        self.take_files();
        self.take_devices();
        // What arrives during the head start waits in the inbox, where the newest value of a parameter wins; otherwise all of it
        // would take effect at the same frame, more than the engine accepts at once.
        if horizon >= self.performance.conductor().frame() {
            self.scheduler.take_in(horizon, block + lead);
        }
        self.play(horizon);
        self.performance.reconcile();
        for (_, param, value) in self.performance.take_released() {
            self.act(param, &value);
        }
        self.devices.send(self.performance.take_messages(), self.scheduler.timeline());
        self.sound.hear();
        self.performance.listen(onsets);
        for strength in onsets.until(head) {
            self.reports.tell(Notice::Onset { strength });
        }
        self.reports.alive(head);
        if self.reports.are_due() {
            self.report(head);
        }
    }

    /// Processes events up to the horizon, each at its frame.
    fn play(&mut self, horizon: u64) {
        loop {
            let (due, step) = (self.scheduler.next_frame(), self.presets.next_frame());
            let planned = self.program.next_frame();
            let Some(frame) = due.into_iter().chain(step).chain(planned).min().filter(|frame| *frame <= horizon) else {
                break;
            };
            self.performance.advance(frame);
            if step == Some(frame) {
                for event in self.presets.step() {
                    self.apply(&event);
                }
            }
            self.run_program(frame);
            while let Some(incoming) = self.scheduler.take(frame) {
                self.take(incoming);
            }
        }
        self.performance.advance(horizon);
    }

    /// Processes an event from outside.
    fn take(&mut self, incoming: Incoming) {
        let Incoming { event, source, .. } = incoming;
        if self.misses(&event) {
            return self.reports.refuse(source);
        }
        if self.scheduler.repeats(&event) {
            return;
        }
        let leader = self.leader();
        if leader.is_outside() && matches!(event, ControlEvent::Set(Param::Tempo, _)) {
            let complaint = format!(
                "{} controls the tempo; to set it yourself, run `melos set tempo/source pinned`",
                leader.name()
            );
            self.reports.complain("tempo", &complaint);
        }
        let applied = self.apply(&event);
        self.say_leader(leader);
        if !applied {
            self.reports.refuse(source);
        } else if let ControlEvent::Set(param, value) = &event {
            self.act(*param, value);
        }
    }

    /// Reports a preset or setlist that does not exist; returns whether the event names one.
    fn misses(&mut self, event: &ControlEvent) -> bool {
        let preset = self.presets.missing(event).map(|name| ("preset", name, listed(self.presets.library().names())));
        let setlist =
            || self.program.missing(event).map(|name| ("setlist", name, listed(self.program.setlists().names())));
        let Some((kind, name, known)) = preset.or_else(setlist) else { return false };
        self.reports.complain(kind, &format!("there is no {kind} {}; choose one of {known}", quoted(name)));
        true
    }

    /// Applies an event at the horizon; returns whether it was valid.
    fn apply(&mut self, event: &ControlEvent) -> bool {
        let applied = self.performance.apply(event);
        if let Err(error) = &applied {
            self.reports.complain(kind_of(event), &format!("{error}; ignored"));
        }
        applied.is_ok()
    }

    fn apply_all(&mut self, events: impl IntoIterator<Item = ControlEvent>) {
        for event in events {
            self.apply(&event);
        }
    }

    /// Performs the daemon's part of a parameter change.
    fn act(&mut self, param: Param, value: &Value) {
        if param.policy().ends_journey {
            self.presets.end_journey();
        }
        let (frame, leader) = (self.performance.conductor().frame(), self.leader());
        let events = match (param, value) {
            (Param::Preset, Value::Text(name)) => self.presets.load(name, frame, leader),
            (Param::PresetNext, _) => self.presets.load_beside(&self.playing(), 1, frame, leader),
            (Param::PresetPrevious, _) => self.presets.load_beside(&self.playing(), -1, frame, leader),
            (Param::Record, Value::Toggle(on)) => return self.record(*on),
            (Param::Timer, Value::Number(seconds)) => return self.program.wind_timer(*seconds, frame),
            (Param::Setlist, _) => return self.stand_at(0),
            (Param::SetlistNext, _) => return self.step_setlist(1),
            (Param::SetlistPrevious, _) => return self.step_setlist(-1),
            (Param::SetlistGo, place) => return self.go_in_setlist(place),
            _ => return,
        };
        self.apply_all(events);
        self.say_leader(leader);
    }

    /// The tempo source.
    fn leader(&self) -> TempoSource {
        match self.performance.conductor().value(Param::TempoSource) {
            Value::Choice(position) => TempoSource::at(position),
            _ => TempoSource::Mood,
        }
    }

    /// Logs the tempo source if it has changed.
    fn say_leader(&mut self, before: TempoSource) {
        let leader = self.leader();
        if leader != before
            && let Value::Number(bpm) = self.performance.conductor().value(Param::Tempo)
        {
            self.devices.say_leader(leader, bpm);
        }
    }

    /// The name of the current preset; empty if there is none.
    fn playing(&self) -> String {
        match self.performance.conductor().value(Param::Preset) {
            Value::Text(name) => name,
            _ => String::new(),
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

    /// Processes device events and MIDI learn requests.
    fn take_devices(&mut self) {
        let value = |param| self.performance.conductor().value(param);
        for answer in self.devices.learn(self.scheduler.learn_requests(), value) {
            self.reports.tell(answer);
        }
        for (event, source) in self.devices.take(self.leader(), self.scheduler.timeline()) {
            self.scheduler.push(event, source);
        }
    }

    /// Processes files saved on disk.
    fn take_files(&mut self) {
        if let Some(reloaded) = self.reloads.take_reloaded() {
            self.reload(reloaded);
        }
        if let Some(Replacement { networks, fingerprint }) = self.reloads.take_networks() {
            tracing::info!(fingerprint, "new model loaded");
            self.performance.swap(networks);
        }
    }

    /// Processes reloaded files; a changed current preset takes effect at once.
    fn reload(&mut self, reloaded: Reloaded) {
        let Reloaded { presets, setlists, changed, mappings, config } = reloaded;
        self.presets.replace(presets);
        self.program.replace(setlists);
        self.show_presets();
        if let Some(mappings) = mappings {
            let events = self.devices.set_mappings(mappings);
            self.apply_all(events);
        }
        let playing = self.playing();
        if changed.contains(&playing) {
            let leader = self.leader();
            let events = self.presets.load(&playing, self.performance.conductor().frame(), leader);
            self.apply_all(events);
            self.say_leader(leader);
        }
        if let Some(config) = config {
            self.configure(config);
        }
    }

    /// Lists presets and setlists anew.
    fn show_presets(&self) {
        self.reports.show_presets(self.presets.library(), self.program.setlists());
    }

    /// Brings a configuration into force, as far as that goes while playing.
    fn configure(&mut self, config: Config) {
        for change in self.reloads.configure(config) {
            match change {
                ConfigChange::Audio(audio) => self.sound.configure(audio),
                ConfigChange::MidiOut(out) => self.performance.configure_midi_out(out),
                ConfigChange::Recordings(recordings) => {
                    let place = super::place(self.reloads.folder(), &recordings);
                    self.reports.api().set_recordings(place.folder.clone());
                    self.takes.configure(place);
                }
                ConfigChange::Preset
                | ConfigChange::Model
                | ConfigChange::Osc
                | ConfigChange::Http
                | ConfigChange::MidiHost
                | ConfigChange::Link
                | ConfigChange::ControlLog
                | ConfigChange::Log
                // Looked at every second.
                | ConfigChange::Schedule => {}
            }
        }
    }

    /// Periodic reports, thirty times a second.
    fn report(&mut self, head: u64) {
        let board = self.reports.board();
        board.tell_levels(
            &self.sound.engine,
            self.sound.status(),
            self.performance.worker_status(),
            self.takes.status(),
        );
        board.tell_mood(self.performance.conductor().mood());
        self.tell_values();
        self.devices.tell_controls();
        self.devices.follow(self.sound.status());
        self.look_at_clock();
        self.greet_midi(head);
        self.takes.keep_logs(head, self.performance.log());
        self.hear_recorder();
        self.show(head);
        self.show_program(head);
        self.reports.save(self.performance.conductor(), self.devices.learned());
    }

    /// Sends changed values to listeners and controllers.
    fn tell_values(&mut self) {
        for (param, value) in self.reports.board().tell_values(self.performance.conductor().values()) {
            self.devices.value(param, &value);
        }
    }

    /// A failed recording is switched off for all listeners.
    fn hear_recorder(&mut self) {
        if let Some(reason) = self.takes.failure() {
            self.apply(&ControlEvent::Set(Param::Record, Value::Toggle(false)));
            self.reports.tell(Notice::Trouble { part: Part::Recording, reason });
        }
    }

    /// Brings the lists up to date and does what HTTP asks for.
    fn show(&mut self, head: u64) {
        for wanted in self.reports.api().take_wanted() {
            let Wanted::RenameScene { from, to } = wanted;
            let events = lists::renamed_scene(self.performance.conductor(), &from, &to);
            self.apply_all(events);
        }
        self.reports.api().set_journey(self.presets.place(head));
        self.reports.api().set_recording(lists::recording(self.takes.status()));
        self.reports.tell_lists(self.performance.conductor(), self.devices.mappings(), self.devices.learning(), head);
    }

    /// What survives a restart.
    fn saved(&self) -> Saved {
        Saved::of(self.performance.conductor(), self.devices.learned())
    }
}
