//! The conductor: turns control events and the passing of time into engine commands and plans.
//!
//! The conductor is deterministic and has no threads or clocks of its own: the same seed and initial values, the same
//! events at the same frames, and the same chroma give the same [`Score`], whatever the lengths of the time steps. It runs
//! on the performance thread or in the offline renderer.

use serde::{Deserialize, Serialize};

mod active_targets;
mod arrangement;
mod chroma_history;
mod command_queue;
mod counter;
mod deferred;
mod engine_sync;
pub mod harmony;
mod modulations;
mod performance;
mod planner;
mod played_keys;
mod scenes;
mod score;
mod seeds;
mod settings;
mod splices;
mod tempo;

pub use engine_sync::EngineSync;
pub use scenes::{MAX_SCENES, SceneError};
pub use score::{PULSES_PER_BEAT, PlanUpdate, Score};
pub use splices::{LEAD_INTERVAL, SPLICE_INTERVAL, SPLICE_LEAD};

use arrangement::{Arrangement, Step, Timing, engine_params, other_params};
use deferred::{Deferred, EngineChanges};
use modulations::{Modulations, Shift};
use performance::{Change, Morph, Performance};

use crate::event::parameter::{Input, Param, TABLE, TempoSource, Value};
use crate::event::{ControlEvent, EngineCommand};
use crate::mel::HOP;
use crate::music::emotion::Mood;
use crate::music::glide::Length;
use crate::music::theory::{Chord, Key};
use crate::units::seconds_to_frames;

/// Number of frames before a beat at which changes quantized to it are applied, so that the splice falls on the beat or
/// less than a hop before it.
const QUANTIZE_LEAD: u64 = SPLICE_LEAD + HOP as u64 - 1;
/// Relative difference from the current tempo below which the tempo of an external clock counts as unchanged: 0.1 ms per
/// beat at 120 bpm.
const TEMPO_TOLERANCE: f64 = 2e-4;

/// Turns control events and the passing of time into a [`Score`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conductor {
    /// The requested state.
    performance: Performance,
    /// The state in effect, and the output derived from it.
    arrangement: Arrangement,
    modulations: Modulations,
    deferred: Deferred,
    /// The frame at which a morph was requested, and its length; the morph applies only to changes at that frame.
    morph: Option<(u64, Length)>,
}

impl Conductor {
    /// Creates a conductor at frame 0. `seed` overrides any seed in `settings`.
    #[must_use]
    pub fn new(seed: u64, settings: &[(Param, Value)]) -> Self {
        let mut performance = Performance::default();
        let given = settings.iter().filter(|(param, _)| *param != Param::Seed);
        let seed_setting = [(Param::Seed, Value::Number(seed as f32))];
        for (param, value) in given.chain(&seed_setting) {
            performance.initialize(*param, value);
        }
        Self {
            arrangement: Arrangement::new(seed, &performance),
            performance,
            modulations: Modulations::default(),
            deferred: Deferred::default(),
            morph: None,
        }
    }

    /// Returns the horizon: the first frame not yet decided, at which events take effect.
    #[must_use]
    pub const fn frame(&self) -> u64 {
        self.arrangement.now()
    }

    /// Applies an event at the horizon.
    ///
    /// # Errors
    /// If a scene does not exist or cannot be stored or renamed, or if there is no recall to undo; nothing changes then.
    pub fn apply(&mut self, event: &ControlEvent) -> Result<(), SceneError> {
        match event {
            ControlEvent::Set(param, value) => {
                let change = self.request(*param, value)?;
                self.schedule(change);
            }
            ControlEvent::LeadNotes(held) => {
                let change = self.performance.set_lead_notes(*held);
                self.schedule(change);
            }
            ControlEvent::PlayNote { note, velocity } => self.arrangement.play_note(*note, *velocity),
            ControlEvent::NextBar(param, value) => self.deferred.hold(*param, value, self.next_bar()),
            ControlEvent::Morph(seconds) => self.morph = Some((self.frame(), self.length(Morph::Seconds(*seconds)))),
            ControlEvent::Modulate(param, modulation) => {
                self.modulations.set(*param, *modulation, self.frame(), self.arrangement.clock());
                if modulation.is_none() {
                    self.arrangement.shift(*param, None, 0);
                }
            }
            ControlEvent::SceneValue { name, param, value } => self.performance.set_in_scene(name, *param, value)?,
            ControlEvent::RenameScene { from, to } => {
                self.performance.rename_scene(from, to)?;
                self.deferred.rename_scene(from, to);
            }
            ControlEvent::Tempo(bpm) => self.follow_tempo(*bpm),
            ControlEvent::Beat { beat, at } if beat.is_finite() => self.arrangement.align(*beat, *at),
            ControlEvent::Beat { .. } => {}
        }
        Ok(())
    }

