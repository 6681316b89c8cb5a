//! The requested state: a pure reducer of control events.

use serde::{Deserialize, Serialize};

use super::scenes::{SceneError, Scenes};
use super::settings::Settings;
use crate::conductor::harmony::chord_from_notes;
use crate::event::parameter::{Param, Value};
use crate::music::theory::Chord;

/// What an event changed in the requested state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// Nothing audible.
    Nothing,
    /// One parameter, or what depends on it.
    One(Param),
    /// Many parameters that should reach their values together.
    Many(Morph),
    /// All sound must be cut.
    Panic,
}

/// The duration of a change of many parameters; 0 switches at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Morph {
    /// Seconds.
    Seconds(f32),
    /// Bars, following the tempo.
    Bars(f32),
}

/// The state requested so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Performance {
    settings: Settings,
    scenes: Scenes,
    /// Held notes of a lead keyboard; bit n is MIDI note n.
    keys: u128,
}

impl Performance {
    /// Sets a parameter.
    ///
    /// # Errors
    /// When a scene does not exist, cannot be stored or has no name; nothing is changed.
    pub(super) fn set(&mut self, param: Param, value: &Value) -> Result<Change, SceneError> {
        let before = &self.settings;
        let mut settings = before.clone();
        settings.set(param, value);
        let morph = match settings.number(Param::SceneMorphBars) {
            0.0 => Morph::Seconds(settings.number(Param::SceneMorph)),
            bars => Morph::Bars(bars),
        };
        let change = match param {
            Param::Panic => {
                // Panic also releases the held sound.
                settings.set(Param::Hold, &Value::Toggle(false));
                Change::Panic
            }
            Param::SceneStore => {
                self.scenes.store(settings.text(param), &settings)?;
                Change::Nothing
            }
            Param::Scene => {
                settings = self.scenes.recall(settings.text(param), &settings)?;
                Change::Many(morph)
            }
            Param::SceneDelete => {
                self.scenes.delete(settings.text(param))?;
                Change::Nothing
            }
            Param::SceneUndo => {
                settings = self.scenes.undo(&settings)?;
                Change::Many(morph)
            }
            Param::SceneCrossfade => {
                let (a, b) = (settings.text(Param::SceneA), settings.text(Param::SceneB));
                settings = self.scenes.between(a, b, settings.number(param), &settings)?;
                Change::Many(Morph::Seconds(0.0))
            }
            // Repeating a value changes nothing.
            _ if settings == *before => Change::Nothing,
            _ => Change::One(param),
        };
        self.settings = settings;
        Ok(change)
    }

    /// Sets the tempo led by the external source, or the tempo at which the mood stopped leading.
    pub(super) fn lead_tempo(&mut self, bpm: f32) -> Change {
        let before = self.settings.clone();
        self.settings.lead_tempo(bpm);
        if self.settings == before { Change::Nothing } else { Change::One(Param::Tempo) }
    }

    /// The held notes of a lead keyboard.
    pub(super) fn lead_notes(&mut self, held: u128) -> Change {
        self.keys = held;
        Change::One(Param::Chord)
    }

    /// The lead chord: the held one, otherwise the one set by name, if any.
    #[must_use]
    pub(super) fn lead(&self) -> Option<Chord> {
        chord_from_notes(self.keys).or_else(|| self.settings.lead())
    }

    /// The requested settings.
    #[must_use]
    pub(super) const fn asked(&self) -> &Settings {
        &self.settings
    }

    /// The scenes.
    #[must_use]
    pub(super) const fn scenes(&self) -> &Scenes {
        &self.scenes
    }

