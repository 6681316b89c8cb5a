//! Parses mapping files.

use std::path::Path;

use super::binding::{Action, Binding, Edge, Encoder, FeedbackTarget};
use super::controls::Control;
use super::curve::{Curve, Scale};
use super::key_zone::KeyZone;
use super::layer::Layer;
use super::{Mapping, Programs};
use crate::event::parameter::{Kind, Param, Value};
use crate::files::document::{Document, Field, Problem, Table, parameter};
use crate::quote::choices;

/// The keys that specify a control.
const CONTROLS: [&str; 9] =
    ["cc", "cc14", "nrpn", "rpn", "note", "program", "pitch_bend", "channel_pressure", "message"];

/// The keys that specify how a fader or an encoder sets a number.
const NUMBER_KEYS: [&str; 5] = ["range", "curve", "takeover", "relative", "step"];

pub(super) fn mapping(file: &Path, text: &str) -> Result<Mapping, Vec<Problem>> {
    let (mut document, mut root) = Document::parse(file, text);
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut mapping = Mapping { file: stem, ..Mapping::default() };
    root.check_schema(&mut document);
    mapping.name = root.required_text(&mut document, "name");
    mapping.inherit = root.text(&mut document, "inherit");
    let mut defaults = Defaults::default();
    if let Some(mut device) = root.table(&mut document, "device") {
        mapping.port_contains = device.text(&mut document, "port_contains").unwrap_or_default().to_lowercase();
        defaults.channel = channel(&mut document, &mut device);
        mapping.clock = device.flag(&mut document, "clock");
        defaults.feedback = device.flag(&mut document, "feedback").unwrap_or(false);
        defaults.light = light(&mut document, &mut device).unwrap_or(defaults.light);
        device.finish(&mut document);
    }
    for table in root.tables(&mut document, "layer") {
        mapping.layers.extend(layer(&mut document, table, defaults.channel));
    }
    for table in root.tables(&mut document, "bind") {
        for mut binding in bindings(&mut document, table, defaults, &mapping.layers) {
            // Several bindings may have the same control; feedback shows the value of the first.
            let has_feedback = mapping.bindings.iter().any(|other: &Binding| {
                other.layer == binding.layer && other.feedback.is_some() && other.shares_control(&binding)
            });
            binding.feedback = binding.feedback.filter(|_| !has_feedback);
            mapping.bindings.push(binding);
        }
    }
    for table in root.tables(&mut document, "lead") {
        mapping.leads.push(key_zone(&mut document, table, defaults.channel));
    }
    for table in root.tables(&mut document, "play") {
        mapping.plays.push(key_zone(&mut document, table, defaults.channel));
    }
    if let Some(mut table) = root.table(&mut document, "programs") {
        mapping.programs = Programs {
            channel: channel(&mut document, &mut table).or(defaults.channel),
            presets: table.texts(&mut document, "presets"),
            scenes: table.texts(&mut document, "scenes"),
        };
        table.finish(&mut document);
    }
    if mapping.has_feedback() && mapping.port_contains.is_empty() {
        let hint = "feedback needs device.port_contains: part of the name of the device that receives it";
        document.add(root.span(), "", hint.to_owned());
    }
    root.finish(&mut document);
    document.finish(mapping)
}

/// Defaults from `[device]`: the channel for every block, the others for `[[bind]]`.
#[derive(Debug, Clone, Copy)]
struct Defaults {
    channel: Option<u8>,
    feedback: bool,
    light: u8,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { channel: None, feedback: false, light: 127 }
    }
}

