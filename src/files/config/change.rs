//! Changes to the configuration, and when they take effect.

use super::{AudioConfig, AudioHost, Config, MidiConfig, MidiHost, MidiOutConfig, RecordingsConfig};

/// A changed part of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigChange {
    /// The initial preset.
    Preset,
    /// The model.
    Model,
    /// The audio output.
    Audio(AudioConfig),
    /// The OSC address, port and trusted hosts.
    Osc,
    /// The HTTP address, port, password, host names and announcement.
    Http,
    /// The MIDI system.
    MidiHost,
    /// MIDI output.
    MidiOut(MidiOutConfig),
    /// Whether to join the Ableton Link session.
    Link,
    /// The recordings folder and its limits.
    Recordings(RecordingsConfig),
    /// The control log and its checkpoints.
    ControlLog,
    /// The log kept on disk.
    Log,
    /// The opening hours.
    Schedule,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakesEffect {
    /// At once, without interrupting the sound.
    AtOnce,
    /// At once, by reopening the output with a short fade.
    ReopeningOutput,
    /// With the next take.
    NextTake,
    /// At the next start.
    NextStart,
}

impl ConfigChange {
    /// Returns when the change takes effect.
    #[must_use]
    pub const fn takes_effect(&self) -> TakesEffect {
        match self {
            Self::MidiOut(_) | Self::Schedule => TakesEffect::AtOnce,
            Self::Audio(_) => TakesEffect::ReopeningOutput,
            Self::Recordings(_) => TakesEffect::NextTake,
            Self::Preset
            | Self::Model
            | Self::Osc
            | Self::Http
            | Self::MidiHost
            | Self::Link
            | Self::ControlLog
            | Self::Log => TakesEffect::NextStart,
        }
    }

    /// Returns the key in `melos.toml`.
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
    /// Returns the differences between this configuration and a new one.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<ConfigChange> {
        // Destructured without `..`, so that adding a key causes a compile error until it is handled here.
        let Self { preset, model, audio, osc, http, midi, link, recordings, control_log, log, schedule } = new;
        let MidiConfig { host, out } = midi;
        let uses_jack = |audio: &AudioConfig| audio.host == AudioHost::Jack;
        let follows_audio = *host == MidiHost::Auto && uses_jack(audio) != uses_jack(&self.audio);
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
    fn every_key_maps_to_a_change() {
        let read = |text: &str| Config::parse(Path::new("melos.toml"), text).unwrap();
        let old = read("");
        assert_eq!(old.changes(&old), []);
        for (text, key, takes_effect) in [
            ("preset = \"storm\"", "preset", TakesEffect::NextStart),
            ("model = \"other\"", "model", TakesEffect::NextStart),
            ("[audio]\ndevice = \"x\"", "audio", TakesEffect::ReopeningOutput),
            ("[audio]\nblock_frames = 64", "audio", TakesEffect::ReopeningOutput),
            ("[osc]\nport = 1", "osc", TakesEffect::NextStart),
            ("[osc]\naddress = \"::1\"", "osc", TakesEffect::NextStart),
            ("[http]\nannounce = true", "http", TakesEffect::NextStart),
            ("[http]\npassword = \"long enough\"\nlocal_password = true", "http", TakesEffect::NextStart),
            ("[midi]\nhost = \"off\"", "midi.host", TakesEffect::NextStart),
            ("[midi.out]\nnotes = false", "midi.out", TakesEffect::AtOnce),
            ("recordings = \"/srv/takes\"", "recordings", TakesEffect::NextTake),
            ("[recordings]\nmax_gb = 2", "recordings", TakesEffect::NextTake),
            ("[control_log]\nwrite = false", "control_log", TakesEffect::NextStart),
            ("[log]\nkeep_mb = 0", "log", TakesEffect::NextStart),
            ("[[schedule.hours]]\nopen = \"09:00\"\nclose = \"18:00\"", "schedule", TakesEffect::AtOnce),
        ] {
            let changes = old.changes(&read(text));
            assert!(
                changes.len() == 1 && (changes[0].key(), changes[0].takes_effect()) == (key, takes_effect),
                "{text}: {changes:?}"
            );
        }
        // When the audio moves to JACK, MIDI follows.
        let jack = old.changes(&read("[audio]\nhost = \"jack\""));
        assert!(jack.contains(&ConfigChange::MidiHost) && jack.len() == 2, "{jack:?}");
    }
}
