//! The main loop of the performance thread, which keeps the conductor slightly ahead of the playhead.

mod agenda;
mod automatic_economy;
mod checkpoints;
mod devices;
mod engine_feed;
mod lists;
mod midi_learn;
mod midi_sequencer;
mod opening_hours;
mod performance;
mod presets;
mod reloads;
mod repeat_filter;
mod reports;
mod scene_files;
mod scheduler;
mod setlists;
mod show;
mod sound;
mod tempo_leaders;
mod timeline;
mod timer;
mod upcoming_notes;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::networks::Replacement;
use super::reload::Reloaded;
use super::state::{Found, Saved};
use super::supervision::Stop;
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Incoming, Part};
use crate::files::config::{Config, ConfigChange};
use crate::quote::quoted;

pub(super) use automatic_economy::AutomaticEconomy;
use automatic_economy::{Decision, Lateness};
pub(super) use checkpoints::Checkpoints;
pub(super) use devices::Devices;
pub(super) use engine_feed::EngineFeed;
pub(super) use opening_hours::OpeningHours;
pub(super) use performance::Performance;
pub(super) use presets::Presets;
pub(super) use reloads::Reloads;
pub(super) use reports::Reports;
pub(super) use scene_files::SceneFiles;
pub(super) use scheduler::Scheduler;
pub(super) use setlists::Setlists;
pub(super) use show::Show;
pub(super) use sound::Sound;
pub(super) use timer::Timer;
use upcoming_notes::UpcomingNotes;

/// Frames by which the horizon leads the playhead beyond one block: 5 ms, so that a late wake-up does no harm.
const MARGIN: u64 = 256;
/// Interval between iterations during the final fade.
const TICK: Duration = Duration::from_millis(1);
/// Maximum duration of the final fade, since an output that has lost its device never reports silence.
const FINAL_FADE: Duration = Duration::from_secs(4);

/// The main loop and its parts, which are independent of each other; the loop passes data between them.
pub(super) struct MainLoop {
    pub(super) show: Show,
    pub(super) scheduler: Scheduler,
    pub(super) devices: Devices,
    pub(super) reloads: Reloads,
    pub(super) opening_hours: OpeningHours,
    pub(super) economy: AutomaticEconomy,
    pub(super) sound: Sound,
}

impl MainLoop {
    /// Plays until `stop` is set, then fades out.
    ///
    /// # Errors
    /// When the audio cannot continue.
    pub(super) fn run(mut self, stop: &OnceLock<Stop>) -> anyhow::Result<()> {
        let mut upcoming_notes = UpcomingNotes::default();
        let events = self.show.presets.modulate(&self.show.preset());
        self.show.apply_all(events);
        self.publish_values();
        self.show.publish_libraries();
        while stop.get().is_none() {
            self.scheduler.wait(self.sound.block(), self.show.reports.time_until_due());
            self.iterate(&mut upcoming_notes);
            if self.sound.status().has_failed() {
                bail!("the audio driver crashed and did not return the engine");
            }
        }
        let (journey, timer) = (self.show.presets.journey_step(), self.show.timer.saved_at_stop());
        // Whoever pauses the music and then presses Ctrl-C will want to hear it after the next start.
        let is_off = self.is_paused() || self.show.timer.has_ended();
        let paused = is_off && stop.get() == Some(&Stop::Terminated);
        let scenes = self.show.scene_files.stored(self.show.conductor());
        let final_state = Saved::of(self.show.conductor(), scenes, self.devices.learned(), journey, timer, paused);
        self.show.apply(&ControlEvent::Set(Param::PlayFade, Value::Number(0.0)));
        self.show.apply(&ControlEvent::Set(Param::Play, Value::Toggle(false)));
        let end = Instant::now() + FINAL_FADE;
        while !self.sound.is_silent() && Instant::now() < end {
            std::thread::sleep(TICK);
            self.iterate(&mut upcoming_notes);
        }
        let (notes, log) = self.show.performance.notes_and_log();
        self.show.takes.close(self.sound.head(), notes, log);
        self.show.reports.close(final_state);
        Ok(())
    }

