//! What there is to play on.

use cpal::traits::{DeviceTrait, HostTrait};

use super::route::{label, quiet_alsa};

/// An output device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The system it belongs to, such as `JACK` or `ALSA`.
    pub host: &'static str,
    /// Its name; any part of it may be given as the configuration's device.
    pub name: String,
    /// Its rate and channels, such as `48000 Hz, 2 channels`, or why it cannot be opened.
    pub format: Result<String, String>,
}

/// Every output device of every system, in the order the systems are tried; those that do not answer have none.
#[must_use]
pub fn devices() -> Vec<DeviceInfo> {
    jack::set_logger(jack::LoggerType::None);
    quiet_alsa();
    let hosts = cpal::ALL_HOSTS.iter().filter_map(|id| cpal::host_from_id(*id).ok().map(|host| (id.name(), host)));
    let list = |(name, host): (&'static str, cpal::Host)| {
        let devices = host.output_devices().into_iter().flatten();
        devices.map(move |device| describe(name, &device)).collect::<Vec<_>>()
    };
    hosts.flat_map(list).collect()
}

fn describe(host: &'static str, device: &cpal::Device) -> DeviceInfo {
    let format = match device.default_output_config() {
        Ok(config) => Ok(format!("{} Hz, {} channels", config.sample_rate(), config.channels())),
        Err(error) => Err(error.to_string()),
    };
    DeviceInfo { host, name: label(device), format }
}
