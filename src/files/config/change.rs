//! Changes between configurations, and when they take effect.

use super::{AudioConfig, AudioHost, Config, ControlLogConfig, MidiConfig, MidiHost, MidiOutConfig, RecordingsConfig};

/// A changed part of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigChange {
    /// The preset to load at startup.
    Preset,
    /// The model.
    Model,
    /// The audio output.
    Audio(AudioConfig),
    /// The OSC address.
    Osc,
    /// The HTTP address and access.
    Http,
    /// The MIDI system.
    MidiHost,
    /// MIDI output.
    MidiOut(MidiOutConfig),
    /// Whether Ableton Link is followed.
    Link,
    /// The recordings folder and its limits.
    Recordings(RecordingsConfig),
    /// Whether a control log is written, and its size.
    ControlLog,
    /// How much of the log is kept.
    Log,
    /// When music is played.
    Schedule,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// At once, without interrupting the sound.
    Nothing,
    /// At once, by reopening the output with a short fade.
    Output,
    /// With the next take.
    NextTake,
    /// At the next start.
    NextStart,
}

impl ConfigChange {
    /// When it takes effect.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        match self {
            Self::MidiOut(_) | Self::Schedule => Cost::Nothing,
            Self::Audio(_) => Cost::Output,
            Self::Recordings(_) => Cost::NextTake,
            Self::Preset
            | Self::Model
            | Self::Osc
            | Self::Http
            | Self::MidiHost
            | Self::Link
            | Self::ControlLog
            | Self::Log => Cost::NextStart,
        }
    }

    /// The key in `melos.toml`.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Preset => "preset",
            Self::Model => "model",
            Self::Audio(_) => "audio",
            Self::Osc => "osc",
            Self::Http => "http",
            Self::MidiHost => "midi.host",
            Self::MidiOut(_) => "midi.out",
            Self::Link => "link",
            Self::Recordings(_) => "recordings",
            Self::ControlLog => "control_log",
            Self::Log => "log",
            Self::Schedule => "schedule",
        }
    }
}

impl Config {
    /// The differences to another configuration.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<ConfigChange> {
        // Exhaustive, so that a new key does not compile until it is handled here.
        let Self { preset, model, audio, osc, http, midi, link, recordings, control_log, log, schedule } = new;
        let MidiConfig { host, out } = midi;
        let ControlLogConfig { .. } = control_log;
        let on_jack = |audio: &AudioConfig| audio.host == AudioHost::Jack;
        let follows_audio = *host == MidiHost::Auto && on_jack(audio) != on_jack(&self.audio);
        [
            (*preset != self.preset).then_some(ConfigChange::Preset),
            (*model != self.model).then_some(ConfigChange::Model),
            (*audio != self.audio).then(|| ConfigChange::Audio(audio.clone())),
            (*osc != self.osc).then_some(ConfigChange::Osc),
            (*http != self.http).then_some(ConfigChange::Http),
            (*host != self.midi.host || follows_audio).then_some(ConfigChange::MidiHost),
            (*out != self.midi.out).then(|| ConfigChange::MidiOut(out.clone())),
            (*link != self.link).then_some(ConfigChange::Link),
            (*recordings != self.recordings).then(|| ConfigChange::Recordings(recordings.clone())),
            (*control_log != self.control_log).then_some(ConfigChange::ControlLog),
            (*log != self.log).then_some(ConfigChange::Log),
            (*schedule != self.schedule).then_some(ConfigChange::Schedule),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_key_of_the_file_has_a_change_and_a_cost() {
        let read = |text: &str| Config::parse(Path::new("melos.toml"), text).unwrap();
        let old = read("");
        assert_eq!(old.changes(&old), []);
        for (text, key, cost) in [
            ("preset = \"storm\"", "preset", Cost::NextStart),
            ("model = \"other\"", "model", Cost::NextStart),
            ("link = true", "link", Cost::NextStart),
            ("[audio]\ndevice = \"x\"", "audio", Cost::Output),
            ("[audio]\nblock_frames = 64", "audio", Cost::Output),
            ("[osc]\nport = 1", "osc", Cost::NextStart),
            ("[osc]\naddress = \"::1\"", "osc", Cost::NextStart),
            ("[http]\nannounce = true", "http", Cost::NextStart),
            ("[midi]\nhost = \"off\"", "midi.host", Cost::NextStart),
            ("[midi.out]\nnotes = false", "midi.out", Cost::Nothing),
            ("recordings = \"/srv/takes\"", "recordings", Cost::NextTake),
            ("[recordings]\nmax_gb = 2", "recordings", Cost::NextTake),
            ("[control_log]\nwrite = false", "control_log", Cost::NextStart),
            ("[log]\nkeep_mb = 0", "log", Cost::NextStart),
            ("[[schedule.hours]]\nopen = \"09:00\"\nclose = \"18:00\"", "schedule", Cost::Nothing),
        ] {
            let changes = old.changes(&read(text));
            assert!(changes.len() == 1 && (changes[0].key(), changes[0].cost()) == (key, cost), "{text}: {changes:?}");
        }
        // MIDI follows the audio to JACK.
        let jack = old.changes(&read("[audio]\nhost = \"jack\""));
        assert!(jack.contains(&ConfigChange::MidiHost) && jack.len() == 2, "{jack:?}");
    }
}
