//! The requested state, as a pure function of the control events.

use serde::{Deserialize, Serialize};

use super::scenes::{SceneError, Scenes};
use super::settings::Settings;
use crate::conductor::harmony::chord_from_notes;
use crate::event::parameter::{Param, Value};
use crate::music::theory::Chord;

/// How an event changed the requested state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    /// No audible change.
    Nothing,
    /// One parameter changed, or the state that it controls.
    One(Param),
    /// Many parameters changed and should reach their values together.
    Many(Morph),
    /// All sound must be cut.
    Panic,
}

/// The duration of a change of many parameters; 0 is immediate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Morph {
    /// Seconds.
    Seconds(f32),
    /// Bars, whose length follows the tempo.
    Bars(f32),
}

/// The state requested so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Performance {
    settings: Settings,
    scenes: Scenes,
    /// The notes held on keyboards that lead the harmony; bit n is MIDI note n.
    held_notes: u128,
}

impl Performance {
    /// Sets the initial value of a parameter. The name of a scene only says which one was recalled last.
    pub(super) fn initialize(&mut self, param: Param, value: &Value) {
        self.settings.set(param, value);
    }

    /// Sets a parameter.
    ///
    /// # Errors
    /// If a scene does not exist or cannot be stored, or if there is no recall to undo; nothing changes then.
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
                // Panic also ends a hold.
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
                settings = self.scenes.crossfade(a, b, settings.number(param), &settings)?;
                Change::Many(Morph::Seconds(0.0))
            }
            _ if settings == *before => Change::Nothing,
            _ => Change::One(param),
        };
        self.settings = settings;
        Ok(change)
    }

    /// Sets a tempo that comes from an external source or has stopped following the mood.
    pub(super) fn set_external_tempo(&mut self, bpm: f32) -> Change {
        let before = self.settings.clone();
        self.settings.set_external_tempo(bpm);
        if self.settings == before { Change::Nothing } else { Change::One(Param::Tempo) }
    }

    /// Sets the notes held on keyboards that lead the harmony.
    pub(super) fn set_lead_notes(&mut self, held: u128) -> Change {
        self.held_notes = held;
        Change::One(Param::Chord)
    }

    /// Returns the lead chord, if any: the one held on a keyboard, otherwise the one set by name.
    #[must_use]
    pub(super) fn lead(&self) -> Option<Chord> {
        chord_from_notes(self.held_notes).or_else(|| self.settings.lead())
    }

    /// Returns the requested settings.
    #[must_use]
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the scenes.
    #[must_use]
    pub(super) const fn scenes(&self) -> &Scenes {
        &self.scenes
    }

    /// Renames a scene, and updates the parameters that refer to it, such as the scene recalled last and those of the
    /// crossfader.
    ///
    /// # Errors
    /// If there is no such scene, or the new name is taken or empty; nothing changes then.
    pub(super) fn rename_scene(&mut self, from: &str, to: &str) -> Result<(), SceneError> {
        self.scenes.rename(from, to)?;
        for param in Param::all().filter(|param| param.names_scene()) {
            if self.settings.text(param) == from {
                self.settings.set(param, &Value::Text(to.to_owned()));
            }
        }
        Ok(())
    }

    /// Sets a parameter's value in a stored scene, creating the scene if necessary.
    ///
    /// # Errors
    /// If the name is empty, or there are too many scenes.
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

    /// Returns a performance with the scenes `low` (calm, dry) and `high` (angry, wet).
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
    fn reports_what_each_event_changed() {
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
        assert_eq!(performance.set(Param::Reverb, &Value::Number(0.75)), Ok(Change::Nothing), "the value is the same");
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
        assert_eq!(performance.settings().number(Param::Reverb), 0.25);
        assert_eq!(performance.settings().mood().weights()[Emotion::Angry as usize], 0.25);
        performance.set(Param::SceneCrossfade, &Value::Number(1.0)).unwrap();
        assert_eq!(performance.settings().mood(), Mood::pure(Emotion::Angry));
        assert_eq!(performance.settings().number(Param::SceneCrossfade), 1.0);
    }

    #[test]
    fn a_missing_scene_changes_nothing() {
        let mut performance = with_scenes();
        let before = performance.settings().clone();
        assert!(performance.set(Param::Scene, &text("nowhere")).is_err());
        assert_eq!(*performance.settings(), before);
    }

    #[test]
    fn held_notes_take_precedence_over_a_named_chord() {
        let mut performance = Performance::default();
        performance.set(Param::Chord, &text("F")).unwrap();
        performance.set_lead_notes(held(&[57, 60, 64]));
        assert_eq!(performance.lead(), Chord::parse("Am"));
        performance.set_lead_notes(0);
        assert_eq!(performance.lead(), Chord::parse("F"));
        performance.set(Param::Chord, &text("auto")).unwrap();
        assert_eq!(performance.lead(), None);
    }

    #[test]
    fn renaming_a_scene_updates_the_parameters_that_refer_to_it() {
        let mut performance = with_scenes();
        for (param, name) in [(Param::Scene, "low"), (Param::SceneA, "low"), (Param::SceneB, "high")] {
            performance.set(param, &text(name)).unwrap();
        }
        let values = performance.scenes().get("low").unwrap().list();
        performance.rename_scene("low", "deep").unwrap();
        assert!(performance.rename_scene("low", "bass").is_err(), "the old name no longer exists");
        assert!(performance.rename_scene("deep", "high").is_err(), "the name is taken");
        let names = [Param::Scene, Param::SceneA, Param::SceneB].map(|param| performance.settings().text(param));
        assert_eq!(names, ["deep", "deep", "high"]);
        assert_eq!(performance.scenes().get("deep").unwrap().list(), values);
        assert_eq!(performance.scenes().iter().count(), 2);
    }

    #[test]
    fn scenes_can_be_restored_in_another_performance() {
        let performance = with_scenes();
        let mut restored = Performance::default();
        for (name, settings) in performance.scenes().iter() {
            for (param, value) in settings.list() {
                restored.set_in_scene(name, param, &value).unwrap();
            }
        }
        restored.set(Param::Scene, &text("low")).unwrap();
        assert_eq!(restored.settings().mood(), Mood::pure(Emotion::Calm));
        assert_eq!(restored.settings().number(Param::Reverb), 0.0);
    }
}