    /// Advances the horizon to frame `end` and adds to `out` everything that happens before that frame.
    pub fn advance(&mut self, end: u64, out: &mut Score) {
        while let Some((frame, step)) = self.next_step().filter(|(frame, _)| *frame < end) {
            self.arrangement.move_to(frame);
            match step {
                Step::ReleaseHeld => self.release_held(),
                Step::ApplyWaiting => self.apply_waiting(),
                Step::ApplyToEngine => self.apply_to_engine(out),
                Step::Modulate => self.step_modulations(),
                step => self.arrangement.perform(step, out),
            }
        }
        self.arrangement.move_to(self.frame().max(end));
    }

    /// Adds to `out` the harmony's events and the engine commands that are due at the horizon. After [`Conductor::apply`],
    /// these include the event's immediate commands.
    pub fn take_immediate(&mut self, out: &mut Score) {
        self.arrangement.take_immediate(out);
    }

    /// Records the chroma, on any linear scale, of a generated latent that starts at frame `start`. Must be called before the
    /// horizon is two latents past the end of that latent. The chroma of a regenerated latent replaces the earlier one.
    pub fn record_chroma(&mut self, start: u64, chroma: &[f32; 12]) {
        self.arrangement.record_chroma(start, chroma);
    }

    fn next_step(&self) -> Option<(u64, Step)> {
        let clock = self.arrangement.clock();
        let frame_before = |beat: u64| clock.frame_at(beat as f64).saturating_sub(QUANTIZE_LEAD);
        let own_steps = [
            (self.deferred.held_beat().map(frame_before), Step::ReleaseHeld),
            (self.deferred.waiting_beat().map(frame_before), Step::ApplyWaiting),
            (self.deferred.engine_beat().map(|beat| clock.frame_at(beat as f64)), Step::ApplyToEngine),
            (self.modulations.due(), Step::Modulate),
        ];
        let steps = own_steps.into_iter().chain(self.arrangement.steps());
        steps.filter_map(|(frame, step)| Some((frame?.max(self.frame()), step))).min()
    }

    /// Sets a requested value and returns the resulting change.
    fn request(&mut self, param: Param, value: &Value) -> Result<Change, SceneError> {
        let followed_mood = self.follows_mood();
        let change = self.performance.set(param, value)?;
        let stops_following =
            matches!(param, Param::TempoFollow | Param::TempoSource) && followed_mood && !self.follows_mood();
        if !stops_following {
            return Ok(change);
        }
        // A tempo that stops following the mood keeps its current value.
        Ok(match self.set_tempo(self.arrangement.target_bpm()) {
            Change::Nothing => change,
            tempo_change => tempo_change,
        })
    }

    /// Schedules a requested change to take effect immediately or on the next beat or bar.
    fn schedule(&mut self, change: Change) {
        let quantized = self.performance.settings().choice(Param::Quantize) != 0;
        let morph = self.morph.filter(|(requested_at, _)| *requested_at == self.frame()).map(|(_, length)| length);
        match change {
            Change::Nothing => {}
            Change::Panic => self.arrangement.panic(&self.performance),
            Change::One(param) if quantized && param.policy().quantized => {
                self.deferred.add_waiting(self.quantized_beat(), morph);
            }
            Change::One(param) => self.arrangement.steer_one(param, &self.performance, morph),
            Change::Many(morph) if quantized => {
                self.deferred.add_waiting(self.quantized_beat(), Some(self.length(morph)));
            }
            Change::Many(morph) => {
                let morph = Some(self.length(morph));
                let timing = Timing { morph, ..Timing::default() };
                self.arrangement.steer(other_params().chain(engine_params()), &self.performance, timing);
            }
        }
    }

