//! `melos.toml`: where things are, which devices and ports to use. What is *played* stands in presets.

mod data;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::files::document::Problem;

pub use data::find_data;

/// This machine alone.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Shortest password that keeps anybody out, in characters.
const SHORTEST_PASSWORD: usize = 8;

/// The daemon's configuration; every key may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Preset to start with when no saved state says otherwise.
    pub preset: String,
    /// Model: a folder in `models/`.
    pub model: String,
    /// Sound out.
    pub audio: AudioConfig,
    /// OSC in and out.
    pub osc: OscConfig,
    /// The HTTP port for OSCQuery, status and the page.
    pub http: HttpConfig,
    /// MIDI in and out.
    pub midi: MidiConfig,
    /// Whether to join the Ableton Link session of the local network.
    pub link: bool,
    /// Where recordings go; relative to the state folder.
    pub recordings: PathBuf,
}

/// Where the configuration comes from.
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct ConfigSource {
    /// The file.
    pub file: PathBuf,
    /// Whether there must be one; without, everything is as by default.
    pub required: bool,
    /// What the command line says over the file.
    pub over: Box<dyn Fn(&mut Config) + Send>,
}

impl ConfigSource {
    /// The configuration as it is now.
    ///
    /// # Errors
    /// As those of [`Config::read`].
    pub fn read(&self) -> Result<Config, Problem> {
        let mut config =
            if self.required || self.file.is_file() { Config::read(&self.file)? } else { Config::default() };
        (self.over)(&mut config);
        Ok(config)
    }
}

/// Sound out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudioConfig {
    /// Which system carries the sound.
    pub host: AudioHost,
    /// Device by (part of its) name; the system's default when left out.
    pub device: Option<String>,
    /// Frames per callback; the system's choice when left out.
    pub block_frames: Option<u32>,
}

/// The systems that can carry the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AudioHost {
    /// The first that works: JACK, PipeWire, PulseAudio, ALSA, and without any of them the null output.
    Auto,
    /// A JACK server.
    Jack,
    /// ALSA directly.
    Alsa,
    /// PipeWire.
    Pipewire,
    /// PulseAudio.
    Pulse,
    /// No device: a paced output into nothing.
    Null,
}

/// OSC in and out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OscConfig {
    /// Address to listen on; another than 127.0.0.1 lets the network steer, without a password.
    pub address: IpAddr,
    /// UDP port.
    pub port: u16,
    /// Hosts of the network that need not show that an address is their own before they are sent much.
    pub trusted: Vec<IpAddr>,
}

/// HTTP: OSCQuery and status.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address to listen on; another than 127.0.0.1 lets in whoever knows the password.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
    /// Password for whoever does not come from this machine; at least 8 characters.
    pub password: Option<String>,
    /// Other names and addresses of this machine by which browsers reach it.
    pub hosts: Vec<String>,
    /// Whether what is open to the network is advertised there by zeroconf.
    pub announce: bool,
}

/// MIDI in and out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MidiConfig {
    /// Which system carries MIDI.
    pub host: MidiHost,
    /// What is sent.
    pub out: MidiOutConfig,
}

/// MIDI out: what instruments that join are told, on the port `melos:midi_out`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MidiOutConfig {
    /// Whether the notes of the harmony voices are sent, muted voices too.
    pub notes: bool,
    /// Whether clock, start, stop, continue and song position are sent.
    pub clock: bool,
    /// Channels of bass, pad and upper voice.
    pub channels: [MidiChannel; 3],
}

/// A MIDI channel, from 1 to 16 as people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct MidiChannel(u8);

impl MidiChannel {
    /// The channel as messages count, from 0.
    #[must_use]
    pub const fn index(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for MidiChannel {
    type Error = String;

    fn try_from(channel: i64) -> Result<Self, String> {
        match channel {
            1..=16 => Ok(Self(channel as u8 - 1)),
            _ => Err(format!("{channel} is no MIDI channel; they go from 1 to 16")),
        }
    }
}

/// The systems that can carry MIDI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MidiHost {
    /// JACK where the sound goes to JACK, otherwise ALSA.
    Auto,
    /// The ALSA sequencer.
    Alsa,
    /// A JACK server.
    Jack,
    /// None.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: "slow-dawn".to_owned(),
            model: "melos-piano".to_owned(),
            audio: AudioConfig::default(),
            osc: OscConfig::default(),
            http: HttpConfig::default(),
            midi: MidiConfig::default(),
            link: false,
            recordings: PathBuf::from("recordings"),
        }
    }
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { host: AudioHost::Auto, device: None, block_frames: None }
    }
}

impl Default for OscConfig {
    fn default() -> Self {
        Self { address: HERE, port: 9000, trusted: Vec::new() }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { address: HERE, port: 9080, password: None, hosts: Vec::new(), announce: false }
    }
}

impl Default for MidiConfig {
    fn default() -> Self {
        Self { host: MidiHost::Auto, out: MidiOutConfig::default() }
    }
}

