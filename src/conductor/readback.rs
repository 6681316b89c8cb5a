//! The conductor's state, for others to read.

use super::Conductor;
#[allow(unused_imports, reason = "for the docs")]
use crate::event::ControlEvent;
use crate::event::EngineCommand;
use crate::event::parameter::{Param, TABLE, TempoSource, Value};
use crate::music::emotion::Mood;
use crate::music::theory::{Chord, Key};

impl Conductor {
    /// The requested value of a parameter; the tempo as heard while it follows the emotion.
    #[must_use]
    pub fn value(&self, param: Param) -> Value {
        let asked = self.performance.asked();
        if param == Param::Tempo && asked.tempo_source() == TempoSource::Mood {
            return Value::Number(self.targets.bpm(self.now, self.tempo.clock()) as f32);
        }
        asked.get(param)
    }

    /// Every parameter with a value, in table order.
    #[must_use]
    pub fn values(&self) -> Vec<(Param, Value)> {
        let all = TABLE.iter().map(|spec| (spec.param, self.value(spec.param)));
        all.filter(|(_, value)| *value != Value::Trigger).collect()
    }

    /// The engine's state if it has missed nothing: levels, switches, the phrase's level and the sounding notes.
    pub fn held_by_engine(&self) -> impl Iterator<Item = EngineCommand> {
        let last_beat = self.counter.beat().checked_sub(1);
        let expression = last_beat.map(|beat| EngineCommand::Expression(self.planner.expression(beat as f64)));
        self.targets.told(self.now, self.tempo.clock()).chain(expression).chain(self.planner.sounding())
    }

    /// The settings that recreate this state in [`Conductor::new`], for the state file and control logs.
    #[must_use]
    pub fn settings(&self) -> Vec<(Param, Value)> {
        self.performance.asked().list()
    }

    /// The active seed, for [`Conductor::new`].
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seeds.asked()
    }

    /// The stored scenes by name, for the state file; [`ControlEvent::SceneValue`] restores them.
    pub fn scenes(&self) -> impl Iterator<Item = (&str, Vec<(Param, Value)>)> {
        self.performance.scenes().iter().map(|(name, settings)| (name, settings.list()))
    }

    /// The mood at the horizon, possibly gliding to the requested one.
    #[must_use]
    pub fn mood(&self) -> Mood {
        self.targets.steering().mood.at(self.now, self.tempo.clock())
    }

    /// The parameters that move by themselves.
    pub fn modulated(&self) -> impl Iterator<Item = Param> {
        self.modulations.params()
    }

    /// The tempo at the horizon in beats per minute.
    #[must_use]
    pub fn tempo(&self) -> f64 {
        self.tempo.clock().tempo_at(self.now)
    }

    /// The planned chords from the one at the horizon on, each with the frame it begins at.
    pub fn outlook(&self) -> impl Iterator<Item = (u64, Chord)> {
        let clock = self.tempo.clock();
        self.planner.chords_from(clock.beat_at(self.now)).map(|(beat, chord)| (clock.frame_at(beat), chord))
    }

    /// The names of the stored scenes, in order.
    pub fn scene_names(&self) -> impl Iterator<Item = &str> {
        self.performance.scenes().iter().map(|(name, _)| name)
    }

    /// The chord and the key at the horizon.
    #[must_use]
    pub fn chord(&self) -> Option<(Chord, Key)> {
        self.planner.chord_at(self.tempo.clock().beat_at(self.now))
    }
}
