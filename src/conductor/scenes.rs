//! Scenes: named settings that can be recalled and crossfaded. A recall can be undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::settings::Settings;
use crate::quote::{choices, quoted};

/// Maximum number of scenes, which only a faulty client would exceed.
pub const MAX_SCENES: usize = 1024;

/// Why an operation on the scenes failed; the scenes are unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SceneError {
    /// No scene has this name.
    #[error("there is no scene {}; {known}", quoted(name))]
    Unknown {
        /// The requested name.
        name: String,
        /// The end of the message, which lists the existing scenes.
        known: String,
    },
    /// The crossfader has no scene at one of its ends, or at both.
    #[error("to crossfade between two scenes, first choose {ends}")]
    NoEnds {
        /// The addresses that choose the missing scenes.
        ends: &'static str,
    },
    /// The name is empty.
    #[error("a scene name must not be empty")]
    Nameless,
    /// There are already [`MAX_SCENES`] scenes.
    #[error("there are already {MAX_SCENES} scenes; delete some first")]
    Full,
    /// A scene with the new name already exists.
    #[error("there is already a scene {}", quoted(name))]
    Taken {
        /// The new name.
        name: String,
    },
    /// There is no scene recall to undo.
    #[error("there is no scene recall to undo")]
    NothingToUndo,
}

/// The scenes by name, and the settings before the last recall.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Scenes {
    stored: BTreeMap<String, Settings>,
    before_recall: Option<Settings>,
}

impl Scenes {
    /// Stores settings under a name, replacing any scene of that name.
    ///
    /// # Errors
    /// If the name is empty, or there are too many scenes.
    pub(super) fn store(&mut self, name: &str, settings: &Settings) -> Result<(), SceneError> {
        if name.is_empty() {
            return Err(SceneError::Nameless);
        }
        if self.stored.len() >= MAX_SCENES && !self.stored.contains_key(name) {
            return Err(SceneError::Full);
        }
        self.stored.insert(name.to_owned(), settings.clone());
        Ok(())
    }

