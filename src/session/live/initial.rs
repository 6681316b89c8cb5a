//! The initial state of a performance, and the log lines at startup.

use super::Settings;
use super::state::Saved;
use crate::conductor::Conductor;
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, Inbox, Incoming, Source};
use crate::files::config::{Config, ConfigError};
use crate::files::library::Library;
use crate::files::preset::{Preset, begin_with};
use crate::output::device::OutputStatus;
use crate::units::frames_to_seconds;

/// The initial state of a performance.
pub(super) struct InitialState {
    /// Parameter values, in the order in which they apply.
    pub(super) values: Settings,
    /// The preset whose journey starts.
    pub(super) preset: Option<Preset>,
}

impl InitialState {
    /// Chooses the requested preset, otherwise the saved state, otherwise the configured preset; the requested settings
    /// override it. Recording is an action rather than a state, so it is requested through the `inbox`.
    ///
    /// # Errors
    /// When there is no such preset.
    pub(super) fn choose(
        presets: &Library<Preset>,
        saved: &Saved,
        preset: Option<&str>,
        settings: Settings,
        config: &Config,
        inbox: &Inbox,
    ) -> Result<Self, ConfigError> {
        let (actions, settings): (Vec<_>, Vec<_>) =
            settings.into_iter().partition(|(param, _)| *param == Param::Record);
        let (mut values, preset) = start_values(presets, saved, preset, config)?;
        let preset = preset.filter(|_| !settings.iter().any(|(param, _)| param.policy().ends_journey));
        values.extend(settings);
        for (param, value) in actions {
            inbox.push(Incoming { event: ControlEvent::Set(param, value), due: None, source: Source::Other });
        }
        Ok(Self { values, preset })
    }
}

fn start_values(
    presets: &Library<Preset>,
    saved: &Saved,
    preset: Option<&str>,
    config: &Config,
) -> Result<(Settings, Option<Preset>), ConfigError> {
    let name = match preset {
        None if !saved.values.is_empty() => return Ok((saved.values.clone(), None)),
        None => &config.preset,
        Some(name) => name,
    };
    begin_with(presets, name).map(|(values, preset)| (values, Some(preset)))
}

/// Logs what plays, where, and what to try next; the addresses were logged when they were opened.
pub(super) fn log_start(conductor: &Conductor, presets: &Library<Preset>, output: &OutputStatus) {
    let preset = conductor.value(Param::Preset);
    let name = match &preset {
        Value::Text(id) => presets.get(id).map_or("a custom mood", |preset| &preset.name),
        _ => "a custom mood",
    };
    let block = match output.block_frames() {
        // Nothing has been requested yet.
        0 => String::new(),
        frames => format!(", {:.1} ms blocks", 1000.0 * frames_to_seconds(u64::from(frames))),
    };
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!("Melos {version} is playing {name} on {}{block}", output.name());
    tracing::info!("try `melos set emotion sad`, `melos preset storm`, `melos status`; Ctrl-C fades out");
}