    /// Runs one iteration: handles new and scheduled events, and does periodic work.
    fn iterate(&mut self, upcoming_notes: &mut UpcomingNotes) {
        let (head, block) = (self.sound.head(), self.sound.block());
        let lead = block + MARGIN;
        let horizon = head + lead;
        // The most recently rendered block is now being output.
        self.scheduler.observe(head.saturating_sub(block));
        self.apply_reloads();
        self.poll_devices();
        // Before the music is sent to instruments, so that they get the newest notes.
        self.show.performance.process_worker_events(upcoming_notes);
        // Events that arrive while the conductor is still ahead of the horizon stay in the inbox, where the newest
        // value of a parameter wins. Otherwise, they would all take effect at the same frame and could exceed what the
        // engine accepts at once.
        if horizon >= self.show.conductor().frame() {
            self.scheduler.collect(horizon, block + lead);
        }
        self.advance(horizon);
        self.show.performance.follow_engine();
        for (_, param, value) in self.show.performance.take_released() {
            self.show.run_side_effects(param, &value);
        }
        if self.devices.log_tempo_source(self.show.tempo_source(), self.show.conductor()) {
            // A trouble with the previous source no longer matters.
            self.show.reports.publisher().forget_trouble(Part::Tempo);
        }
        if self.devices.have_missed_messages() {
            self.show.performance.silence_instruments();
        }
        self.devices.send(self.show.performance.take_messages(), self.scheduler.timeline());
        self.sound.log_events();
        for notice in upcoming_notes.due_before(head) {
            self.show.reports.publish(notice);
        }
        self.show.reports.feed_watchdog(head);
        if self.show.reports.take_due() {
            self.report(head);
        }
    }

    /// Advances the performance to the horizon, handling each event at its frame.
    fn advance(&mut self, horizon: u64) {
        while let Some(frame) = self.scheduler.next_frame().into_iter().chain(self.show.next_frame()).min()
            && frame <= horizon
        {
            self.show.performance.advance(frame);
            self.show.step(frame);
            while let Some(incoming) = self.scheduler.pop_due(frame) {
                self.handle(incoming);
            }
        }
        self.show.performance.take_checkpoint(horizon, self.sound.block());
        self.show.performance.advance(horizon);
    }

    /// Handles an external event.
    fn handle(&mut self, incoming: Incoming) {
        let Incoming { event, source, .. } = incoming;
        self.show.reports.begin_event(source);
        let valid = self.handle_event(event);
        self.show.reports.end_event(valid);
    }

    /// Handles an event; returns whether it was valid.
    fn handle_event(&mut self, event: ControlEvent) -> bool {
        let Some(event) = self.show.with_exact_name(event) else { return false };
        if self.scheduler.is_repeat(&event) {
            return true;
        }
        let tempo_source = self.show.tempo_source();
        if tempo_source.is_external() && matches!(event, ControlEvent::Set(Param::Tempo, _)) {
            let name = tempo_source.name();
            self.show.reports.warn(
                "tempo",
                &format!("{name} controls the tempo; to set it yourself, run `melos set tempo/source pinned`"),
            );
        }
        self.show.perform(&event)
    }

    /// Handles MIDI learn requests and collects events from devices.
    fn poll_devices(&mut self) {
        let value = |param| self.show.conductor().value(param);
        for notice in self.devices.learn(self.scheduler.learn_requests(), value) {
            self.show.reports.publish(notice);
        }
        for (event, source) in self.devices.poll(self.show.tempo_source(), self.scheduler.timeline()) {
            self.scheduler.push(event, source);
        }
    }

    /// Applies reloaded files and networks.
    fn apply_reloads(&mut self) {
        if let Some(reloaded) = self.reloads.take_reloaded() {
            let Reloaded { presets, scenes, setlists, changed, changed_scenes, mappings, config } = reloaded;
            if let Some(mappings) = mappings {
                let events = self.devices.set_mappings(mappings);
                self.show.apply_all(events);
            }
            self.show.reload(presets, setlists, &changed);
            self.show.reload_scenes(scenes, &changed_scenes);
            if let Some(config) = config {
                self.configure(config);
            }
        }
        if let Some(Replacement { networks, fingerprint }) = self.reloads.take_networks() {
            tracing::info!(fingerprint, "new model loaded");
            self.show.performance.swap(networks);
        }
    }

    /// Applies a configuration, except for changes that need a restart.
    fn configure(&mut self, config: Config) {
        for change in self.reloads.configure(config) {
            match change {
                ConfigChange::Audio(audio) => self.sound.configure(audio),
                ConfigChange::MidiOut(out) => self.show.performance.configure_midi_out(out),
                ConfigChange::Recordings(recordings) => {
                    let destination = super::recordings_destination(self.reloads.folder(), &recordings);
                    self.show.reports.api().set_destination(destination.clone());
                    self.show.takes.configure(destination);
                    self.show.performance.log().keep_free(recordings.keep_free_bytes());
                }
                ConfigChange::Preset
                | ConfigChange::Model
                | ConfigChange::Osc
                | ConfigChange::Http
                | ConfigChange::MidiHost
                | ConfigChange::Link
                | ConfigChange::ControlLog
                | ConfigChange::Log
                // The opening hours are checked every second in any case.
                | ConfigChange::Schedule => {}
            }
        }
    }

