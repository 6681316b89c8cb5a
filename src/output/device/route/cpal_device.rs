//! Output through an audio system that cpal supports: ALSA, PipeWire or PulseAudio.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, HostId, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize,
    SupportedStreamConfigRange,
};

use super::{AudioError, Fault, OpenStream, Stream};
use crate::event::health::Loss;
use crate::output::device::cookie;
use crate::output::device::engine_slot::EngineSlot;
use crate::output::device::feed::Feed;
use crate::output::device::status::OutputStatus;
use crate::units::SAMPLE_RATE;

/// Frames per callback if the configuration does not set the block size.
const DEFAULT_BLOCK: u32 = 512;

impl Stream for cpal::Stream {}

/// Prevents the ALSA library from printing to the terminal on this thread; errors are returned anyway.
pub(in crate::output::device) fn quiet_alsa() {
    // Each call discards the messages that ALSA has buffered, so call this before every attempt to open a device.
    let _ = alsa::Output::local_error_handler();
}

/// Opens the default device, or the first whose [`label`] contains `device`, and starts playing the engine in `slot`. If
/// the stream cannot be started with the requested block size, tries the system's.
pub(super) fn start(
    host: HostId,
    device: Option<&str>,
    block_frames: Option<u32>,
    slot: &Arc<EngineSlot>,
    status: &Arc<OutputStatus>,
    faults: &SyncSender<Fault>,
) -> Result<OpenStream, AudioError> {
    let device = find(host, device)?;
    let [first, second] = device.buffer_sizes(block_frames);
    let start = |size| device.start(size, Arc::clone(slot), status, faults.clone());
    start(first).or_else(|_| start(second))
}

/// Returns the name of the device that [`start`] would open.
pub(super) fn find_name(host: HostId, requested: Option<&str>) -> Result<String, AudioError> {
    find(host, requested).map(|found| format!("{}: {}", host.name(), label(&found.device)))
}

fn find(host: HostId, requested: Option<&str>) -> Result<OpenableDevice, AudioError> {
    quiet_alsa();
    if host == HostId::PulseAudio {
        cookie::create_if_missing();
    }
    let name = host.name();
    let host_error = |source| AudioError::Host { host: name, source };
    let no_device = || host_error(cpal::Error::with_message(ErrorKind::DeviceNotAvailable, "no output device"));
    let cpal_host = cpal::host_from_id(host).map_err(host_error)?;
    let device = match requested {
        None => cpal_host.default_output_device().ok_or_else(no_device)?,
        Some(requested) => {
            let devices: Vec<Device> = cpal_host.output_devices().map_err(host_error)?.collect();
            let matches = |device: &&Device| label(device).to_lowercase().contains(&requested.to_lowercase());
            let no_match = || AudioError::NoDevice {
                host: name,
                requested: requested.to_owned(),
                available: usable_names(&devices),
            };
            devices.iter().find(matches).ok_or_else(no_match)?.clone()
        }
    };
    OpenableDevice::new(device, host)
}

/// Returns the names of the devices that can be opened and are audible, unlike most of ALSA's plug-ins.
fn usable_names(devices: &[Device]) -> String {
    let is_usable = |device: &&Device| device.default_output_config().is_ok() && !label(device).ends_with("(null)");
    let names: Vec<String> = devices.iter().filter(is_usable).map(label).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Returns a device's name and, if informative, its identifier.
pub(in crate::output::device) fn label(device: &Device) -> String {
    let id = device.id().map(|id| id.id().to_owned()).unwrap_or_default();
    let name = device.to_string();
    if id.is_empty() || name == id { name } else { format!("{name} ({id})") }
}

/// A device that can be opened.
struct OpenableDevice {
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
        let best = configs.filter(|config| is_supported(config.sample_format())).min_by_key(cost);
        let best = best.ok_or_else(|| error(unsupported))?;
        let sample_rate = SAMPLE_RATE.clamp(best.min_sample_rate(), best.max_sample_rate());
        let config = StreamConfig { channels: best.channels(), sample_rate, buffer_size: BufferSize::Default };
        Ok(Self { host, config, format: best.sample_format(), range: *best.buffer_size(), device })
    }

    /// Returns the block sizes to try: the requested one, clamped to the device's range, then the system's default.
    fn buffer_sizes(&self, requested: Option<u32>) -> [BufferSize; 2] {
        let frames = requested.unwrap_or(DEFAULT_BLOCK);
        let fixed = match self.range {
            SupportedBufferSize::Range { min, max } => frames.clamp(min, max.max(min)),
            SupportedBufferSize::Unknown => frames,
        };
        [BufferSize::Fixed(fixed), BufferSize::Default]
    }

    /// Starts playing the engine in `slot`.
    fn start(
        &self,
        buffer_size: BufferSize,
        slot: Arc<EngineSlot>,
        status: &Arc<OutputStatus>,
        faults: SyncSender<Fault>,
    ) -> Result<OpenStream, AudioError> {
        let error = |source| AudioError::Device { device: label(&self.device), source };
        let config = StreamConfig { buffer_size, ..self.config };
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
        Ok(OpenStream { stream: Box::new(stream), name, lost: Arc::default() })
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

/// Returns the stream's error callback, which counts xruns and reports everything else as a [`Fault`]. While the queue
/// is full, errors are dropped, because some drivers send thousands.
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
            _ => Fault::Suspected(text),
        };
        let _ = faults.try_send(fault);
    }
}

/// Returns whether [`OpenableDevice::start`] supports a sample format.
fn is_supported(format: SampleFormat) -> bool {
    matches!(format, SampleFormat::F32 | SampleFormat::I32 | SampleFormat::I24 | SampleFormat::I16)
}

/// Returns how far a configuration is from stereo, 48 kHz and 32-bit floats, in descending order of importance.
fn cost(config: &SupportedStreamConfigRange) -> (u32, u32, u32) {
    let channels = match config.channels() {
        2 => 0,
        0 | 1 => 1000,
        surround => u32::from(surround),
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
    fn prefers_stereo_then_48_khz_then_floats() {
        let by_preference = [
            config(2, (8000, 192_000), SampleFormat::F32),
            config(2, (48_000, 48_000), SampleFormat::I16),
            config(2, (44_100, 44_100), SampleFormat::F32),
            config(6, (48_000, 48_000), SampleFormat::F32),
            config(1, (48_000, 48_000), SampleFormat::F32),
        ];
        for pair in by_preference.windows(2) {
            assert!(cost(&pair[0]) < cost(&pair[1]), "{pair:?}");
        }
    }
}
