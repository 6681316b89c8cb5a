//! `melos.toml`: paths, devices and ports. Musical settings are in presets.

mod change;
mod data;
mod hosts;
mod read;
pub mod schedule;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::document::{self, Problem};
use crate::files::names::NameError;
use crate::files::size_in_words;
use crate::units::GIGABYTE;

pub use change::{ConfigChange, TakesEffect};
pub use data::find_data;
pub use hosts::{AudioHost, MidiHost};
pub use schedule::Schedule;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Says that less space is free on the disk than `recordings.keep_free_gb`; both numbers are in bytes.
pub(crate) fn too_little_free(free: u64, keep_free: u64) -> String {
    let (free, keep_free) = (size_in_words(free), keep_free as f64 / GIGABYTE);
    format!("the disk has only {free} free, less than recordings.keep_free_gb = {keep_free}")
}

/// Minimum length of the password, in characters.
const MIN_PASSWORD_CHARS: usize = 8;

/// The daemon's configuration; every key is optional.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Preset to load when there is no saved state.
    pub preset: String,
    /// Name of the model's folder in `models/`.
    pub model: String,
    /// Audio output.
    pub audio: AudioConfig,
    /// OSC in and out.
    pub osc: OscConfig,
    /// HTTP: the page, status and OSCQuery.
    pub http: HttpConfig,
    /// MIDI in and out.
    pub midi: MidiConfig,
    /// Whether to join the Ableton Link session of the local network.
    pub link: bool,
    /// Recordings.
    pub recordings: RecordingsConfig,
    /// The control log of each performance.
    pub control_log: ControlLogConfig,
    /// The log kept on disk.
    pub log: LogConfig,
    /// The opening hours; always open if omitted.
    pub schedule: Option<Schedule>,
}

/// The source of the configuration.
#[allow(missing_debug_implementations, reason = "it holds a closure")]
pub struct ConfigSource {
    /// Candidate files; the first that exists is used.
    pub files: Vec<PathBuf>,
    /// Whether a file must exist; otherwise, the defaults apply if there is none.
    pub required: bool,
    /// Applies the command line's overrides.
    pub overrides: Box<dyn Fn(&mut Config) + Send>,
}

impl ConfigSource {
    /// Returns the file in use: the first that exists, otherwise the last candidate.
    #[must_use]
    pub fn file(&self) -> &Path {
        let existing = self.files.iter().find(|file| file.exists());
        existing.or(self.files.last()).map_or(Path::new("melos.toml"), PathBuf::as_path)
    }

    /// Reads the current configuration.
    ///
    /// # Errors
    /// See [`Config::read`].
    pub fn read(&self) -> Result<Config, Vec<Problem>> {
        let file = self.file();
        let mut config = if self.required || file.exists() { Config::read(file)? } else { Config::default() };
        (self.overrides)(&mut config);
        Ok(config)
    }
}

/// Audio output.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioConfig {
    /// The audio system.
    pub host: AudioHost,
    /// Part of the device's name; the system's default device if omitted.
    pub device: Option<String>,
    /// Frames per callback; the system's choice if omitted.
    pub block_frames: Option<u32>,
}

/// OSC in and out.
#[derive(Debug, Clone, PartialEq)]
pub struct OscConfig {
    /// Address to listen on; any but a loopback address lets the network control Melos without a password.
    pub address: IpAddr,
    /// UDP port.
    pub port: u16,
    /// Hosts that need no address verification.
    pub trusted: Vec<IpAddr>,
}

/// HTTP: the page, status and OSCQuery.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConfig {
    /// Address to listen on; any but a loopback address admits anyone who knows the password.
    pub address: IpAddr,
    /// TCP port.
    pub port: u16,
    /// Password for clients on other machines; at least 8 characters.
    pub password: Option<String>,
    /// Whether clients on this machine need the password too.
    pub local_password: bool,
    /// Other names and addresses of this machine under which browsers may reach it.
    pub hosts: Vec<String>,
    /// Whether to announce open services on the network with zeroconf.
    pub announce: bool,
}

/// MIDI in and out.
#[derive(Debug, Clone, PartialEq)]
pub struct MidiConfig {
    /// The MIDI system.
    pub host: MidiHost,
    /// MIDI output.
    pub out: MidiOutConfig,
}

/// What is sent to instruments connected to the port `melos:midi_out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MidiOutConfig {
    /// Whether to send the notes of the piano and the harmony voices, including those of muted voices.
    pub notes: bool,
    /// Whether to send clock, start, stop, continue and song position.
    pub clock: bool,
    /// Channels of bass, pad and upper voice.
    pub channels: [MidiChannel; 3],
    /// Channel of the network's piano.
    pub piano_channel: MidiChannel,
}

/// A MIDI channel, from 1 to 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MidiChannel(u8);

impl MidiChannel {
    /// Returns the channel as encoded in messages, from 0.
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
            _ => Err(format!("MIDI channel {channel} is out of range (1–16)")),
        }
    }
}

/// Recordings and their disk space.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingsConfig {
    /// Folder for recordings; a relative path is inside the state folder. In `melos.toml`, `~/` stands for the home folder.
    pub folder: PathBuf,
    /// Maximum total size of the recordings in the folder, in gigabytes.
    pub max_gb: f64,
    /// Disk space that recordings, checkpoints and pieces leave free, in gigabytes.
    pub keep_free_gb: f64,
    /// Days after which a recording is deleted; never if omitted.
    pub max_days: Option<f64>,
    /// What to do when recordings run out of space.
    pub when_full: WhenFull,
}

