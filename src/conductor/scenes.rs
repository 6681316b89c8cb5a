//! Scenes: named settings that can be recalled, crossfaded and undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::settings::Settings;
use crate::quote::{listed, quoted};

/// Maximum number of scenes; only a malfunctioning client would store more.
pub const MAX_SCENES: usize = 1024;

/// Why a scene could not be stored, recalled or deleted; nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SceneError {
    /// There is no scene with this name.
    #[error("there is no scene {}; choose one of {known}", quoted(name))]
    Unknown {
        /// The requested name.
        name: String,
        /// The first of the existing names, and the number of others.
        known: String,
    },
    /// A scene needs a name.
    #[error("a scene name must not be empty")]
    Nameless,
    /// There are already [`MAX_SCENES`].
    #[error("there are already {MAX_SCENES} scenes; delete some first")]
    Full,
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
    /// Stores settings under a name, replacing an existing scene.
    ///
    /// # Errors
    /// Without a name, or when there are too many.
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
    /// When there is no scene with this name.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), SceneError> {
        self.find(name)?;
        self.stored.remove(name);
        Ok(())
    }

    /// The current settings with a scene's values applied; remembers the current ones for undo.
    ///
    /// # Errors
    /// When there is no scene with this name.
    pub(super) fn recall(&mut self, name: &str, current: &Settings) -> Result<Settings, SceneError> {
        let scene = self.find(name)?;
        let recalled = current.with_scenes(scene, scene, 0.0);
        self.before_recall = Some(current.clone());
        Ok(recalled)
    }

    /// The settings before the last recall; undoing twice redoes the recall.
    ///
    /// # Errors
    /// When nothing has been recalled yet.
    pub(super) fn undo(&mut self, current: &Settings) -> Result<Settings, SceneError> {
        let before = self.before_recall.replace(current.clone()).ok_or(SceneError::NothingToUndo);
        if before.is_err() {
            self.before_recall = None;
        }
        let before = before?;
        Ok(current.with_scenes(&before, &before, 0.0))
    }

    /// The current settings with values between two scenes applied.
    ///
    /// # Errors
    /// When one of them does not exist.
    pub(super) fn between(&self, a: &str, b: &str, t: f32, current: &Settings) -> Result<Settings, SceneError> {
        Ok(current.with_scenes(self.find(a)?, self.find(b)?, t))
    }

    /// All scenes, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Settings)> {
        self.stored.iter().map(|(name, settings)| (name.as_str(), settings))
    }

    /// The settings of a scene.
    pub(super) fn get(&self, name: &str) -> Option<&Settings> {
        self.stored.get(name)
    }

    fn find(&self, name: &str) -> Result<&Settings, SceneError> {
        self.get(name).ok_or_else(|| SceneError::Unknown {
            name: name.to_owned(),
            known: listed(self.stored.keys().map(String::as_str)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::{Param, Value};

    fn with(param: Param, value: f32) -> Settings {
        let mut settings = Settings::default();
        settings.set(param, &Value::Number(value));
        settings
    }

    #[test]
    fn a_recall_can_be_undone_and_redone() {
        let mut scenes = Scenes::default();
        scenes.store("dark", &with(Param::Tone, -1.0)).unwrap();
        let current = with(Param::Tone, 0.5);
        let dark = scenes.recall("dark", &current).unwrap();
        assert_eq!(dark.number(Param::Tone), -1.0);
        let back = scenes.undo(&dark).unwrap();
        assert_eq!(back, current);
        assert_eq!(scenes.undo(&back).unwrap(), dark);
    }

    #[test]
    fn recalling_a_scene_leaves_other_parameters_unchanged() {
        let mut scenes = Scenes::default();
        scenes.store("plain", &Settings::default()).unwrap();
        let current = with(Param::Seed, 42.0);
        assert_eq!(scenes.recall("plain", &current).unwrap().number(Param::Seed), 42.0);
    }

    #[test]
    fn errors_say_what_is_expected() {
        let mut scenes = Scenes::default();
        let settings = Settings::default();
        assert_eq!(scenes.undo(&settings), Err(SceneError::NothingToUndo));
        assert_eq!(scenes.undo(&settings), Err(SceneError::NothingToUndo), "a failed undo is not a recall");
        assert_eq!(scenes.store("", &settings), Err(SceneError::Nameless));
        scenes.store("dawn", &settings).unwrap();
        let error = scenes.between("dawn", "dusk", 0.5, &settings).unwrap_err().to_string();
        assert!(error.contains("dusk") && error.contains("dawn"), "{error}");
    }

    #[test]
    fn the_store_is_bounded() {
        let mut scenes = Scenes::default();
        for number in 0..MAX_SCENES {
            scenes.store(&number.to_string(), &Settings::default()).unwrap();
        }
        assert_eq!(scenes.store("one more", &Settings::default()), Err(SceneError::Full));
        scenes.store("7", &with(Param::Tone, 1.0)).unwrap();
        scenes.delete("7").unwrap();
        assert!(matches!(scenes.delete("7"), Err(SceneError::Unknown { .. })));
        scenes.store("one more", &Settings::default()).unwrap();
    }
}
