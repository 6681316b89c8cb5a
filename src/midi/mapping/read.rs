//! Reading a mapping file.

use std::path::Path;

use super::binding::{Action, Binding, Edge, Encoder};
use super::controls::Control;
use super::curve::{Curve, Scale};
use super::lead::LeadZone;
use super::{Mapping, Programs};
use crate::event::parameter::{Kind, Param, Value};
use crate::files::document::{Document, Field, Problem, Table, parameter};

/// The keys that say which control a `[[bind]]` is for.
const CONTROLS: [&str; 9] =
    ["cc", "cc14", "nrpn", "rpn", "note", "program", "pitch_bend", "channel_pressure", "message"];

pub(super) fn mapping(file: &Path, text: &str) -> Result<Mapping, Vec<Problem>> {
    let (mut document, mut root) = Document::parse(file, text);
    let mut mapping = Mapping::default();
    match root.take("schema") {
        Some(schema) => drop(schema.integer(&mut document, 1..=1)),
        None => root.missing(&mut document, "schema", "schema = 1"),
    }
    mapping.name = root.required_text(&mut document, "name");
    let mut any = Defaults::default();
    if let Some(mut device) = root.table(&mut document, "device") {
        mapping.port_contains = device.text(&mut document, "port_contains").unwrap_or_default().to_lowercase();
        any.channel = channel(&mut document, &mut device);
        mapping.clock = device.flag(&mut document, "clock").unwrap_or(false);
        any.feedback = device.flag(&mut document, "feedback").unwrap_or(false);
        if let Some(light) = device.integer(&mut document, "light", 1..=127) {
            mapping.light = light as u8;
        }
        device.finish(&mut document);
    }
    for table in root.tables(&mut document, "bind") {
        mapping.bindings.extend(binding(&mut document, table, any));
    }
    for table in root.tables(&mut document, "lead") {
        mapping.leads.push(lead(&mut document, table, any.channel));
    }
    if let Some(mut table) = root.table(&mut document, "programs") {
        mapping.programs = Programs {
            channel: channel(&mut document, &mut table).or(any.channel),
            presets: table.texts(&mut document, "presets"),
            scenes: table.texts(&mut document, "scenes"),
        };
        table.finish(&mut document);
    }
    if mapping.gives_feedback() && mapping.port_contains.is_empty() {
        let hint = "feedback goes to one device: expected device.port_contains, a part of its name";
        document.add(root.span(), "", hint.to_owned());
    }
    root.finish(&mut document);
    document.finish(mapping)
}

/// What holds for every `[[bind]]` that does not say otherwise.
#[derive(Debug, Clone, Copy, Default)]
struct Defaults {
    channel: Option<u8>,
    feedback: bool,
}

