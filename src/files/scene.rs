//! `scenes/*.toml`: scenes written by hand or brought from another machine. The file name without `.toml` is the scene's
//! name.
//!
//! ```toml
//! schema = 1
//! emotion = "sad"              # one emotion, a blend, or valence and arousal
//! "level/pad" = -20            # any parameter that scenes store, by its id; the others have their defaults
//! ```

use std::path::Path;

use crate::event::parameter::{Param, Value};
use crate::files::document::{Document, Problem, read};
use crate::files::parameters::{self, Place, mood_last};

/// A valid scene file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scene {
    /// The values that differ from the defaults, in the order in which to set them.
    pub values: Vec<(Param, Value)>,
}

impl Scene {
    /// Parses a scene; `file` is for error messages.
    ///
    /// # Errors
    /// Returns every problem.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let (mut document, mut root) = Document::parse(file, text);
        root.check_schema(&mut document);
        let named = parameters::read(&mut document, Place::Scene, root);
        let scene = document.finish(Self { values: mood_last(named) })?;
        if scene.values.is_empty() {
            return Err(vec![Problem::of_file(file, "a scene needs at least one parameter")]);
        }
        Ok(scene)
    }

    /// Reads a scene file.
    ///
    /// # Errors
    /// Returns every problem, or why the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, Vec<Problem>> {
        read(file, Self::parse)
    }

    /// Formats the values of a stored scene as a scene file.
    #[must_use]
    pub fn format(values: &[(Param, Value)]) -> String {
        let is_absent =
            |param: Param, value: &Value| param.weighted_emotion().is_some() && *value == Value::Number(0.0);
        let written = values.iter().filter(|(param, value)| param.policy().scene && !is_absent(*param, value));
        let mut table = toml::Table::from_iter([("schema".to_owned(), toml::Value::Integer(1))]);
        table.extend(written.filter_map(|(param, value)| Some((param.spec().id.to_owned(), param.to_toml(value)?))));
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scene, Vec<Problem>> {
        Scene::parse(Path::new("verse.toml"), text)
    }

    #[test]
    fn every_problem_is_reported() {
        let problems =
            parse("emotion = \"sat\"\nreverb = 7\nquantize = \"bar\"\nvalence = 0.1\nname = \"Verse\"\n").unwrap_err();
        let problems = problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
        assert!(parse("schema = 1\n").unwrap_err()[0].hint.contains("at least one parameter"));
        for expected in [
            "verse.toml:1: schema is missing",
            "verse.toml:1: emotion = \"sat\": ",
            "verse.toml:2: reverb = 7: ",
            "verse.toml:3: quantize = \"bar\": quantize cannot be set in a scene",
            "verse.toml:4: valence = 0.1: valence and arousal must be set together",
            "verse.toml:5: name",
        ] {
            assert!(problems.contains(expected), "{expected} is missing from:\n{problems}");
        }
    }
}
