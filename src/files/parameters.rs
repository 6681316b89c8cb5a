//! The parameters that presets, the steps of their journeys, and scenes set.
//!
//! ```toml
//! temperature = 0.9            # any parameter, by its id
//! "level/pad" = -14
//!
//! [tempo]                      # ids with a slash may be written as tables: tempo/source
//! source = "pinned"
//! ```

mod mood;

use std::ops::Range;

pub(super) use mood::mood_last;

use crate::event::parameter::{InPreset, Param, Value};
use crate::files::document::{Document, Field, Table, parameter};

/// Where the parameters are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Preset,
    /// A step of a preset's journey, which needs a mood.
    Step,
    Scene,
}

impl Place {
    const fn accepts(self, param: Param) -> bool {
        match self {
            Self::Preset | Self::Step => !matches!(param.policy().preset, InPreset::Refused),
            Self::Scene => param.policy().scene,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Preset | Self::Step => "preset",
            Self::Scene => "scene",
        }
    }
}

/// A parameter that the file sets, and where.
struct NamedParam {
    param: Param,
    /// The value; `None` if it is invalid, which has been reported.
    value: Option<Value>,
    span: Range<usize>,
    key: String,
}

/// Reads all remaining keys of a table as parameters, and checks their mood. Returns them in the order of the parameter
/// table.
pub(super) fn read(document: &mut Document<'_>, place: Place, table: Table<'_>) -> Vec<(Param, Value)> {
    let (mut named, span) = (Vec::new(), table.span());
    read_table(document, place, "", table, &mut named);
    if place == Place::Step && !named.iter().any(|named| named.param.is_mood()) {
        document.add(span, "", "a step needs a mood: an emotion, a blend, or both valence and arousal");
    }
    mood::check(document, &named);
    named.sort_by_key(|named| named.param);
    named.into_iter().filter_map(|named| Some((named.param, named.value?))).collect()
}

/// Reads ids and values; a table's name is the part of its ids before the slash.
fn read_table(
    document: &mut Document<'_>,
    place: Place,
    prefix: &str,
    mut table: Table<'_>,
    named: &mut Vec<NamedParam>,
) {
    for (key_span, field) in table.take_rest() {
        let name = field.key.strip_prefix(table.path()).unwrap_or(&field.key).trim_start_matches('.');
        let id = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if matches!(field.value, toml::de::DeValue::Table(_)) {
            if let Some(table) = field.table(document) {
                read_table(document, place, &id, table, named);
            }
            continue;
        }
        if document.is_full() {
            document.add(key_span, "", "");
            continue;
        }
        match parameter(&id) {
            Ok(param) if place.accepts(param) => read_value(document, param, field, named),
            Ok(_) => document.add_unknown(key_span, &field, format!("{id} cannot be set in a {}", place.name())),
            Err(hint) => document.add_unknown(key_span, &field, hint),
        }
    }
}

fn read_value(document: &mut Document<'_>, param: Param, field: Field<'_>, named: &mut Vec<NamedParam>) {
    let mut settings: Vec<_> =
        field.settings(document, param).into_iter().map(|(param, value)| (param, Some(value))).collect();
    if settings.is_empty() {
        settings.push((param, None));
    }
    for (param, value) in settings {
        if named.iter().any(|other| other.param == param) {
            return document.add(field.span, &field.key, "the parameter is set twice; keep only one value");
        }
        named.push(NamedParam { param, value, span: field.span.clone(), key: field.key.clone() });
    }
}
