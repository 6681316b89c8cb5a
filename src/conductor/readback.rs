//! What the conductor says about its state.

use super::Conductor;
#[allow(unused_imports, reason = "for the docs")]
use crate::event::ControlEvent;
use crate::event::EngineCommand;
use crate::event::parameter::{Param, TABLE, TempoSource, Value};
use crate::music::emotion::Mood;
use crate::music::theory::{Chord, Key};

impl Conductor {
    /// The value of a parameter as asked for; the tempo as heard while it follows the emotion.
    #[must_use]
    pub fn value(&self, param: Param) -> Value {
        let asked = self.performance.asked();
        if param == Param::Tempo && asked.tempo_source() == TempoSource::Mood {
            return Value::Number(self.course.bpm(self.now, self.tempo.clock()) as f32);
        }
        asked.get(param)
    }

    /// Every parameter that has a value, in the order of the table.
    #[must_use]
    pub fn values(&self) -> Vec<(Param, Value)> {
        let all = TABLE.iter().map(|spec| (spec.param, self.value(spec.param)));
        all.filter(|(_, value)| *value != Value::Trigger).collect()
    }

    /// What the engine holds when it has missed nothing: levels and switches, the phrase's level, and the notes that sound.
    pub fn held_by_engine(&self) -> impl Iterator<Item = EngineCommand> {
        let last_beat = self.counter.beat().checked_sub(1);
        let expression = last_beat.map(|beat| EngineCommand::Expression(self.planner.expression(beat as f64)));
        self.course.told(self.now, self.tempo.clock()).chain(expression).chain(self.planner.sounding())
    }

    /// What makes this state again when given to [`Conductor::new`]: for the state file and for control logs.
    #[must_use]
    pub fn settings(&self) -> Vec<(Param, Value)> {
        self.performance.asked().list()
    }

    /// The seed in force, for [`Conductor::new`].
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seeds.asked()
    }

    /// The stored scenes by name, for the state file; [`ControlEvent::SceneValue`] brings them back.
    pub fn scenes(&self) -> impl Iterator<Item = (&str, Vec<(Param, Value)>)> {
        self.performance.scenes().iter().map(|(name, settings)| (name, settings.list()))
    }

    /// The mood in force at the horizon, on its way to the one asked for.
    #[must_use]
    pub fn mood(&self) -> Mood {
        self.course.steering().mood.at(self.now, self.tempo.clock())
    }

    /// The tempo at the horizon in beats per minute.
    #[must_use]
    pub fn tempo(&self) -> f64 {
        self.tempo.clock().tempo_at(self.now)
    }

    /// The chords that are planned from the horizon on, with the frame each begins at: first the one at the horizon.
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