/// Takes the velocity or value that turns a button's light on.
fn light(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<u8> {
    table.integer(document, "light", 1..=127).map(|light| light as u8)
}

/// Takes a channel, which users count from 1.
fn channel(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<u8> {
    table.integer(document, "channel", 1..=16).map(|channel| channel as u8 - 1)
}

fn key_zone(document: &mut Document<'_>, mut table: Table<'_>, default_channel: Option<u8>) -> KeyZone {
    let channel = channel(document, &mut table).or(default_channel);
    let notes = table.take("notes").and_then(|field| {
        let ends = pair(&field).filter(|[low, high]| low <= high && *low >= 0.0 && *high <= 127.0);
        let ends = ends.filter(|ends| ends.iter().all(|end| end.fract() == 0.0));
        ends.or_else(|| field.reject(document, "the lowest and the highest note, such as [36, 96]"))
    });
    let sustain = table.flag(document, "sustain").unwrap_or(true);
    table.finish(document);
    let [low, high] = notes.unwrap_or([0.0, 127.0]);
    KeyZone { channel, notes: low as u8..=high as u8, sustain }
}

fn layer(document: &mut Document<'_>, mut table: Table<'_>, default_channel: Option<u8>) -> Option<Layer> {
    let name = table.required_text(document, "name");
    let control = control(document, &mut table);
    let channel = channel(document, &mut table).or(default_channel);
    let toggle = table.flag(document, "toggle").unwrap_or(false);
    table.finish(document);
    Some(Layer { name, control: control?, channel, toggle })
}

/// Reads a `[[bind]]` table; returns a binding for each parameter that the control sets.
fn bindings(document: &mut Document<'_>, mut table: Table<'_>, defaults: Defaults, layers: &[Layer]) -> Vec<Binding> {
    let control = control(document, &mut table);
    let channel = channel(document, &mut table).or(defaults.channel);
    let feedback = feedback_target(document, &mut table, defaults, control, channel);
    let layer = table.take("layer").and_then(|field| {
        let name = field.text(document)?;
        if layers.iter().all(|layer| layer.name != name) {
            let known = choices(layers.iter().map(|layer| layer.name.as_str()));
            document.add(field.span, &field.key, format!("there is no such [[layer]]; {known}"));
        }
        Some(name)
    });
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
    // Without a valid parameter, only the names of the keys can be checked.
    let actions = match to {
        Some(to) => actions(document, &mut table, to).unwrap_or_default(),
        None => {
            for key in NUMBER_KEYS.into_iter().chain(["on", "value", "toggle"]) {
                table.take(key);
            }
            Vec::new()
        }
    };
    table.finish(document);
    let binding = |(to, action)| {
        Some(Binding { control: control?, channel, to, action, layer: layer.clone(), feedback: feedback.clone() })
    };
    actions.into_iter().filter_map(binding).collect()
}

/// Takes the feedback keys. Returns `None` if the control receives no feedback.
fn feedback_target(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    defaults: Defaults,
    control: Option<Control>,
    channel: Option<u8>,
) -> Option<FeedbackTarget> {
    let enabled = table.flag(document, "feedback");
    let cc = table.integer(document, "feedback_cc", 0..=119).map(|number| Control::Cc(number as u8));
    let note = table.integer(document, "feedback_note", 0..=127).map(|number| Control::Note(number as u8));
    let feedback_channel = table.integer(document, "feedback_channel", 1..=16).map(|channel| channel as u8 - 1);
    let range = table.take("feedback_range").and_then(|field| {
        let ends = pair(&field).filter(|ends| ends.iter().all(|end| (0.0..=127.0).contains(end) && end.fract() == 0.0));
        ends.or_else(|| field.reject(document, "the values at both ends, integers from 0 to 127, such as [1, 13]"))
    });
    let light = light(document, table);
    let other = cc.or(note);
    if range.is_some() && other.is_none() {
        document.add(table.span(), "", "feedback_range needs feedback_cc or feedback_note");
    }
    if !enabled.unwrap_or(defaults.feedback || other.is_some()) {
        return None;
    }
    let [low, high] = range.unwrap_or([0.0, 127.0]);
    Some(FeedbackTarget {
        control: other.or(control)?,
        channel: feedback_channel.or(channel).unwrap_or(0),
        range: [low as u8, high as u8],
        light: light.unwrap_or(defaults.light),
    })
}

fn control(document: &mut Document<'_>, table: &mut Table<'_>) -> Option<Control> {
    let mut fields = Vec::new();
    for key in CONTROLS {
        if let Some(field) = table.take(key) {
            fields.push((key, field));
        }
    }
    let mut fields = fields.into_iter();
    let Some((key, field)) = fields.next() else {
        document.add(table.span(), "", format!("there is no control; expected one of {}", CONTROLS.join(", ")));
        return None;
    };
    for (_, extra) in fields {
        document.add(extra.span.clone(), &extra.key, format!("only one control is allowed, and {key} is already set"));
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
            _ => return field.reject(document, "start, continue or stop"),
        },
        key => match field.value {
            toml::de::DeValue::Boolean(true) if key == "pitch_bend" => Control::PitchBend,
            toml::de::DeValue::Boolean(true) => Control::ChannelPressure,
            _ => return field.reject(document, "true; omit the key otherwise"),
        },
    })
}

/// Reads what a control does: an action for each parameter that it sets, which are two if the value is a key such as
/// `A minor`.
fn actions(document: &mut Document<'_>, table: &mut Table<'_>, to: Param) -> Option<Vec<(Param, Action)>> {
    let value = table.take("value");
    let toggle = table.take("toggle");
    let on = table.take("on");
    let spec = to.spec();
    if !matches!(spec.kind, Kind::Number { .. }) || value.is_some() || toggle.is_some() || on.is_some() {
        reject_number_keys(document, table, to);
    }
    let edge = match &on {
        Some(field) => match field.text(document)?.as_str() {
            "press" => Edge::Press,
            "release" => Edge::Release,
            "hold" => return hold(document, field, value, to),
            _ => return field.reject(document, "press, release or hold"),
        },
        None => Edge::Press,
    };
    if let Some(field) = toggle {
        return match (&field.value, spec.kind) {
            (toml::de::DeValue::Boolean(true), Kind::Toggle { .. }) => Some(vec![(to, Action::Toggle { edge })]),
            (toml::de::DeValue::Boolean(true), _) => {
                document.add(
                    field.span,
                    &field.key,
                    format!("{} is not an on/off parameter, so it cannot be toggled", spec.id),
                );
                None
            }
            _ => field.reject(document, "true; omit the key otherwise"),
        };
    }
    if let Some(field) = value {
        return Some(with_values(document, &field, to, |value| Action::Set { edge, value }));
    }
    let action = match spec.kind {
        Kind::Trigger => Some(Action::Set { edge, value: Value::Trigger }),
        Kind::Chord | Kind::Text { .. } => {
            document.add(table.span(), "", format!("{} needs value = \"…\"", spec.id));
            None
        }
        _ if on.is_some() => {
            document.add(table.span(), "", format!("on = … needs value = … or toggle = true for {}", spec.id));
            None
        }
        Kind::Number { min, max, .. } => number_action(document, table, min, max),
        Kind::Toggle { .. } | Kind::Choice { .. } => Some(Action::Follow { scale: None, pickup: false }),
    };
    Some(vec![(to, action?)])
}

