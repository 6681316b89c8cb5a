//! The methods of the address space: the parameters, then the streams.

use crate::event::health::Loss;
use crate::event::notice::BANDS;
use crate::event::parameter::TABLE;
use crate::remote::osc::message;

/// The stream of notes. Listeners receive every note, not only the newest.
pub(super) const NOTE: &str = "/melos/note";

/// The stream of troubles. Listeners first receive the current ones, then every change.
pub(super) const TROUBLE: &str = message::TROUBLE;

/// A read-only method: one of the streams of [`crate::remote::osc`].
pub(super) struct Stream {
    pub(super) path: &'static str,
    pub(super) types: &'static str,
    /// Minimum and maximum of each argument, if any; empty if no argument has either.
    pub(super) ranges: &'static [(Option<f32>, Option<f32>)],
    pub(super) units: &'static [Option<&'static str>],
    pub(super) description: &'static str,
}

const FROM_ONE: (Option<f32>, Option<f32>) = (Some(1.0), None);
const FROM_ZERO: (Option<f32>, Option<f32>) = (Some(0.0), None);
const UNIT_INTERVAL: (Option<f32>, Option<f32>) = (Some(0.0), Some(1.0));
const MIDI: (Option<f32>, Option<f32>) = (Some(0.0), Some(127.0));
const AFFECT: (Option<f32>, Option<f32>) = (Some(-1.0), Some(1.0));
const ANY: (Option<f32>, Option<f32>) = (None, None);
const DB: Option<&str> = Some("gain.db");
const SECONDS: Option<&str> = Some("time.second");

/// Types of the health stream: state, load, and a count for each loss.
const HEALTH_TYPES: [u8; 2 + Loss::ALL.len()] = {
    let mut types = [b'i'; 2 + Loss::ALL.len()];
    (types[0], types[1]) = (b's', b'f');
    types
};
const HEALTH_RANGES: [(Option<f32>, Option<f32>); 2 + Loss::ALL.len()] = {
    let mut ranges = [FROM_ZERO; 2 + Loss::ALL.len()];
    ranges[0] = ANY;
    ranges
};

/// Types of the spectrum: one number per band.
const SPECTRUM: &str = match std::str::from_utf8(&[b'f'; BANDS]) {
    Ok(types) => types,
    Err(_) => unreachable!(),
};

pub(super) const STREAMS: [Stream; 13] = [
    Stream {
        path: "/melos/beat",
        types: "iif",
        ranges: &[FROM_ONE, FROM_ONE, FROM_ZERO],
        units: &[None, None, Some("time.bpm")],
        description: "A beat begins: beat in the bar, bar, tempo",
    },
    Stream {
        path: "/melos/bar",
        types: "if",
        ranges: &[FROM_ONE, FROM_ZERO],
        units: &[None, Some("time.bpm")],
        description: "A bar begins: bar, tempo",
    },
    Stream {
        path: NOTE,
        types: "iifi",
        ranges: &[MIDI, MIDI, FROM_ZERO, UNIT_INTERVAL],
        units: &[None, None, SECONDS, None],
        description: "The network's piano starts a note: MIDI note number, velocity, how long its key is held, 1 if it belongs to the melody",
    },
    Stream {
        path: "/melos/onset",
        types: "f",
        ranges: &[UNIT_INTERVAL],
        units: &[],
        description: "The network's piano starts one or more notes together: highest velocity among them, 0 to 1",
    },
    Stream {
        path: "/melos/level",
        types: "ff",
        ranges: &[],
        units: &[Some("gain.db"), Some("gain.db")],
        description: "Output level relative to full scale: RMS, peak",
    },
    Stream {
        path: "/melos/mood",
        types: "ffffffffff",
        ranges: &[
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            UNIT_INTERVAL,
            AFFECT,
            AFFECT,
        ],
        units: &[],
        description: "The mood as currently heard: the weights of the eight emotions, then valence and arousal",
    },
    Stream {
        path: "/melos/health",
        types: match std::str::from_utf8(&HEALTH_TYPES) {
            Ok(types) => types,
            Err(_) => "",
        },
        ranges: &HEALTH_RANGES,
        units: &[],
        description: Loss::ARGUMENTS,
    },
    Stream {
        path: "/melos/meters",
        types: "fffffffi",
        ranges: &[ANY, ANY, ANY, ANY, ANY, ANY, ANY, FROM_ZERO],
        units: &[DB, DB, DB, DB, DB, DB, DB, None],
        description: "Post-fader peaks of the network, bass, pad, upper voice and harmony; peak of the output; gain reduction of the limiter; number of times it has reduced the gain",
    },
    Stream {
        path: "/melos/spectrum",
        types: SPECTRUM,
        ranges: &[],
        units: &[DB; BANDS],
        description: "Output level in 48 bands, six per octave from 32.7 Hz upwards, twenty times a second",
    },
    Stream {
        path: "/melos/outlook",
        types: "ssfsfsfsf",
        ranges: &[],
        units: &[None, None, SECONDS, None, SECONDS, None, SECONDS, None, SECONDS],
        description: "The key, then the current chord and up to three planned ones, each with the seconds until it begins; sent on change",
    },
    Stream {
        path: "/melos/revisions",
        types: "iiiii",
        ranges: &[FROM_ZERO, FROM_ZERO, FROM_ZERO, FROM_ZERO, FROM_ZERO],
        units: &[],
        description: "Change counters of GET /presets, /scenes, /midi, /takes and /render",
    },
    Stream {
        path: TROUBLE,
        types: "ss",
        ranges: &[],
        units: &[],
        description: "An optional part fails, or the tempo source is absent: part, reason; the reason is empty when the part works again",
    },
    Stream {
        path: "/melos/learn",
        types: "ss",
        ranges: &[],
        units: &[],
        description: "MIDI learn ends: parameter, block for a mapping file; the block is empty if nothing was learned",
    },
];

/// A write-only method that is not a parameter.
pub(super) struct Command {
    pub(super) path: &'static str,
    pub(super) types: &'static str,
    pub(super) description: &'static str,
}

pub(super) const COMMANDS: [Command; 2] = [
    Command { path: "/melos/scene/rename", types: "ss", description: "Renames a scene: name, new name" },
    Command {
        path: "/melos/play/note",
        types: "ii",
        description: "Plays a key of the network's piano: MIDI note number, velocity; velocity 0 releases the key",
    },
];

/// Number of methods: parameters in the order of the table, then streams.
pub(super) const METHODS: usize = TABLE.len() + STREAMS.len();

/// Returns the method index of the stream at a path.
pub(super) fn stream_method(path: &str) -> Option<usize> {
    STREAMS.iter().position(|stream| stream.path == path).map(|index| TABLE.len() + index)
}

/// Returns the OSC address of a method.
pub(super) fn path_of(method: usize) -> String {
    match TABLE.get(method) {
        Some(spec) => format!("/melos/{}", spec.id),
        None => STREAMS[method - TABLE.len()].path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_arrays_are_as_long_as_the_type() {
        for stream in &STREAMS {
            for length in [stream.ranges.len(), stream.units.len()] {
                assert!(length == 0 || length == stream.types.len(), "{}", stream.path);
            }
        }
    }
}
