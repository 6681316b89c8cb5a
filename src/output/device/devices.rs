//! The available output devices.

use cpal::traits::{DeviceTrait, HostTrait};

use super::route::{AudioError, Route, jack_outputs, label, quiet_alsa, routes};
use crate::files::config::{AudioConfig, AudioHost};

/// An output device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The audio system, such as `JACK` or `ALSA`.
    pub host: &'static str,
    /// The device's name and identifier; the configuration may name the device by any part of this text.
    pub name: String,
    /// The sample rate and number of channels, such as `48000 Hz, 2 channels`, or why they cannot be determined.
    pub format: Result<String, String>,
}

/// Returns the output devices of all audio systems. A system that has no devices or does not respond has one entry,
/// with an empty name and the reason in `format`.
#[must_use]
pub fn devices() -> Vec<DeviceInfo> {
    jack::set_logger(jack::LoggerType::None);
    quiet_alsa();
    jack_devices().into_iter().chain(cpal::ALL_HOSTS.iter().flat_map(|id| host_devices(*id))).collect()
}

/// Returns the name of the output to which a configuration would play.
///
/// # Errors
/// If none of its routes works; the null output counts only if it is configured.
pub fn find_output(config: &AudioConfig) -> Result<String, AudioError> {
    if config.host == AudioHost::Null {
        return Ok("null output".to_owned());
    }
    let mut failures = Vec::new();
    for route in routes(config.host, config.device.as_deref()).iter().filter(|route| **route != Route::Null) {
        match route.find() {
            Ok(name) => return Ok(name),
            Err(error) => failures.push(error.to_string()),
        }
    }
    Err(AudioError::NoRoute(failures))
}

fn jack_devices() -> Vec<DeviceInfo> {
    let device = |name: String, format| DeviceInfo { host: "JACK", name, format };
    match jack_outputs() {
        Ok((outputs, _)) if outputs.is_empty() => {
            vec![device(String::new(), Err("no client has input ports".to_owned()))]
        }
        Ok((outputs, rate)) => outputs
            .into_iter()
            .map(|(name, channels)| device(name, Ok(format!("{rate} Hz, {channels} channels"))))
            .collect(),
        Err(error) => vec![device(String::new(), Err(error.to_string()))],
    }
}

fn host_devices(id: cpal::HostId) -> Vec<DeviceInfo> {
    let devices = cpal::host_from_id(id).and_then(|host| host.output_devices().map(Iterator::collect::<Vec<_>>));
    let none = |reason: String| vec![DeviceInfo { host: id.name(), name: String::new(), format: Err(reason) }];
    match devices {
        Ok(devices) if devices.is_empty() => none("no device found, or no server is running".to_owned()),
        Ok(devices) => devices.iter().map(|device| describe(id.name(), device)).collect(),
        Err(error) => none(error.to_string()),
    }
}

fn describe(host: &'static str, device: &cpal::Device) -> DeviceInfo {
    let format = match device.default_output_config() {
        Ok(config) => Ok(format!("{} Hz, {} channels", config.sample_rate(), config.channels())),
        Err(error) => Err(error.to_string()),
    };
    DeviceInfo { host, name: label(device), format }
}
