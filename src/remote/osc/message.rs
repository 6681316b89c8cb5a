//! Values and notices as OSC messages with i, f and s arguments only.

use rosc::{OscMessage, OscType};

use crate::event::Notice;
use crate::event::notice::Health;
use crate::event::parameter::{Param, Value};
use crate::music::emotion::{Affect, Mood};

/// The streams beside the chord, which is a parameter too.
pub(in crate::remote) const STREAMS: [&str; 6] =
    ["/melos/beat", "/melos/bar", "/melos/onset", "/melos/level", "/melos/mood", "/melos/health"];

pub(super) fn message(address: &str, args: Vec<OscType>) -> OscMessage {
    OscMessage { addr: address.to_owned(), args }
}

/// A parameter's value; `None` for triggers, which have none.
pub(super) fn value(param: Param, value: &Value) -> Option<OscMessage> {
    Some(message(&format!("/melos/{}", param.spec().id), vec![param.to_osc(value)?]))
}

/// What was learnt: the parameter's id and the block, which is empty when nothing was.
pub(super) fn learned(param: Param, block: String) -> OscMessage {
    message("/melos/learn", vec![OscType::String(param.spec().id.to_owned()), OscType::String(block)])
}

/// A notice of one of the streams; `None` for those that are none.
pub(in crate::remote) fn stream(notice: &Notice) -> Option<OscMessage> {
    let counted = |from_zero: u64| OscType::Int(i32::try_from(from_zero + 1).unwrap_or(i32::MAX));
    Some(match notice {
        Notice::Value(..) | Notice::Learned { .. } => return None,
        Notice::Beat { beat, bar, tempo } => {
            message("/melos/beat", vec![counted(u64::from(*beat)), counted(*bar), OscType::Float(*tempo)])
        }
        Notice::Bar { bar, tempo } => message("/melos/bar", vec![counted(*bar), OscType::Float(*tempo)]),
        Notice::Chord(chord, key) => {
            message("/melos/chord", vec![OscType::String(chord.to_string()), OscType::String(key.to_string())])
        }
        Notice::Onset { strength } => message("/melos/onset", vec![OscType::Float(*strength)]),
        Notice::Level { rms_db, peak_db } => {
            message("/melos/level", vec![OscType::Float(*rms_db), OscType::Float(*peak_db)])
        }
        Notice::Mood(mood) => message("/melos/mood", mood_arguments(mood)),
        Notice::Health(health) => message("/melos/health", health_arguments(health)),
    })
}

fn mood_arguments(mood: &Mood) -> Vec<OscType> {
    let Affect { valence, arousal } = mood.affect();
    mood.weights().iter().copied().chain([valence, arousal]).map(OscType::Float).collect()
}

fn health_arguments(health: &Health) -> Vec<OscType> {
    let count = |count: &u64| OscType::Int(i32::try_from(*count).unwrap_or(i32::MAX));
    let losses = health.losses.iter().map(count);
    [OscType::String(health.state.clone()), OscType::Float(health.load)].into_iter().chain(losses).collect()
}