    /// Sets a parameter's value in a stored scene, creating the scene if necessary.
    ///
    /// # Errors
    /// When the scene has no name, or too many are stored.
    pub(super) fn set_in_scene(&mut self, name: &str, param: Param, value: &Value) -> Result<(), SceneError> {
        let mut scene = self.scenes.get(name).cloned().unwrap_or_default();
        scene.set(param, value);
        self.scenes.store(name, &scene)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::emotion::{Emotion, Mood};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn held(notes: &[u8]) -> u128 {
        notes.iter().fold(0, |set, note| set | 1 << note)
    }

    /// Two stored scenes, `low` (calm, dry) and `high` (angry, wet).
    fn with_scenes() -> Performance {
        let mut performance = Performance::default();
        for (name, emotion, reverb) in [("low", Emotion::Calm, 0.0), ("high", Emotion::Angry, 1.0)] {
            performance.set(Param::Emotion, &Value::Choice(emotion as u8)).unwrap();
            performance.set(Param::Reverb, &Value::Number(reverb)).unwrap();
            performance.set(Param::SceneStore, &text(name)).unwrap();
        }
        performance
    }

    #[test]
    fn every_event_reports_what_it_changed() {
        let mut performance = with_scenes();
        performance.set(Param::SceneMorph, &Value::Number(3.0)).unwrap();
        let table = [
            (Param::Reverb, Value::Number(0.5), Change::One(Param::Reverb)),
            (Param::Panic, Value::Trigger, Change::Panic),
            (Param::SceneStore, text("here"), Change::Nothing),
            (Param::Scene, text("low"), Change::Many(Morph::Seconds(3.0))),
            (Param::SceneUndo, Value::Trigger, Change::Many(Morph::Seconds(3.0))),
        ];
        for (param, value, change) in table {
            assert_eq!(performance.set(param, &value), Ok(change), "{param:?}");
        }
        performance.set(Param::Reverb, &Value::Number(0.75)).unwrap();
        assert_eq!(performance.set(Param::Reverb, &Value::Number(0.75)), Ok(Change::Nothing), "again");
        performance.set(Param::SceneMorphBars, &Value::Number(2.0)).unwrap();
        assert_eq!(performance.set(Param::SceneUndo, &Value::Trigger), Ok(Change::Many(Morph::Bars(2.0))));
    }

    #[test]
    fn the_crossfader_interpolates_between_its_scenes() {
        let mut performance = with_scenes();
        assert!(performance.set(Param::SceneCrossfade, &Value::Number(0.5)).is_err(), "scenes a and b are not set yet");
        performance.set(Param::SceneA, &text("low")).unwrap();
        performance.set(Param::SceneB, &text("high")).unwrap();
        performance.set(Param::SceneCrossfade, &Value::Number(0.25)).unwrap();
        assert_eq!(performance.asked().number(Param::Reverb), 0.25);
        assert_eq!(performance.asked().mood().weights()[Emotion::Angry as usize], 0.25);
        performance.set(Param::SceneCrossfade, &Value::Number(1.0)).unwrap();
        assert_eq!(performance.asked().mood(), Mood::pure(Emotion::Angry));
        assert_eq!(performance.asked().number(Param::SceneCrossfade), 1.0);
    }

    #[test]
    fn a_missing_scene_changes_nothing() {
        let mut performance = with_scenes();
        let before = performance.asked().clone();
        assert!(performance.set(Param::Scene, &text("nowhere")).is_err());
        assert_eq!(*performance.asked(), before);
    }

    #[test]
    fn held_notes_take_precedence_over_a_named_chord() {
        let mut performance = Performance::default();
        performance.set(Param::Chord, &text("F")).unwrap();
        performance.lead_notes(held(&[57, 60, 64]));
        assert_eq!(performance.lead(), Chord::parse("Am"));
        performance.lead_notes(0);
        assert_eq!(performance.lead(), Chord::parse("F"));
        performance.set(Param::Chord, &text("auto")).unwrap();
        assert_eq!(performance.lead(), None);
    }

    #[test]
    fn a_scene_is_kept_across_performances() {
        let performance = with_scenes();
        let mut later = Performance::default();
        for (name, settings) in performance.scenes().iter() {
            for (param, value) in settings.list() {
                later.set_in_scene(name, param, &value).unwrap();
            }
        }
        later.set(Param::Scene, &text("low")).unwrap();
        assert_eq!((later.asked().mood(), later.asked().number(Param::Reverb)), (Mood::pure(Emotion::Calm), 0.0));
    }
}
