//! `presets/*.toml`: settings saved under a name.
//!
//! ```toml
//! schema = 1
//! name = "Slow dawn"
//! description = "Starts dark and lets the light in."
//! emotion = "calm"             # or a blend: emotion = { calm = 0.7, sad = 0.3 }; or valence and arousal
//! temperature = 0.9            # any parameter, by its id
//! "level/pad" = -14
//! loop = true                  # start the journey again at its end
//!
//! [tempo]                      # ids with a slash may be written as tables: tempo/source
//! source = "pinned"
//!
//! [[modulate]]                 # varies a parameter around its set value
//! to = "tone"
//! shape = "sine"               # sine, triangle, ramp, walk; or input = 1 for /melos/input/1
//! depth = 0.3                  # amplitude
//! bars = 8                     # period; or seconds
//!
//! [[journey]]                  # moods to move through
//! emotion = "sad"
//! seconds = 120                # length of this step
//! glide = 30                   # duration of the glide into it
//! ```
//! A preset sounds the same whatever was playing before: parameters that it does not set are reset to their defaults.
//! The exceptions ([`InPreset::Kept`]) are the mood, the tempo, and parameters that a performer sets for the session.

mod journey;
mod modulate;

use std::path::Path;

pub use journey::{JourneyPosition, JourneySteps, Step};

use crate::event::modulation::Modulation;
use crate::event::parameter::{InPreset, Param, Value};
use crate::files::config::ConfigError;
use crate::files::document::{Document, Problem, read};
use crate::files::library::Library;
use crate::files::names::Titled;
use crate::files::parameters::{self, Place, mood_last};

/// A valid preset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preset {
    /// Display name.
    pub name: String,
    /// A sentence that describes it; may be empty.
    pub description: String,
    /// The parameters that the file sets, in the order of the parameter table.
    pub named: Vec<(Param, Value)>,
    /// Moods to move through; empty without a journey.
    pub journey: Vec<Step>,
    /// Whether the journey restarts at its end.
    pub repeats: bool,
    /// Modulated parameters.
    pub modulations: Vec<(Param, Modulation)>,
}

impl Preset {
    /// Parses a preset; `file` is for error messages.
    ///
    /// # Errors
    /// Returns every problem.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let (mut document, mut root) = Document::parse(file, text);
        let mut preset = Self::default();
        root.check_schema(&mut document);
        preset.name = root.required_text(&mut document, "name");
        preset.description = root.text(&mut document, "description").unwrap_or_default();
        let repeats = root.take("loop");
        preset.repeats = repeats.as_ref().and_then(|field| field.flag(&mut document)).unwrap_or(false);
        let steps = root.tables(&mut document, "journey");
        // A step with an error is a step, too.
        let has_journey = !steps.is_empty();
        preset.journey = steps.into_iter().filter_map(|step| Step::read(&mut document, step)).collect();
        for table in root.tables(&mut document, "modulate") {
            let span = table.span();
            let Some((param, modulation)) = modulate::read(&mut document, table) else { continue };
            if preset.modulations.iter().any(|(other, _)| *other == param) {
                document.add(span, "", format!("{} is modulated twice", param.spec().id));
            }
            preset.modulations.push((param, modulation));
        }
        if let Some(field) = repeats.filter(|_| preset.repeats && !has_journey) {
            document.add(field.span, &field.key, "needs a [[journey]] to repeat");
        }
        preset.named = parameters::read(&mut document, Place::Preset, root);
        document.finish(preset)
    }

    /// Reads a preset file.
    ///
    /// # Errors
    /// Returns every problem, or why the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, Vec<Problem>> {
        read(file, Self::parse)
    }

    /// Returns everything to set when the preset is loaded, in order; the mood comes last, after the glide time that it
    /// uses.
    #[must_use]
    pub fn settings(&self) -> Vec<(Param, Value)> {
        let is_named = |param| self.named.iter().any(|(other, _)| *other == param);
        let mut settings: Vec<_> = Param::all()
            .filter(|param| param.policy().preset == InPreset::Reset && !is_named(*param))
            // Setting a tempo also sets its source.
            .filter(|param| *param != Param::TempoSource || !(is_named(Param::Tempo) || is_named(Param::TempoFollow)))
            .map(|param| (param, param.default_value()))
            .collect();
        settings.extend(mood_last(self.named.clone()));
        settings
    }

    /// Returns the settings to use while an external source sets the tempo: all if the preset selects a tempo source,
    /// otherwise all except the tempo and its source.
    #[must_use]
    pub fn settings_with_external_tempo(&self) -> Vec<(Param, Value)> {
        let is_tempo = |param| matches!(param, Param::Tempo | Param::TempoSource);
        let sets_source = self.named.iter().any(|(param, _)| matches!(param, Param::TempoSource | Param::TempoFollow));
        self.settings().into_iter().filter(|(param, _)| sets_source || !is_tempo(*param)).collect()
    }
}

impl Titled for Preset {
    const KIND: &'static str = "preset";

    fn title(&self) -> &str {
        &self.name
    }
}

/// Looks up the preset that a performance starts with; returns the values to set and the preset.
///
/// # Errors
/// When there is no such preset, or more than one; the message lists the presets.
pub fn initial_preset(presets: &Library<Preset>, name: &str) -> Result<(Vec<(Param, Value)>, Preset), ConfigError> {
    let (name, preset) = presets.find(name)?;
    let mut values = preset.settings();
    values.push((Param::Preset, Value::Text(name.to_owned())));
    Ok((values, preset.clone()))
}

#[cfg(test)]
mod tests;
