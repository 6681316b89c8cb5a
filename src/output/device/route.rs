//! Output routes and how to open them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, HostId, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
};
use thiserror::Error;

use super::cookie;
use super::engine_slot::EngineSlot;
use super::feed::Feed;
use super::status::OutputStatus;
use crate::event::health::Loss;
use crate::files::config::AudioHost;
use crate::units::SAMPLE_RATE;

/// Frames per callback if neither the configuration nor the system specifies them.
const BLOCK: u32 = 512;

/// Why there is no audio output.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The audio system does not respond.
    #[error("{host}: {source}")]
    Host {
        /// Its name.
        host: &'static str,
        /// The cause.
        source: cpal::Error,
    },
    /// There is no such device.
    #[error("{host}: no output device name contains {wanted:?}; available: {found}")]
    NoDevice {
        /// The audio system.
        host: &'static str,
        /// The requested name.
        wanted: String,
        /// The available names.
        found: String,
    },
    /// The device exists but cannot be opened.
    #[error("{device}: {source}")]
    Device {
        /// Its name.
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
    #[error("cannot start the audio thread: {0}")]
    Thread(std::io::Error),
}

/// An output route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A JACK server.
    Jack,
    /// An audio system, and optionally a device.
    Device { host: HostId, device: Option<String> },
    /// The null output.
    Null,
}

/// The routes to try for a configuration, best first.
pub(super) fn routes(host: AudioHost, device: Option<&str>) -> Vec<Route> {
    let via = |host| Route::Device { host, device: device.map(str::to_owned) };
    let pipewire = || {
        #[cfg(feature = "pipewire")]
        let native = [via(HostId::PipeWire)];
        #[cfg(not(feature = "pipewire"))]
        let native: [Route; 0] = [];
        // Without native support, PipeWire is reached through PulseAudio or ALSA.
        let alsa = Route::Device { host: HostId::Alsa, device: Some(device.unwrap_or("pipewire").to_owned()) };
        native.into_iter().chain([via(HostId::PulseAudio), alsa])
    };
    match host {
        AudioHost::Jack => vec![Route::Jack],
        AudioHost::Alsa => vec![via(HostId::Alsa)],
        AudioHost::Pulse => vec![via(HostId::PulseAudio)],
        AudioHost::Pipewire => pipewire().collect(),
        AudioHost::Null => vec![Route::Null],
        AudioHost::Auto => {
            [Route::Jack].into_iter().chain(pipewire()).chain([via(HostId::Alsa), Route::Null]).collect()
        }
    }
}

/// A fault of a running stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The stream is lost.
    Lost(String),
    /// The stream may be lost, unless it keeps playing.
    Doubtful(String),
    /// Worth logging; the stream keeps playing.
    Notice(String),
}

/// Keeps a stream open; dropping it ends the stream.
pub(super) trait Stream {
    /// Regular maintenance while playing.
    fn tend(&mut self) {}
}

impl Stream for cpal::Stream {}

/// A playing stream.
pub(super) struct Running {
    pub(super) stream: Box<dyn Stream>,
    pub(super) name: String,
    /// Set when a loss cannot be reported in any other way.
    pub(super) lost: Arc<AtomicBool>,
}

/// Keeps the ALSA library on this thread from printing to the terminal; its errors are returned instead.
pub(super) fn quiet_alsa() {
    // ALSA's messages are buffered until the next call, so call this before every attempt.
    let _ = alsa::Output::local_error_handler();
}

/// Finds the device and its formats before the engine is needed.
pub(super) fn find(host: HostId, wanted: Option<&str>) -> Result<OpenableDevice, AudioError> {
    quiet_alsa();
    if host == HostId::PulseAudio {
        cookie::make_missing();
    }
    let name = host.name();
    let host_error = |source| AudioError::Host { host: name, source };
    let none = || host_error(cpal::Error::with_message(ErrorKind::DeviceNotAvailable, "no output device"));
    let cpal_host = cpal::host_from_id(host).map_err(host_error)?;
    let device = match wanted {
        None => cpal_host.default_output_device().ok_or_else(none)?,
        Some(wanted) => {
            let devices: Vec<Device> = cpal_host.output_devices().map_err(host_error)?.collect();
            let matches = |device: &&Device| label(device).to_lowercase().contains(&wanted.to_lowercase());
            let missing = || AudioError::NoDevice { host: name, wanted: wanted.to_owned(), found: audible(&devices) };
            devices.iter().find(matches).ok_or_else(missing)?.clone()
        }
    };
    OpenableDevice::new(device, host)
}