impl Default for MidiOutConfig {
    fn default() -> Self {
        Self { notes: true, clock: true, channels: [MidiChannel(0), MidiChannel(1), MidiChannel(2)] }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read, or is not what it should be.
    #[error(transparent)]
    File(#[from] Problem),
    /// The data folder that was named is none.
    #[error("{folder}: holds no models/ and presets/; --data must name the folder that does")]
    NotData {
        /// The folder.
        folder: PathBuf,
    },
    /// No data folder was found.
    #[error(
        "models/ and presets/ were not found; start Melos in their folder or name it with --data (looked in {})",
        .tried.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoData {
        /// The places tried.
        tried: Vec<PathBuf>,
    },
    /// HTTP would be open to the network without a password.
    #[error(
        "HTTP on {address} would let the network in, so it needs a password of at least {SHORTEST_PASSWORD} characters: \
         http.password in melos.toml"
    )]
    NoPassword {
        /// Where it would be open.
        address: SocketAddr,
    },
    /// The preset to start with is none.
    #[error("there is no preset {name:?}; there are {}", .known.join(", "))]
    NoPreset {
        /// Its name.
        name: String,
        /// The presets there are.
        known: Vec<String>,
    },
}

impl Config {
    /// What is opened to the network, a sentence for each, in the words of a log.
    ///
    /// # Errors
    /// When HTTP would be open to the network without a good password.
    pub fn openings(&self) -> Result<Vec<String>, ConfigError> {
        let mut openings = Vec::new();
        if !self.osc.address.is_loopback() {
            let address = SocketAddr::new(self.osc.address, self.osc.port);
            openings.push(format!(
                "OSC is open to the network on {address}: whoever reaches it can steer and subscribe, without a password"
            ));
        }
        if !self.http.address.is_loopback() {
            let address = SocketAddr::new(self.http.address, self.http.port);
            match self.http.password.as_deref().map(|password| password.chars().count()) {
                Some(SHORTEST_PASSWORD..) => openings.push(format!(
                    "HTTP is open to the network on {address}: whoever knows the password can steer, listen and record, and \
                     whoever can watch the network can read it"
                )),
                _ => return Err(ConfigError::NoPassword { address }),
            }
        }
        Ok(openings)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, or holds an unknown key or a value that does not fit.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let text = std::fs::read_to_string(path).map_err(|error| Problem::of_file(path, error))?;
        toml::from_str(&text).map_err(|error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count();
            let written = text.lines().nth(line).unwrap_or_default().trim();
            let hint = format!("{written}: {}", error.message().replace('\n', " "));
            Problem { line: line + 1, ..Problem::of_file(path, hint) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    }

    #[test]
    fn errors_name_file_line_and_what_would_be_right() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("melos.toml");
        std::fs::write(&path, "[audio]\nhost = \"jak\"\n").unwrap();
        let message = Config::read(&path).unwrap_err().to_string();
        assert!(message.ends_with(
            "melos.toml:2: host = \"jak\": unknown variant `jak`, expected one of `auto`, `jack`, `alsa`, `pipewire`, \
             `pulse`, `null`"
        ), "{message}");
    }

    #[test]
    fn the_command_line_is_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let over = |config: &mut Config| config.http.port = 1234;
        let source = |required| ConfigSource { file: dir.path().join("melos.toml"), required, over: Box::new(over) };
        assert!(source(true).read().is_err());
        assert_eq!(source(false).read().unwrap().preset, Config::default().preset);
        std::fs::write(dir.path().join("melos.toml"), "preset = \"storm\"\n[http]\nport = 1\n").unwrap();
        let config = source(false).read().unwrap();
        assert_eq!((config.preset.as_str(), config.http.port), ("storm", 1234));
    }

    #[test]
    fn each_opening_is_said_and_http_wants_a_password() {
        let openings = |text: &str| toml::from_str::<Config>(text).unwrap().openings();
        assert!(openings("").unwrap().is_empty());
        assert!(openings("[osc]\naddress = \"::1\"\n").unwrap().is_empty());
        let osc = openings("[osc]\naddress = \"0.0.0.0\"\n").unwrap();
        assert!(osc.len() == 1 && osc[0].contains("OSC is open to the network on 0.0.0.0:9000"), "{osc:?}");
        for missing in ["", "password = \"\"", "password = \"1234567\""] {
            let error = openings(&format!("[http]\naddress = \"0.0.0.0\"\n{missing}\n")).unwrap_err().to_string();
            assert!(error.contains("http.password") && error.contains("0.0.0.0:9080"), "{error}");
        }
        let http = openings("[http]\naddress = \"192.0.2.1\"\npassword = \"12345678\"\n").unwrap();
        assert!(http.len() == 1 && http[0].contains("192.0.2.1:9080"), "{http:?}");
    }

    #[test]
    fn midi_channels_count_from_one() {
        let config: Config = toml::from_str("[midi.out]\nclock = false\nchannels = [1, 16, 10]\n").unwrap();
        assert_eq!(config.midi.out.channels.map(MidiChannel::index), [0, 15, 9]);
        let message = toml::from_str::<Config>("[midi.out]\nchannels = [0, 2, 3]\n").unwrap_err().to_string();
        for part in ["line 2", "channels", "1 to 16"] {
            assert!(message.contains(part), "{part:?} is missing in {message}");
        }
    }
}