    /// Deletes a scene.
    ///
    /// # Errors
    /// If there is no scene with this name.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), SceneError> {
        self.find(name)?;
        self.stored.remove(name);
        Ok(())
    }

    /// Renames a scene.
    ///
    /// # Errors
    /// If there is no scene with the old name, or the new name is taken or empty.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), SceneError> {
        self.find(from)?;
        if to.is_empty() {
            return Err(SceneError::Nameless);
        }
        if self.stored.contains_key(to) {
            return Err(SceneError::Taken { name: to.to_owned() });
        }
        let scene = self.stored.remove(from);
        self.stored.extend(scene.map(|scene| (to.to_owned(), scene)));
        Ok(())
    }

    /// Returns the current settings with a scene's values applied, and stores the current settings for undo.
    ///
    /// # Errors
    /// If there is no scene with this name.
    pub(super) fn recall(&mut self, name: &str, current: &Settings) -> Result<Settings, SceneError> {
        let scene = self.find(name)?;
        let recalled = current.with_scenes(scene, scene, 0.0);
        self.before_recall = Some(current.clone());
        Ok(recalled)
    }

    /// Returns the current settings with the scene parameters from before the last recall, and stores the current ones, so that
    /// a second undo redoes the recall.
    ///
    /// # Errors
    /// If no scene has been recalled yet.
    pub(super) fn undo(&mut self, current: &Settings) -> Result<Settings, SceneError> {
        let before = self.before_recall.replace(current.clone()).ok_or(SceneError::NothingToUndo);
        if before.is_err() {
            self.before_recall = None;
        }
        let before = before?;
        Ok(current.with_scenes(&before, &before, 0.0))
    }

    /// Interpolates between two scenes by `t` (0..=1) and returns the current settings with the result applied.
    ///
    /// # Errors
    /// If one of the scenes has not been chosen or does not exist.
    pub(super) fn crossfade(&self, a: &str, b: &str, t: f32, current: &Settings) -> Result<Settings, SceneError> {
        let ends = match (a, b) {
            ("", "") => "both: /melos/scene/a and /melos/scene/b",
            ("", _) => "/melos/scene/a",
            (_, "") => "/melos/scene/b",
            _ => return Ok(current.with_scenes(self.find(a)?, self.find(b)?, t)),
        };
        Err(SceneError::NoEnds { ends })
    }

    /// Returns all scenes, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Settings)> + Clone {
        self.stored.iter().map(|(name, settings)| (name.as_str(), settings))
    }

    /// Returns the settings of a scene.
    pub(super) fn get(&self, name: &str) -> Option<&Settings> {
        self.stored.get(name)
    }

    fn find(&self, name: &str) -> Result<&Settings, SceneError> {
        self.get(name).ok_or_else(|| SceneError::Unknown {
            name: name.to_owned(),
            known: choices(self.stored.keys().map(String::as_str)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::{Param, Value};

    fn settings_with(param: Param, value: f32) -> Settings {
        let mut settings = Settings::default();
        settings.set(param, &Value::Number(value));
        settings
    }

    #[test]
    fn a_recall_can_be_undone_and_redone() {
        let mut scenes = Scenes::default();
        scenes.store("dark", &settings_with(Param::Tone, -1.0)).unwrap();
        let current = settings_with(Param::Tone, 0.5);
        let dark = scenes.recall("dark", &current).unwrap();
        assert_eq!(dark.number(Param::Tone), -1.0);
        let undone = scenes.undo(&dark).unwrap();
        assert_eq!(undone, current);
        assert_eq!(scenes.undo(&undone).unwrap(), dark);
    }

    #[test]
    fn recalling_a_scene_leaves_other_parameters_unchanged() {
        let mut scenes = Scenes::default();
        scenes.store("plain", &Settings::default()).unwrap();
        let current = settings_with(Param::Seed, 42.0);
        assert_eq!(scenes.recall("plain", &current).unwrap().number(Param::Seed), 42.0);
    }

    #[test]
    fn invalid_requests_are_rejected() {
        let mut scenes = Scenes::default();
        let settings = Settings::default();
        assert_eq!(scenes.undo(&settings), Err(SceneError::NothingToUndo));
        assert_eq!(
            scenes.undo(&settings),
            Err(SceneError::NothingToUndo),
            "a failed undo should leave nothing to undo"
        );
        assert_eq!(scenes.store("", &settings), Err(SceneError::Nameless));
        scenes.store("dawn", &settings).unwrap();
        assert_eq!(scenes.rename("dawn", ""), Err(SceneError::Nameless));
        assert_eq!(scenes.rename("dawn", "dawn"), Err(SceneError::Taken { name: "dawn".to_owned() }));
        assert!(matches!(scenes.rename("dusk", "day"), Err(SceneError::Unknown { .. })));
        let error = scenes.crossfade("dawn", "dusk", 0.5, &settings).unwrap_err().to_string();
        assert!(error.contains("dusk") && error.contains("dawn"), "{error}");
        for (a, b, ends) in [
            ("", "", "both: /melos/scene/a and /melos/scene/b"),
            ("", "dawn", "/melos/scene/a"),
            ("dawn", "", "/melos/scene/b"),
        ] {
            let error = scenes.crossfade(a, b, 0.5, &settings).unwrap_err().to_string();
            assert_eq!(error, format!("to crossfade between two scenes, first choose {ends}"));
        }
    }

    #[test]
    fn the_number_of_scenes_is_limited() {
        let mut scenes = Scenes::default();
        for number in 0..MAX_SCENES {
            scenes.store(&number.to_string(), &Settings::default()).unwrap();
        }
        assert_eq!(scenes.store("one more", &Settings::default()), Err(SceneError::Full));
        scenes.store("7", &settings_with(Param::Tone, 1.0)).unwrap();
        scenes.rename("7", "seven").unwrap();
        assert_eq!(scenes.get("seven"), Some(&settings_with(Param::Tone, 1.0)));
        scenes.rename("seven", "7").unwrap();
        scenes.delete("7").unwrap();
        assert!(matches!(scenes.delete("7"), Err(SceneError::Unknown { .. })));
        scenes.store("one more", &Settings::default()).unwrap();
    }
}