/// The names of the devices that can be opened and heard, which most of ALSA's plug-ins cannot.
fn audible(devices: &[Device]) -> String {
    let works = |device: &&Device| device.default_output_config().is_ok() && !label(device).ends_with("(null)");
    let names: Vec<String> = devices.iter().filter(works).map(label).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A device's name and, if informative, its identifier.
pub(super) fn label(device: &Device) -> String {
    let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
    let name = device.to_string();
    if id.is_empty() || name == id { name } else { format!("{name} ({id})") }
}

/// A device that can be opened.
pub(super) struct OpenableDevice {
    device: Device,
    host: HostId,
    config: StreamConfig,
    format: SampleFormat,
    range: SupportedBufferSize,
}

impl OpenableDevice {
    fn new(device: Device, host: HostId) -> Result<Self, AudioError> {
        let error = |source| AudioError::Device { device: label(&device), source };
        let configs = device.supported_output_configs().map_err(error)?;
        let unsupported = cpal::Error::with_message(ErrorKind::UnsupportedConfig, "no usable sample format");
        let best = configs.filter(|config| suits(config.sample_format())).min_by_key(cost);
        let best = best.ok_or_else(|| error(unsupported))?;
        let sample_rate = SAMPLE_RATE.clamp(best.min_sample_rate(), best.max_sample_rate());
        let config = StreamConfig { channels: best.channels(), sample_rate, buffer_size: BufferSize::Default };
        Ok(Self { host, config, format: best.sample_format(), range: *best.buffer_size(), device })
    }

    /// The block sizes to try.
    pub(super) fn blocks(&self, wanted: Option<u32>) -> [BufferSize; 2] {
        let frames = wanted.unwrap_or(BLOCK);
        let fixed = match self.range {
            SupportedBufferSize::Range { min, max } => frames.clamp(min, max.max(min)),
            SupportedBufferSize::Unknown => frames,
        };
        [BufferSize::Fixed(fixed), BufferSize::Default]
    }

    /// Starts playing the engine in `slot`.
    pub(super) fn start(
        &self,
        block: BufferSize,
        slot: Arc<EngineSlot>,
        status: &Arc<OutputStatus>,
        faults: SyncSender<Fault>,
    ) -> Result<Running, AudioError> {
        let error = |source| AudioError::Device { device: label(&self.device), source };
        let config = StreamConfig { buffer_size: block, ..self.config };
        let feed = Feed::new(slot, config.sample_rate, config.channels, Arc::clone(status));
        let report = reporter(Arc::clone(status), faults);
        let stream = match self.format {
            SampleFormat::F32 => build::<f32>(&self.device, config, feed, report),
            SampleFormat::I32 => build::<i32>(&self.device, config, feed, report),
            SampleFormat::I24 => build::<cpal::I24>(&self.device, config, feed, report),
            _ => build::<i16>(&self.device, config, feed, report),
        }
        .map_err(error)?;
        stream.play().map_err(error)?;
        let block = stream.buffer_size().map_or_else(|_| "unknown".to_owned(), |frames| frames.to_string());
        let (host, rate) = (self.host.name(), config.sample_rate);
        let name = format!("{host}: {}, {rate} Hz, {block} frames per block", label(&self.device));
        Ok(Running { stream: Box::new(stream), name, lost: Arc::default() })
    }
}

fn build<T: SizedSample + cpal::FromSample<f32>>(
    device: &Device,
    config: StreamConfig,
    mut feed: Feed,
    report: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<cpal::Stream, cpal::Error> {
    let fill = move |out: &mut [T], info: &cpal::OutputCallbackInfo| {
        let times = info.timestamp();
        let latency =
            times.playback.saturating_duration_since(times.callback).as_secs_f64() * f64::from(config.sample_rate);
        feed.announce(out.len() / usize::from(config.channels), latency as usize);
        feed.fill(out);
    };
    device.build_output_stream(config, fill, report, Some(Duration::from_secs(2)))
}

/// Classifies errors: counted only, worth logging, or a reason to restart. While the supervisor has not read the
/// previous ones, further errors are dropped (some drivers send thousands).
fn reporter(status: Arc<OutputStatus>, faults: SyncSender<Fault>) -> impl FnMut(cpal::Error) + Send + 'static {
    move |error| {
        let text = error.to_string();
        let fault = match error.kind() {
            ErrorKind::Xrun => {
                status.losses.add(Loss::Xruns, 1);
                return;
            }
            ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => Fault::Notice(text),
            ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => {
                Fault::Lost(text)
            }
            _ => Fault::Doubtful(text),
        };
        let _ = faults.try_send(fault);
    }
}

/// Whether [`OpenableDevice::start`] can play a format.
fn suits(format: SampleFormat) -> bool {
    matches!(format, SampleFormat::F32 | SampleFormat::I32 | SampleFormat::I24 | SampleFormat::I16)
}

/// How far a configuration is from stereo, 48 kHz and 32-bit floats, in this order of importance.
fn cost(config: &SupportedStreamConfigRange) -> (u32, u32, u32) {
    let channels = match config.channels() {
        2 => 0,
        0 | 1 => 1000,
        more => u32::from(more),
    };
    let rate = SAMPLE_RATE.clamp(config.min_sample_rate(), config.max_sample_rate()).abs_diff(SAMPLE_RATE);
    let format = match config.sample_format() {
        SampleFormat::F32 => 0,
        SampleFormat::I32 => 1,
        SampleFormat::I24 => 2,
        _ => 3,
    };
    (channels, rate, format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
        SupportedStreamConfigRange::new(channels, rates.0, rates.1, SupportedBufferSize::Unknown, format)
    }

    #[test]
    fn stereo_is_preferred_to_rate_and_rate_to_format() {
        let order = [
            config(2, (8000, 192_000), SampleFormat::F32),
            config(2, (48_000, 48_000), SampleFormat::I16),
            config(2, (44_100, 44_100), SampleFormat::F32),
            config(6, (48_000, 48_000), SampleFormat::F32),
            config(1, (48_000, 48_000), SampleFormat::F32),
        ];
        for pair in order.windows(2) {
            assert!(cost(&pair[0]) < cost(&pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn only_auto_falls_back_to_the_null_output() {
        assert_eq!(routes(AudioHost::Auto, None).last(), Some(&Route::Null));
        for host in [AudioHost::Jack, AudioHost::Alsa, AudioHost::Pipewire, AudioHost::Pulse] {
            assert!(!routes(host, Some("usb")).contains(&Route::Null));
        }
    }
}
