//! Converts values and notices to OSC messages with only i, f and s arguments.

use std::fmt::Display;

use rosc::{OscMessage, OscType};

use super::address::LEAF;
use crate::event::Notice;
use crate::event::notice::{Health, Meters, OUTLOOK_CHORDS, Revisions};
use crate::event::parameter::{Param, Value};
use crate::music::emotion::{Affect, Mood};
use crate::music::theory::{Chord, Key};

/// The streams that are sent over UDP and can be queried. Chords are also sent, but cannot be queried as a stream.
pub(in crate::remote) const STREAMS: [&str; 8] = [
    "/melos/beat",
    "/melos/bar",
    "/melos/note",
    "/melos/onset",
    "/melos/level",
    "/melos/mood",
    "/melos/health",
    TROUBLE,
];

/// The stream that reports when an optional part fails, and when it works again.
pub(in crate::remote) const TROUBLE: &str = "/melos/trouble";

pub(super) fn message(address: &str, args: Vec<OscType>) -> OscMessage {
    OscMessage { addr: address.to_owned(), args }
}

/// Returns a message that asks a client to return a token.
pub(super) fn confirm(token: String) -> OscMessage {
    message("/melos/confirm", vec![OscType::String(token)])
}

/// Returns a message with a parameter's value; `None` for triggers, which have none.
pub(super) fn value(param: Param, value: &Value) -> Option<OscMessage> {
    Some(message(&format!("/melos/{}", param.spec().id), vec![param.to_osc(value)?]))
}

/// Returns a message with the second address of its method if the client uses that.
pub(in crate::remote) fn at_leaf(mut message: OscMessage, is_leaf: bool) -> OscMessage {
    message.addr.push_str(if is_leaf { LEAF } else { "" });
    message
}

/// Returns a message that says why something from the client was refused.
pub(in crate::remote) fn error(reason: impl Display) -> OscMessage {
    message("/melos/error", vec![OscType::String(reason.to_string())])
}

/// Returns the message that says why a part has failed, or without a reason that it works again; without a part, that
/// every part works.
pub(super) fn trouble(part: &str, reason: &str) -> OscMessage {
    message(TROUBLE, [part, reason].map(|text| OscType::String(text.to_owned())).to_vec())
}

/// Returns a message with the result of MIDI learn: the parameter's id, and the block, which is empty if nothing was
/// learned.
pub(super) fn learned(param: Param, block: String) -> OscMessage {
    message("/melos/learn", vec![OscType::String(param.spec().id.to_owned()), OscType::String(block)])
}

/// Converts a notice to a stream message; returns `None` if it belongs to no stream.
pub(in crate::remote) fn stream(notice: &Notice) -> Option<OscMessage> {
    let one_based = |index: u64| OscType::Int(i32::try_from(index + 1).unwrap_or(i32::MAX));
    Some(match notice {
        Notice::Value(..) | Notice::Refused { .. } => return None,
        Notice::Learned { param, block, .. } => learned(*param, block.clone()),
        Notice::Beat { beat, bar, tempo } => {
            message("/melos/beat", vec![one_based(u64::from(*beat)), one_based(*bar), OscType::Float(*tempo)])
        }
        Notice::Bar { bar, tempo } => message("/melos/bar", vec![one_based(*bar), OscType::Float(*tempo)]),
        Notice::Chord(chord, key) => {
            message("/melos/chord", vec![OscType::String(chord.to_string()), OscType::String(key.to_string())])
        }
        Notice::Note { note, velocity, seconds, melody } => {
            let [note, velocity, melody] =
                [*note, *velocity, u8::from(*melody)].map(|byte| OscType::Int(i32::from(byte)));
            message("/melos/note", vec![note, velocity, OscType::Float(*seconds), melody])
        }
        Notice::Onset { strength } => message("/melos/onset", vec![OscType::Float(*strength)]),
        Notice::Level { rms_db, peak_db } => {
            message("/melos/level", vec![OscType::Float(*rms_db), OscType::Float(*peak_db)])
        }
        Notice::Meters(meters) => message("/melos/meters", meters_arguments(meters)),
        Notice::Spectrum(bands) => {
            message("/melos/spectrum", bands.iter().map(|level| OscType::Float(*level)).collect())
        }
        Notice::Outlook(key, chords) => message("/melos/outlook", outlook_arguments(*key, chords)),
        Notice::Revisions(revisions) => message("/melos/revisions", revisions_arguments(*revisions)),
        Notice::Mood(mood) => message("/melos/mood", mood_arguments(mood)),
        Notice::Trouble { part, reason } => trouble(&part.to_string(), reason),
        Notice::Health(health) => message("/melos/health", health_arguments(health)),
    })
}

fn mood_arguments(mood: &Mood) -> Vec<OscType> {
    let Affect { valence, arousal } = mood.affect();
    mood.weights().iter().copied().chain([valence, arousal]).map(OscType::Float).collect()
}

fn meters_arguments(meters: &Meters) -> Vec<OscType> {
    let levels = meters.peaks_db.iter().chain([&meters.limiter_db]).map(|level| OscType::Float(*level));
    levels.chain([count(meters.limited)]).collect()
}

/// Returns the key, then [`OUTLOOK_CHORDS`] chords, each with the seconds until it begins; unused positions hold an
/// empty string and 0.
fn outlook_arguments(key: Option<Key>, chords: &[(Chord, f32)]) -> Vec<OscType> {
    let mut arguments = vec![OscType::String(key.map(|key| key.to_string()).unwrap_or_default())];
    for index in 0..OUTLOOK_CHORDS {
        let (chord, seconds) = chords.get(index).map_or((String::new(), 0.0), |(chord, s)| (chord.to_string(), *s));
        arguments.extend([OscType::String(chord), OscType::Float(seconds)]);
    }
    arguments
}

fn revisions_arguments(revisions: Revisions) -> Vec<OscType> {
    let Revisions { presets, scenes, midi, takes, pieces } = revisions;
    [presets, scenes, midi, takes, pieces].map(count).to_vec()
}

fn count(number: u32) -> OscType {
    OscType::Int(i32::try_from(number).unwrap_or(i32::MAX))
}

fn health_arguments(health: &Health) -> Vec<OscType> {
    let count = |count: &u64| OscType::Int(i32::try_from(*count).unwrap_or(i32::MAX));
    let losses = health.losses.iter().map(count);
    [OscType::String(health.state.clone()), OscType::Float(health.load)].into_iter().chain(losses).collect()
}