/// Reports the keys that have no meaning for a button, or for a parameter that is not a number.
fn reject_number_keys(document: &mut Document<'_>, table: &mut Table<'_>, to: Param) {
    let id = to.spec().id;
    let reason = match to.spec().kind {
        Kind::Number { .. } => "a button sets a number at once".to_owned(),
        Kind::Choice { .. } => {
            format!("{id} is a choice, which a fader sets by its position, or a button by value = \"…\"")
        }
        Kind::Toggle { .. } => {
            format!("{id} is on or off, which a fader sets by its position, or a button by toggle = true")
        }
        Kind::Trigger => format!("{id} is a trigger, which has no value"),
        Kind::Chord | Kind::Text { .. } => format!("{id} is set by a button with value = \"…\""),
    };
    for field in NUMBER_KEYS.into_iter().filter_map(|key| table.take(key)) {
        let hint = format!("only a fader or an encoder that sets a number has this key; {reason}; omit the key");
        document.add(field.span, &field.key, hint);
    }
}

/// Reads the value of a button; returns the action that `action` makes of it for each parameter that it sets.
fn with_values(
    document: &mut Document<'_>,
    field: &Field<'_>,
    to: Param,
    action: impl Fn(Value) -> Action,
) -> Vec<(Param, Action)> {
    field.settings(document, to).into_iter().map(|(param, value)| (param, action(value))).collect()
}

/// Parses a button that sets a value while held.
fn hold(
    document: &mut Document<'_>,
    on: &Field<'_>,
    value: Option<Field<'_>>,
    to: Param,
) -> Option<Vec<(Param, Action)>> {
    // Some values cannot be restored: a mood is more than its dominant emotion, and a preset sets other parameters.
    let can_restore = !matches!(to.spec().kind, Kind::Trigger | Kind::Text { .. }) && to != Param::Emotion;
    match value {
        _ if !can_restore => {
            document.add(on.span.clone(), &on.key, format!("{} cannot return to its previous value", to.spec().id));
            None
        }
        Some(field) => Some(with_values(document, &field, to, |value| Action::Hold { value })),
        None if matches!(to.spec().kind, Kind::Toggle { .. }) => {
            Some(vec![(to, Action::Hold { value: Value::Toggle(true) })])
        }
        None => {
            let hint = format!("on = \"hold\" needs value = … for {}", to.spec().id);
            document.add(on.span.clone(), &on.key, hint);
            None
        }
    }
}

/// Parses a fader or an encoder that sets a number.
fn number_action(document: &mut Document<'_>, table: &mut Table<'_>, min: f32, max: f32) -> Option<Action> {
    let curves = [("linear", Curve::Linear), ("exponential", Curve::Exponential), ("decibel", Curve::Decibel)];
    let range = table.take("range");
    let curve = table.choice(document, "curve", &curves).unwrap_or_default();
    let ends = match &range {
        Some(field) => match pair(field) {
            Some([low, high]) => [low as f32, high as f32],
            None => field.reject(document, "the values at both ends, such as [0.0, 1.0]")?,
        },
        None => [min, max],
    };
    let scale = Scale { low: ends[0], high: ends[1], curve };
    if let Err(hint) = scale.check(min..=max) {
        let span = range.as_ref().map_or(table.span(), |field| field.span.clone());
        document.add(span, range.as_ref().map_or("", |field| &field.key), hint);
        return None;
    }
    let relative = table.take("relative");
    let step = table.number(document, "step", 0.0001..=1.0);
    let pickup = table.choice(document, "takeover", &[("pickup", true), ("jump", false)]).unwrap_or(true);
    let Some(field) = relative else { return Some(Action::Follow { scale: Some(scale), pickup }) };
    let encoder = match field.text(document)?.as_str() {
        "twos-complement" => Encoder::TwosComplement,
        "binary-offset" => Encoder::BinaryOffset,
        "sign-magnitude" => Encoder::SignMagnitude,
        _ => return field.reject(document, "twos-complement, binary-offset or sign-magnitude"),
    };
    Some(Action::Turn { encoder, step: step.map_or(1.0 / 127.0, |step| step as f32), scale })
}

/// Parses an array of two finite numbers.
fn pair(field: &Field<'_>) -> Option<[f64; 2]> {
    let numbers = field.numbers()?;
    numbers.try_into().ok().filter(|ends: &[f64; 2]| ends.iter().all(|end| end.is_finite()))
}