    /// Returns the next beat or the first beat of the next bar, depending on `quantize`.
    fn quantized_beat(&self) -> u64 {
        const BEAT: u8 = 1;
        if self.performance.settings().choice(Param::Quantize) == BEAT {
            self.arrangement.counter().beat()
        } else {
            self.next_bar()
        }
    }

    /// Returns the first beat of the next bar.
    fn next_bar(&self) -> u64 {
        self.arrangement.counter().bar_line(self.arrangement.clock())
    }

    /// Converts a morph's duration to frames or beats.
    fn length(&self, morph: Morph) -> Length {
        match morph {
            Morph::Seconds(seconds) => Length::Frames(seconds_to_frames(f64::from(seconds))),
            Morph::Bars(bars) => Length::Beats(f64::from(bars) * f64::from(self.arrangement.clock().beats_per_bar())),
        }
    }

    /// Requests the values held for a bar line, early enough that they take effect on the line.
    fn release_held(&mut self) {
        let (beat, values) = self.deferred.take_held();
        let beat = beat.max(self.arrangement.counter().beat());
        let mut panic = false;
        for (param, value) in &values {
            match self.request(*param, value) {
                Ok(Change::Nothing) => {}
                Ok(Change::One(_)) => self.deferred.add_waiting(beat, None),
                Ok(Change::Many(morph)) => self.deferred.add_waiting(beat, Some(self.length(morph))),
                Ok(Change::Panic) => panic = true,
                Err(error) => tracing::warn!("{error}; the change at the bar line was dropped"),
            }
        }
        let changes = self.deferred.defer_to_engine(beat, None);
        changes.panic |= panic;
        changes.released.extend(values);
    }

    /// Applies the changes waiting for a beat: to the network immediately, so that the splice falls on the beat, and to the
    /// engine on the beat.
    fn apply_waiting(&mut self) {
        if let Some(waiting) = self.deferred.take_waiting() {
            let beat = waiting.beat.max(self.arrangement.counter().beat());
            let frame = self.arrangement.clock().frame_at(beat as f64).max(self.frame());
            let timing = Timing { frame: Some(frame), beat: Some(beat as f64), morph: waiting.morph };
            self.arrangement.steer(other_params(), &self.performance, timing);
            self.deferred.defer_to_engine(beat, waiting.morph);
        }
    }

    /// Applies the waiting changes to the engine, exactly on the beat.
    fn apply_to_engine(&mut self, out: &mut Score) {
        if let Some(EngineChanges { morph, panic, released, .. }) = self.deferred.take_engine_changes() {
            self.arrangement.steer(engine_params(), &self.performance, Timing { morph, ..Timing::default() });
            if panic {
                self.arrangement.panic(&self.performance);
            }
            out.released.extend(released.into_iter().map(|(param, value)| (self.frame(), param, value)));
        }
    }

    fn step_modulations(&mut self) {
        let settings = self.performance.settings();
        let (now, seed) = (self.arrangement.now(), self.arrangement.seeds().current());
        let shifts = self.modulations.step(now, self.arrangement.clock(), seed, |param| settings.number(param));
        for Shift { param, amount, within } in shifts {
            self.arrangement.shift(param, Some(amount), within);
        }
    }

    fn follows_mood(&self) -> bool {
        self.performance.settings().tempo_source() == TempoSource::Mood
    }

    /// Sets the tempo, clamped to its range, even while an external source controls it.
    fn set_tempo(&mut self, bpm: f64) -> Change {
        match Param::Tempo.fit(Input::Number(bpm)) {
            Ok(Some(Value::Number(bpm))) => self.performance.set_external_tempo(bpm),
            _ => Change::Nothing,
        }
    }

