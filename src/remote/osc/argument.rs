//! What an argument means, whatever its type, so that every address accepts the same types.

use rosc::OscType;

use crate::event::parameter::{Input, Param, Value};

/// Returns the value of an argument; `None` if Melos has no use for its type.
pub(super) fn input(argument: &OscType) -> Option<Input<'_>> {
    Some(match argument {
        OscType::Int(number) => Input::Number(f64::from(*number)),
        OscType::Long(number) => Input::Number(*number as f64),
        OscType::Float(number) => Input::Number(f64::from(*number)),
        OscType::Double(number) => Input::Number(*number),
        OscType::Bool(on) => Input::Bool(*on),
        // Some senders use "impulse" and "nil" for on and off.
        OscType::Inf => Input::Bool(true),
        OscType::Nil => Input::Bool(false),
        OscType::String(text) => Input::Text(text),
        _ => return None,
    })
}

/// Returns the value of an argument that is a whole number, also as text; `None` for any other.
pub(super) fn whole_number(argument: &OscType) -> Option<i64> {
    let number = match input(argument)? {
        Input::Number(number) => number,
        Input::Text(text) => text.trim().parse().ok()?,
        Input::Bool(_) | Input::Nothing => return None,
    };
    (number.fract() == 0.0).then_some(number as i64)
}

/// Returns the name in an argument. A number is a name too, because some programs send every text that looks like a
/// number as one.
pub(super) fn name(argument: &OscType) -> Option<String> {
    Some(match argument {
        OscType::String(text) => text.clone(),
        OscType::Int(number) => number.to_string(),
        OscType::Long(number) => number.to_string(),
        OscType::Float(number) => number.to_string(),
        OscType::Double(number) => number.to_string(),
        _ => return None,
    })
}

/// Returns the names of emotions, each with its weight; `None` if the arguments are anything but names and weights.
pub(super) fn weights(args: &[OscType]) -> Option<Vec<(&str, &OscType)>> {
    let is_weight = |argument| match input(argument) {
        // All weights accept the same texts.
        Some(Input::Text(text)) => matches!(Param::Happy.input_from_text(text), Input::Number(_)),
        weight => weight.is_some(),
    };
    let (pairs, rest) = args.as_chunks();
    let pairs = pairs.iter().map(|pair| match pair {
        [OscType::String(name), weight] if is_weight(weight) => Some((name.as_str(), weight)),
        _ => None,
    });
    pairs.collect::<Option<Vec<_>>>().filter(|pairs| rest.is_empty() && !pairs.is_empty())
}

/// Returns whether a value is what the argument says, neither clamped nor spelled differently.
pub(super) fn is_exactly(argument: &OscType, param: Param, value: &Value) -> bool {
    match (input(argument), value) {
        (Some(Input::Number(sent)), Value::Number(value)) => sent as f32 == *value,
        (Some(Input::Text(sent)), _) => param.to_osc(value) == Some(OscType::String(sent.to_owned())),
        // A switch, a trigger, or a choice by its position.
        _ => true,
    }
}
