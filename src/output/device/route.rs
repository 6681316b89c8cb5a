//! Output routes, and how to open them.

mod cpal_device;
mod jack_client;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;

use cpal::HostId;
use thiserror::Error;

use super::engine_slot::EngineSlot;
use super::status::OutputStatus;
use crate::files::config::AudioHost;

pub(super) use cpal_device::{label, quiet_alsa};
pub(super) use jack_client::outputs as jack_outputs;

/// Why there is no audio output.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The audio system does not respond or has no output device.
    #[error("{host}: {source}")]
    Host {
        /// The audio system's name.
        host: &'static str,
        /// The cause.
        source: cpal::Error,
    },
    /// There is no such device.
    #[error("{host}: no output device name contains {requested:?}; available: {available}")]
    NoDevice {
        /// The audio system.
        host: &'static str,
        /// The configured part of the device's name.
        requested: String,
        /// The names of the available devices.
        available: String,
    },
    /// The device exists but cannot be opened.
    #[error("cannot open {device}: {source}")]
    Device {
        /// The device's name.
        device: String,
        /// The cause.
        source: cpal::Error,
    },
    /// JACK does not respond or refuses the client.
    #[error("JACK: {0}")]
    Jack(String),
    /// No route works.
    #[error("no audio output available: {}; run `melos devices` to list the outputs", .0.join("; "))]
    NoRoute(Vec<String>),
    /// The audio server does not respond.
    #[error("the audio server does not respond")]
    Hung,
    /// The audio thread cannot be started.
    #[error(transparent)]
    Thread(std::io::Error),
}

/// An output route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The JACK server, and optionally one of its clients.
    Jack { device: Option<String> },
    /// An audio system, and optionally one of its devices.
    Device { host: HostId, device: Option<String> },
    /// The null output.
    Null,
}

/// Returns the routes to try for a configuration, best first.
pub(super) fn routes(host: AudioHost, device: Option<&str>) -> Vec<Route> {
    let jack = || Route::Jack { device: device.map(str::to_owned) };
    let via = |host| Route::Device { host, device: device.map(str::to_owned) };
    let pipewire = || {
        #[cfg(feature = "pipewire")]
        let native = [via(HostId::PipeWire)];
        #[cfg(not(feature = "pipewire"))]
        let native: [Route; 0] = [];
        // If native PipeWire output is unavailable, PipeWire is reached through PulseAudio or ALSA.
        let alsa = Route::Device { host: HostId::Alsa, device: Some(device.unwrap_or("pipewire").to_owned()) };
        native.into_iter().chain([via(HostId::PulseAudio), alsa])
    };
    match host {
        AudioHost::Jack => vec![jack()],
        AudioHost::Alsa => vec![via(HostId::Alsa)],
        AudioHost::Pulse => vec![via(HostId::PulseAudio)],
        AudioHost::Pipewire => pipewire().collect(),
        AudioHost::Null => vec![Route::Null],
        AudioHost::Auto => {
            let mut routes: Vec<_> =
                [jack()].into_iter().chain(pipewire()).chain([via(HostId::Alsa), Route::Null]).collect();
            // With a device, PipeWire through ALSA is the same as ALSA.
            routes.dedup();
            routes
        }
    }
}

impl Route {
    /// Opens the route and starts playing the engine in `slot`. Blocks for as long as the audio server does.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn start(
        &self,
        block_frames: Option<u32>,
        slot: &Arc<EngineSlot>,
        status: &Arc<OutputStatus>,
        faults: &SyncSender<Fault>,
    ) -> Result<OpenStream, AudioError> {
        match self {
            Self::Null => Err(AudioError::NoRoute(Vec::new())),
            Self::Jack { device } => jack_client::start(device.as_deref(), Arc::clone(slot), status, faults),
            Self::Device { host, device } => {
                cpal_device::start(*host, device.as_deref(), block_frames, slot, status, faults)
            }
        }
    }

    /// Returns the name of the output without playing to it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn find(&self) -> Result<String, AudioError> {
        match self {
            Self::Null => Err(AudioError::NoRoute(Vec::new())),
            Self::Jack { device } => jack_client::find(device.as_deref()),
            Self::Device { host, device } => cpal_device::find_name(*host, device.as_deref()),
        }
    }
}

/// A fault reported by a running stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The stream is lost.
    Lost(String),
    /// The stream is lost unless it keeps playing.
    Suspected(String),
    /// The stream keeps playing; the message is only logged.
    Notice(String),
}

/// Keeps a stream open; dropping it ends the stream.
pub(super) trait Stream {
    /// Maintains the stream; called at regular intervals while playing.
    fn maintain(&mut self) {}
}

/// A playing stream.
pub(super) struct OpenStream {
    pub(super) stream: Box<dyn Stream>,
    /// The name of the output, for the status.
    pub(super) name: String,
    /// Set by a driver that cannot report the loss of the stream as a [`Fault`].
    pub(super) lost: Arc<AtomicBool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_auto_falls_back_to_the_null_output() {
        assert_eq!(routes(AudioHost::Auto, None).last(), Some(&Route::Null));
        for host in [AudioHost::Jack, AudioHost::Alsa, AudioHost::Pipewire, AudioHost::Pulse] {
            assert!(!routes(host, Some("usb")).contains(&Route::Null));
        }
    }

    #[test]
    fn searches_each_system_only_once_for_a_device() {
        let routes = routes(AudioHost::Auto, Some("usb"));
        assert_eq!(routes[0], Route::Jack { device: Some("usb".to_owned()) });
        let alsa = Route::Device { host: HostId::Alsa, device: Some("usb".to_owned()) };
        assert_eq!(routes.iter().filter(|route| **route == alsa).count(), 1);
    }
}