    /// Follows the tempo of an external clock.
    fn follow_tempo(&mut self, bpm: f64) {
        let current = f64::from(self.performance.settings().number(Param::Tempo));
        let unchanged = !self.follows_mood() && (bpm / current - 1.0).abs() < TEMPO_TOLERANCE;
        if !unchanged && self.set_tempo(bpm) != Change::Nothing {
            self.arrangement.steer_one(Param::Tempo, &self.performance, None);
        }
    }

    /// Returns a parameter's requested value or, for a tempo that follows the mood, its current value.
    #[must_use]
    pub fn value(&self, param: Param) -> Value {
        if param == Param::Tempo && self.follows_mood() {
            return Value::Number(self.arrangement.target_bpm() as f32);
        }
        self.performance.settings().get(param)
    }

    /// Returns every parameter with a value, in table order.
    #[must_use]
    pub fn values(&self) -> Vec<(Param, Value)> {
        let all = TABLE.iter().map(|spec| (spec.param, self.value(spec.param)));
        all.filter(|(_, value)| *value != Value::Trigger).collect()
    }

    /// Returns the commands that put the engine into its intended state: numbers, toggles, the level within the phrase, and
    /// the sounding notes.
    pub fn engine_state(&self) -> impl Iterator<Item = EngineCommand> {
        let (arrangement, planner) = (&self.arrangement, self.arrangement.planner());
        let last_beat = arrangement.counter().beat().checked_sub(1);
        let expression = last_beat.map(|beat| EngineCommand::Expression(planner.expression(beat as f64)));
        let values = arrangement.targets().sent_values(arrangement.now(), arrangement.clock());
        values.chain(expression).chain(planner.sounding())
    }

    /// Returns the settings from which [`Conductor::new`] recreates the requested state without its scenes, for the state file
    /// and control logs. Omits momentary controls and the daemon's own parameters.
    #[must_use]
    pub fn settings(&self) -> Vec<(Param, Value)> {
        self.performance.settings().list()
    }

    /// Returns the requested seed, for [`Conductor::new`]; a panic, which changes the active seed, does not affect it.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.arrangement.seeds().requested()
    }

    /// Returns the stored scenes by name, for the state file. [`ControlEvent::SceneValue`] restores them.
    pub fn scenes(&self) -> impl Iterator<Item = (&str, Vec<(Param, Value)>)> {
        self.performance.scenes().iter().map(|(name, settings)| (name, settings.list()))
    }

    /// Returns the values of a stored scene.
    #[must_use]
    pub fn scene(&self, name: &str) -> Option<Vec<(Param, Value)>> {
        self.performance.scenes().get(name).map(settings::Settings::list)
    }

    /// Returns the mood at the horizon, including modulations; it may still be gliding to the requested mood.
    #[must_use]
    pub fn mood(&self) -> Mood {
        self.arrangement.targets().steering().mood.at(self.frame(), self.arrangement.clock())
    }

    /// Returns the modulated parameters.
    pub fn modulated(&self) -> impl Iterator<Item = Param> {
        self.modulations.params()
    }

    /// Returns the tempo at the horizon in beats per minute.
    #[must_use]
    pub fn tempo(&self) -> f64 {
        self.arrangement.clock().tempo_at(self.frame())
    }

    /// Returns the chord at the horizon and all planned later ones, each with the frame at which it begins.
    pub fn upcoming_chords(&self) -> impl Iterator<Item = (u64, Chord)> {
        let clock = self.arrangement.clock();
        self.arrangement
            .planner()
            .chords_from(clock.beat_at(self.frame()))
            .map(|(beat, chord)| (clock.frame_at(beat), chord))
    }

    /// Returns the names of the stored scenes, sorted.
    pub fn scene_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.performance.scenes().iter().map(|(name, _)| name)
    }

    /// Returns the chord and the key at the horizon.
    #[must_use]
    pub fn chord(&self) -> Option<(Chord, Key)> {
        self.arrangement.planner().chord_at(self.arrangement.clock().beat_at(self.frame()))
    }
}

#[cfg(test)]
mod tests;
