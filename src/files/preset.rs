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
mod mood;

use std::path::Path;

pub use journey::{JourneyPosition, JourneySteps, Step};

use crate::event::modulation::Modulation;
use crate::event::parameter::{InPreset, Param, Value, key_and_mode};
use crate::files::config::ConfigError;
use crate::files::document::{Document, Field, Problem, Table, parameter, read};
use crate::files::library::Library;

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
        match root.take("schema") {
            Some(schema) => drop(schema.integer(&mut document, 1..=1)),
            None => root.missing(&mut document, "schema", "schema = 1"),
        }
        preset.name = root.required_text(&mut document, "name");
        preset.description = root.text(&mut document, "description").unwrap_or_default();
        preset.repeats = root.flag(&mut document, "loop").unwrap_or(false);
        let steps = root.tables(&mut document, "journey");
        preset.journey = steps.into_iter().filter_map(|step| Step::read(&mut document, step)).collect();
        for table in root.tables(&mut document, "modulate") {
            let span = table.span();
            let Some((param, modulation)) = modulate::read(&mut document, table) else { continue };
            if preset.modulations.iter().any(|(other, _)| *other == param) {
                document.add(span, "", format!("{} is modulated twice", param.spec().id));
            }
            preset.modulations.push((param, modulation));
        }
        if preset.repeats && preset.journey.is_empty() {
            document.add(0..0, "", "loop = true needs a [[journey]] to repeat");
        }
        let mut named = Vec::new();
        read_parameters(&mut document, "", root, &mut named);
        mood::check(&mut document, &named);
        named.sort_by_key(|named| named.param);
        preset.named = named.into_iter().map(|named| (named.param, named.value)).collect();
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
        let (mood, rest): (Vec<_>, Vec<_>) = self.named.iter().cloned().partition(|(param, _)| param.is_mood());
        settings.extend(rest);
        settings.extend(mood::complete(&mood));
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

/// Looks up the preset that a performance starts with; returns the values to set and the preset.
///
/// # Errors
/// When there is no such preset; the message lists the presets.
pub fn initial_preset(presets: &Library<Preset>, name: &str) -> Result<(Vec<(Param, Value)>, Preset), ConfigError> {
    let Some(preset) = presets.get(name) else {
        let known = presets.names().map(str::to_owned).collect();
        return Err(ConfigError::NoPreset { name: name.to_owned(), known });
    };
    let mut values = preset.settings();
    values.push((Param::Preset, Value::Text(name.to_owned())));
    Ok((values, preset.clone()))
}

/// A parameter that the file sets, and where.
struct NamedParam {
    param: Param,
    value: Value,
    span: std::ops::Range<usize>,
    key: String,
}

/// Reads ids and values; a table's name is the part of its ids before the slash.
fn read_parameters(document: &mut Document<'_>, prefix: &str, mut table: Table<'_>, named: &mut Vec<NamedParam>) {
    for (key_span, field) in table.take_rest() {
        let name = field.key.strip_prefix(table.path()).unwrap_or(&field.key).trim_start_matches('.');
        let id = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if matches!(field.value, toml::de::DeValue::Table(_)) {
            if let Some(table) = field.table(document) {
                read_parameters(document, &id, table, named);
            }
            continue;
        }
        if document.is_full() {
            document.add(key_span, "", "");
            continue;
        }
        match parameter(&id) {
            Ok(param) if param.policy().preset != InPreset::Refused => read_value(document, param, field, named),
            Ok(_) => document.add_unknown(key_span, &field, format!("{id} cannot be set in a preset")),
            Err(hint) => document.add_unknown(key_span, &field, hint),
        }
    }
}

fn read_value(document: &mut Document<'_>, param: Param, field: Field<'_>, named: &mut Vec<NamedParam>) {
    let settings = match field.value.as_str().and_then(|text| key_and_mode(param, text)) {
        Some(settings) => settings.to_vec(),
        None => field.parameter(document, param).map(|value| (param, value)).into_iter().collect(),
    };
    for (param, value) in settings {
        if named.iter().any(|other| other.param == param) {
            return document.add(field.span, &field.key, "the parameter is set twice; keep only one value");
        }
        named.push(NamedParam { param, value, span: field.span.clone(), key: field.key.clone() });
    }
}

#[cfg(test)]
mod tests;