    /// Publishes and saves everything that is reported periodically, thirty times a second.
    fn report(&mut self, head: u64) {
        let tempo = self.devices.tempo_absence(self.show.tempo_source());
        let publisher = self.show.reports.publisher();
        publisher.update_trouble(Part::Tempo, tempo);
        let schedule = self.opening_hours.problem(self.show.presets.library());
        publisher.update_trouble(Part::Schedule, schedule.as_deref());
        publisher.publish_levels(
            &self.sound.engine,
            self.sound.status(),
            self.show.performance.worker_status(),
            self.show.takes.status(),
        );
        publisher.publish_mood(self.show.conductor().mood());
        self.publish_values();
        self.devices.send_feedback();
        self.devices.follow_audio_system(self.sound.status());
        self.devices.log_devices_once(head);
        self.apply_opening_hours();
        self.spare_the_processor();
        let (notes, log) = self.show.performance.notes_and_log();
        self.show.takes.write_notes(head, notes);
        self.show.takes.copy_logs(head, log);
        self.report_failed_take();
        // One at a time, since a file may contain a thousand scenes.
        match self.show.reports.next_found() {
            Some(Found::Scene(name, values)) => self.show.add_scene(&name, &values),
            Some(Found::Learned(control)) => self.devices.add_learned(control),
            None => {}
        }
        let paused = self.is_paused();
        let Show { performance, presets, scene_files, timer, takes, reports, .. } = &mut self.show;
        let timer = timer.saved(head, performance.conductor().value(Param::Play) == Value::Toggle(true));
        reports.api().set_journey(presets.journey_position(head));
        reports.api().set_recording(lists::recording(takes.status()));
        reports.publish_lists(performance.conductor(), self.devices.mappings(), self.devices.learning(), head);
        let (conductor, journey) = (performance.conductor(), presets.journey_step());
        let stored = || scene_files.stored(conductor);
        reports.save(|| Saved::of(conductor, stored(), self.devices.learned(), journey, timer, paused));
        self.show.reports.publisher().set_show(self.show.metrics(head, self.opening_hours.status()));
    }

    /// Publishes changed values to subscribers and controllers.
    fn publish_values(&mut self) {
        for (param, value) in self.show.reports.publisher().publish_changed_values(self.show.conductor().values()) {
            self.devices.report_value(param, &value);
        }
    }

    /// Returns whether someone has switched the music off, rather than the opening hours or the timer.
    fn is_paused(&self) -> bool {
        let is_off = self.show.conductor().value(Param::Play) == Value::Toggle(false);
        is_off && !self.opening_hours.closed && !self.show.timer.has_ended()
    }

    /// Starts or stops the music when the opening hours begin or end.
    fn apply_opening_hours(&mut self) {
        let Some(transition) = self.opening_hours.check(self.reloads.schedule()) else { return };
        // After a restart or an edit within the opening hours, the music stays off if someone or the timer has switched it off.
        if transition.open && !transition.is_new && (self.is_paused() || self.show.timer.has_ended()) {
            return;
        }
        self.opening_hours.closed = !transition.open;
        if let Some(preset) = &transition.preset
            && (transition.is_new || *preset != self.show.preset())
        {
            tracing::info!("the opening hours begin with the preset {}", quoted(preset));
            self.show.handle(ControlEvent::Set(Param::Preset, Value::Text(preset.clone())));
        }
        let events = transition.events(self.show.conductor());
        self.show.apply_all(events);
    }

    /// Switches economy mode on if the generator is late for long.
    fn spare_the_processor(&mut self) {
        let on = self.show.conductor().value(Param::Economy) == Value::Toggle(true);
        match self.economy.check(Lateness::of(&self.sound.engine), on) {
            Some(Decision::SwitchOn(reason)) => {
                self.show.handle(ControlEvent::Set(Param::Economy, Value::Toggle(true)));
                self.show.reports.publisher().update_trouble(Part::Economy, Some(&reason));
            }
            Some(Decision::SwitchedOff) => self.show.reports.publisher().forget_trouble(Part::Economy),
            None => {}
        }
    }

    /// Turns recording off after a take has failed and notifies all subscribers.
    fn report_failed_take(&mut self) {
        if let Some(reason) = self.show.takes.failure() {
            self.show.apply(&ControlEvent::Set(Param::Record, Value::Toggle(false)));
            self.show.reports.publisher().announce_trouble(Part::Recording, reason);
        }
    }
}
