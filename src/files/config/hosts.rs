//! The audio and MIDI systems that can be selected.

/// An audio system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AudioHost {
    /// The first of JACK, PipeWire, PulseAudio and ALSA that works, otherwise the null output.
    Auto,
    /// A JACK server.
    Jack,
    /// ALSA directly.
    Alsa,
    /// PipeWire.
    Pipewire,
    /// PulseAudio.
    Pulse,
    /// No device: audio is generated in real time and discarded.
    Null,
}

impl AudioHost {
    /// The names in `melos.toml`.
    pub(super) const NAMES: [(&'static str, Self); 6] = [
        ("auto", Self::Auto),
        ("jack", Self::Jack),
        ("alsa", Self::Alsa),
        ("pipewire", Self::Pipewire),
        ("pulse", Self::Pulse),
        ("null", Self::Null),
    ];
}

/// A MIDI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MidiHost {
    /// JACK if the audio uses JACK, otherwise ALSA.
    Auto,
    /// The ALSA sequencer.
    Alsa,
    /// A JACK server.
    Jack,
    /// No MIDI.
    Off,
}

impl MidiHost {
    /// The names in `melos.toml`.
    pub(super) const NAMES: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("alsa", Self::Alsa), ("jack", Self::Jack), ("off", Self::Off)];
}
