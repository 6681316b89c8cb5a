//! The modulations of a preset.

use crate::event::modulation::{Modulation, Period, Shape};
use crate::event::parameter::{Kind, Param, TABLE};
use crate::files::document::{Document, Field, Table, parameter, suggestion};

/// Longest period, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;
/// Shortest period, in seconds; for the network, a waveform is divided into segments of at least a quarter of a second.
const MIN_SECONDS: f64 = 0.5;
/// Allowed periods in bars.
const BARS: std::ops::RangeInclusive<f64> = 0.25..=1024.0;

/// Reads a `[[modulate]]` table.
pub(super) fn read(document: &mut Document<'_>, mut table: Table<'_>) -> Option<(Param, Modulation)> {
    let to = target(document, &mut table);
    let shape = shape(document, &mut table);
    let depth = depth(document, &mut table, to);
    let period = period(document, &mut table, matches!(shape, Some(Shape::Input(_))));
    let phase = table.number(document, "phase", 0.0..=1.0).unwrap_or(0.0) as f32;
    table.finish(document);
    Some((to?, Modulation { shape: shape?, depth: depth?, period: period?, phase }))
}

fn target(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Param> {
    let Some(field) = table.take("to") else {
        table.missing(document, "to", "the parameter to modulate, such as \"tone\"");
        return None;
    };
    let id = field.text(document)?;
    let param = match parameter(&id) {
        Ok(param) => param,
        Err(hint) => return report(document, &field, &hint),
    };
    if !param.can_be_modulated() {
        let supported: Vec<_> = TABLE.iter().filter(|spec| spec.param.can_be_modulated()).map(|spec| spec.id).collect();
        return report(document, &field, &format!("{id} cannot be modulated; these can: {}", supported.join(", ")));
    }
    Some(param)
}

/// Reports a problem with a field; always returns `None`.
fn report<T>(document: &mut Document<'_>, field: &Field<'_>, hint: &str) -> Option<T> {
    document.add(field.span.clone(), &field.key, hint);
    None
}

fn shape(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Shape> {
    match (table.take("shape"), table.take("input")) {
        (Some(_), Some(input)) => report(document, &input, "a modulation has a shape or an input, not both"),
        (None, None) => {
            table.missing(document, "shape", "one of sine, triangle, ramp, walk, or input with a number from 1 to 4");
            None
        }
        (Some(field), None) => {
            let name = field.text(document)?;
            let names = Shape::GENERATED.map(|(name, _)| name);
            let shape = Shape::GENERATED.into_iter().find(|(known, _)| *known == name).map(|(_, shape)| shape);
            shape.or_else(|| {
                let hint = format!("expected one of {}{}", names.join(", "), suggestion(&name, names));
                report(document, &field, &hint)
            })
        }
        (None, Some(field)) => {
            let last = Param::INPUTS.len() as i64;
            let number = field.integer(document, 1..=last)?;
            Some(Shape::Input(Param::INPUTS[number as usize - 1]))
        }
    }
}

/// Reads the depth, whose magnitude cannot exceed the width of the parameter's range.
fn depth(document: &mut Document<'_>, table: &mut Table<'_>, to: Option<Param>) -> Option<f32> {
    let range = match to.map(|param| param.spec().kind) {
        Some(Kind::Number { min, max, .. }) => f64::from(max - min),
        _ => f64::MAX,
    };
    match table.take("depth") {
        None => {
            table.missing(document, "depth", "the amplitude, in the parameter's unit");
            None
        }
        Some(field) => match field.number() {
            Some(number) if number.abs() <= range => Some(number as f32),
            _ if range == f64::MAX => field.reject(document, "a number"),
            _ => field.reject(document, &format!("a number from {} to {range}", -range)),
        },
    }
}

/// Reads the period; a modulation by an input has none.
fn period(document: &mut Document<'_>, table: &mut Table<'_>, is_input: bool) -> Option<Period> {
    match (table.take("seconds"), table.take("bars")) {
        (Some(field), _) | (None, Some(field)) if is_input => {
            report(document, &field, "an input has no period; remove this key")
        }
        (None, None) if is_input => Some(Period::Seconds(1.0)),
        (None, None) => {
            table.missing(document, "seconds", "the period in seconds, or bars with the period in bars");
            None
        }
        (Some(_), Some(bars)) => report(document, &bars, "the period is in seconds or in bars, not both"),
        (Some(field), None) => match field.number() {
            Some(seconds) if (MIN_SECONDS..=MAX_SECONDS).contains(&seconds) => Some(Period::Seconds(seconds)),
            _ => field.reject(document, &format!("a number from {MIN_SECONDS} to {MAX_SECONDS}")),
        },
        (None, Some(field)) => match field.number() {
            Some(bars) if BARS.contains(&bars) => Some(Period::Bars(bars)),
            _ => field.reject(document, &format!("a number from {} to {}", BARS.start(), BARS.end())),
        },
    }
}