/// A channel as people count, from 1.
fn channel(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<u8> {
    table.integer(document, "channel", 1..=16).map(|channel| channel as u8 - 1)
}

fn lead(document: &mut Document<'_>, mut table: Table<'_>, any_channel: Option<u8>) -> LeadZone {
    let channel = channel(document, &mut table).or(any_channel);
    let notes = table.take("notes").and_then(|field| {
        let ends = pair(&field).filter(|[low, high]| low <= high && *low >= 0.0 && *high <= 127.0);
        let ends = ends.filter(|ends| ends.iter().all(|end| end.fract() == 0.0));
        ends.or_else(|| field.wrong(document, "the lowest and the highest key, such as [36, 96]"))
    });
    let sustain = table.flag(document, "sustain").unwrap_or(true);
    table.finish(document);
    let [low, high] = notes.unwrap_or([0.0, 127.0]);
    LeadZone { channel, notes: low as u8..=high as u8, sustain }
}

fn binding(document: &mut Document<'_>, mut table: Table<'_>, any: Defaults) -> Option<Binding> {
    let control = control(document, &mut table);
    let channel = channel(document, &mut table).or(any.channel);
    let feedback = table.flag(document, "feedback").unwrap_or(any.feedback);
    let to = match table.take("to") {
        Some(field) => field.text(document).and_then(|id| match parameter(&id) {
            Ok(param) => Some(param),
            Err(hint) => {
                document.add(field.span, &field.key, hint);
                None
            }
        }),
        None => {
            table.missing(document, "to", "the id of a parameter");
            None
        }
    };
    // Without its parameter the rest cannot be judged; the keys alone can.
    let action = match to {
        Some(to) => action(document, &mut table, to),
        None => {
            for key in ["range", "curve", "takeover", "relative", "step", "on", "value", "toggle"] {
                table.take(key);
            }
            None
        }
    };
    table.finish(document);
    Some(Binding { control: control?, channel, to: to?, action: action?, feedback })
}

fn control(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Control> {
    let mut found = Vec::new();
    for key in CONTROLS {
        if let Some(field) = table.take(key) {
            found.push((key, field));
        }
    }
    let mut found = found.into_iter();
    let Some((key, field)) = found.next() else {
        let expected = format!("one of {}", CONTROLS.join(", "));
        document.add(table.span(), "", format!("a [[bind]] needs a control: expected {expected}"));
        return None;
    };
    for (_, second) in found {
        document.add(second.span.clone(), &second.key, format!("one control is enough; there is {key} already"));
    }
    let mut number = |range| field.integer(document, range);
    Some(match key {
        "cc" => Control::Cc(number(0..=119)? as u8),
        "cc14" => Control::Cc14(number(0..=31)? as u8),
        "nrpn" => Control::Nrpn(number(0..=16_382)? as u16),
        "rpn" => Control::Rpn(number(0..=16_382)? as u16),
        "note" => Control::Note(number(0..=127)? as u8),
        "program" => Control::Program(number(1..=128)? as u8 - 1),
        "message" => match field.text(document)?.as_str() {
            "start" => Control::Start,
            "continue" => Control::Continue,
            "stop" => Control::Stop,
            _ => return field.wrong(document, "start, continue or stop"),
        },
        wheel => match field.value {
            toml::de::DeValue::Boolean(true) if wheel == "pitch_bend" => Control::PitchBend,
            toml::de::DeValue::Boolean(true) => Control::ChannelPressure,
            _ => return field.wrong(document, "true, or leave it out"),
        },
    })
}

fn action(document: &mut Document<'_>, table: &mut Table<'_>, to: Param) -> Option<Action> {
    let relative = table.take("relative");
    let value = table.take("value");
    let toggle = table.take("toggle");
    let on = table.take("on");
    let edge = match &on {
        Some(field) => match field.text(document)?.as_str() {
            "press" => Edge::Press,
            "release" => Edge::Release,
            _ => return field.wrong(document, "press or release"),
        },
        None => Edge::Press,
    };
    let spec = to.spec();
    if let Some(field) = toggle {
        return match (&field.value, spec.kind) {
            (toml::de::DeValue::Boolean(true), Kind::Toggle { .. }) => Some(Action::Toggle { edge }),
            (toml::de::DeValue::Boolean(true), _) => {
                document.add(field.span, &field.key, format!("{} is not on or off, so it cannot toggle", spec.id));
                None
            }
            _ => field.wrong(document, "true, or leave it out"),
        };
    }
    if let Some(field) = value {
        return Some(Action::Set { edge, value: field.parameter(document, to)? });
    }
    match spec.kind {
        Kind::Trigger => Some(Action::Set { edge, value: Value::Trigger }),
        Kind::Chord | Kind::Text { .. } => {
            document.add(table.span(), "", format!("{} needs a value = \"…\"", spec.id));
            None
        }
        _ if on.is_some() => {
            document.add(table.span(), "", format!("on = … needs a value = … or toggle = true for {}", spec.id));
            None
        }
        Kind::Number { min, max, .. } => number_action(document, table, relative, min, max),
        Kind::Toggle { .. } | Kind::Choice { .. } => Some(Action::Follow { scale: None, pickup: false }),
    }
}

/// What moves a number: a fader, or an encoder.
fn number_action(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    relative: Option<Field<'_>>,
    min: f32,
    max: f32,
) -> Option<Action> {
    let curves = [("linear", Curve::Linear), ("exponential", Curve::Exponential), ("decibel", Curve::Decibel)];
    let range = table.take("range");
    let curve = table.choice(document, "curve", &curves).unwrap_or_default();
    let ends = match &range {
        Some(field) => match pair(field) {
            Some([low, high]) => [low as f32, high as f32],
            None => field.wrong(document, "the values at both ends, such as [0.0, 1.0]")?,
        },
        None => [min, max],
    };
    let scale = Scale { low: ends[0], high: ends[1], curve };
    if let Err(hint) = scale.check(min..=max) {
        let span = range.as_ref().map_or(table.span(), |field| field.span.clone());
        document.add(span, range.as_ref().map_or("", |field| &field.key), hint);
        return None;
    }
    let step = table.number(document, "step", 0.0001..=1.0);
    let pickup = table.choice(document, "takeover", &[("pickup", true), ("jump", false)]).unwrap_or(true);
    let Some(field) = relative else { return Some(Action::Follow { scale: Some(scale), pickup }) };
    let encoder = match field.text(document)?.as_str() {
        "twos-complement" => Encoder::TwosComplement,
        "binary-offset" => Encoder::BinaryOffset,
        "sign-magnitude" => Encoder::SignMagnitude,
        _ => return field.wrong(document, "twos-complement, binary-offset or sign-magnitude"),
    };
    Some(Action::Turn { encoder, step: step.map_or(1.0 / 127.0, |step| step as f32), scale })
}

/// Two numbers.
fn pair(field: &Field<'_>) -> Option<[f64; 2]> {
    let numbers = field.numbers()?;
    numbers.try_into().ok().filter(|ends: &[f64; 2]| ends.iter().all(|end| end.is_finite()))
}