impl RecordingsConfig {
    /// Returns the disk space to leave free, in bytes.
    #[must_use]
    pub fn keep_free_bytes(&self) -> u64 {
        (self.keep_free_gb * GIGABYTE) as u64
    }
}

/// What to do when recordings run out of space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Stop recording.
    Stop,
    /// Delete the oldest recordings.
    DeleteOldest,
}

/// The control log of each performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlLogConfig {
    /// Whether to write one; if not, takes have none either.
    pub write: bool,
    /// Size in megabytes at which the log continues in another file or, without checkpoints, ends.
    pub max_mb: u64,
    /// Number of earlier logs to keep.
    pub keep: usize,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
    /// Maximum total size of the checkpoints in megabytes; 0 for none.
    pub checkpoints_mb: u64,
}

/// The log kept on disk, for `melos log --since`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Maximum size in megabytes of the log in the state folder; 0 keeps nothing.
    pub keep_mb: u64,
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
            recordings: RecordingsConfig::default(),
            control_log: ControlLogConfig::default(),
            log: LogConfig::default(),
            schedule: None,
        }
    }
}

impl Default for RecordingsConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("recordings"),
            max_gb: 50.0,
            keep_free_gb: 1.0,
            max_days: None,
            when_full: WhenFull::Stop,
        }
    }
}

impl Default for ControlLogConfig {
    fn default() -> Self {
        Self { write: true, max_mb: 256, keep: 5, checkpoint_seconds: 120, checkpoints_mb: 1024 }
    }
}

impl ControlLogConfig {
    /// Returns the seconds between checkpoints; `None` if none are taken.
    #[must_use]
    pub fn checkpoint_interval(&self) -> Option<u64> {
        (self.write && self.checkpoints_mb > 0).then_some(self.checkpoint_seconds)
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { keep_mb: 8 }
    }
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { host: AudioHost::Auto, device: None, block_frames: None }
    }
}

impl Default for OscConfig {
    fn default() -> Self {
        Self { address: LOCALHOST, port: 9000, trusted: Vec::new() }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: LOCALHOST,
            port: 9080,
            password: None,
            local_password: false,
            hosts: Vec::new(),
            announce: false,
        }
    }
}

impl Default for MidiConfig {
    fn default() -> Self {
        Self { host: MidiHost::Auto, out: MidiOutConfig::default() }
    }
}

impl Default for MidiOutConfig {
    fn default() -> Self {
        let channels = [MidiChannel(0), MidiChannel(1), MidiChannel(2)];
        Self { notes: true, clock: true, channels, piano_channel: MidiChannel(3) }
    }
}

/// Why a configuration is unusable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read or is invalid.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    File(Vec<Problem>),
    /// The folder given with `--data` is not a data folder.
    #[error("{folder}: not a data folder; --data must name the folder that holds models/ and presets/")]
    NotData {
        /// The folder.
        folder: PathBuf,
    },
    /// No data folder was found.
    #[error(
        "cannot find models/ and presets/; start Melos in the folder that holds them or name it with --data (searched {})",
        .searched.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoData {
        /// The folders searched.
        searched: Vec<PathBuf>,
    },
    /// HTTP would be open to the network without a password.
    #[error(
        "HTTP on {address} is reachable from the network and needs a password of at least {MIN_PASSWORD_CHARS} characters: set \
         http.password in melos.toml"
    )]
    NoPassword {
        /// The address.
        address: SocketAddr,
    },
    /// A parameter cannot start with the requested value.
    #[error("{0}")]
    StartValue(String),
    /// The name of the initial preset stands for no preset, or for several.
    #[error(transparent)]
    Preset(#[from] NameError),
}

impl Config {
    /// Returns a warning to log for each service that is open to the network.
    ///
    /// # Errors
    /// When HTTP would be open to the network without a password of sufficient length.
    pub fn exposure_warnings(&self) -> Result<Vec<String>, ConfigError> {
        let mut exposure_warnings = Vec::new();
        if !self.osc.address.is_loopback() {
            let address = SocketAddr::new(self.osc.address, self.osc.port);
            exposure_warnings.push(format!(
                "OSC is open to the network on {address}: anyone who can reach it can control Melos and subscribe, without a password"
            ));
        }
        if !self.http.address.is_loopback() {
            let address = SocketAddr::new(self.http.address, self.http.port);
            match self.http.password.as_deref().map(|password| password.chars().count()) {
                Some(MIN_PASSWORD_CHARS..) => exposure_warnings.push(format!(
                    "HTTP is open to the network on {address}: anyone who knows the password can control Melos, listen and record, and \
                     anyone who can watch the network can read the password"
                )),
                _ => return Err(ConfigError::NoPassword { address }),
            }
        }
        Ok(exposure_warnings)
    }

    /// Parses a configuration; `file` is for error messages.
    ///
    /// # Errors
    /// Returns every problem.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        read::config(file, text)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// Returns every problem, or why the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, Vec<Problem>> {
        document::read(file, Self::parse)
    }
}

impl From<Vec<Problem>> for ConfigError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::File(problems)
    }
}

#[cfg(test)]
mod tests;
