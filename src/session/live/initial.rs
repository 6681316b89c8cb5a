//! The initial state of a performance, and the log lines at startup.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::Settings;
use super::publisher::Publisher;
use super::state::{Boot, ResumedTimer, Saved};
use crate::conductor::Conductor;
use crate::event::parameter::{self, Input, Lane, Param, Value};
use crate::event::{ControlEvent, Inbox, Incoming, Source};
use crate::files::config::{Config, ConfigError, HttpConfig};
use crate::files::library::Library;
use crate::files::preset::{JourneySteps, Preset, initial_preset};
use crate::output::device::OutputStatus;
use crate::quote::quoted;
use crate::units::frames_to_seconds;

/// The initial state of a performance.
pub(super) struct InitialState {
    /// Parameter values, in the order in which they apply.
    pub(super) values: Settings,
    /// The preset's journey, which starts or continues.
    pub(super) journey: Option<JourneySteps>,
    /// The value to which the timer is set as soon as the performance begins, if it continues or was requested.
    pub(super) timer: Option<Value>,
    /// When the timer ended, if the music stays off because of it.
    pub(super) timer_ended: Option<Timestamp>,
}

impl InitialState {
    /// Chooses the values of the requested preset, otherwise the saved ones, otherwise those of the configured preset; the
    /// requested settings override them. Actions such as recording are requested through the `inbox`; the timer is not,
    /// because the performance gets around to the inbox only after the first values have been reported and saved.
    ///
    /// # Errors
    /// When the requested preset does not exist; a missing configured or saved preset is only logged.
    pub(super) fn choose(
        presets: &Library<Preset>,
        saved: &Saved,
        preset: Option<&str>,
        settings: Settings,
        config: &Config,
        inbox: &Inbox,
    ) -> Result<Self, ConfigError> {
        let (mut actions, settings): (Vec<_>, Vec<_>) = settings.into_iter().partition(|(param, _)| is_action(*param));
        let (mut values, journey) = start_values(presets, saved, preset, config)?;
        let journey = journey.filter(|_| !settings.iter().any(|(param, _)| param.policy().ends_journey));
        let is_overridden = |param| actions.iter().chain(&settings).any(|(set, _)| *set == param);
        let paused = saved.paused && !is_overridden(Param::Play);
        let timer = saved.timer.filter(|_| !is_overridden(Param::Timer) && !is_overridden(Param::Play));
        let mut timer_ended = None;
        match timer.map(|timer| (timer.resume(Timestamp::now(), Boot::current()), timer.ends)) {
            Some((ResumedTimer::Running(seconds), _)) => {
                let value = Param::Timer.fit(Input::Number(seconds.into())).ok().flatten();
                actions.extend(value.map(|value| (Param::Timer, value)));
            }
            Some((ResumedTimer::Ended, ends)) => {
                timer_ended = Some(ends);
                values.push((Param::Play, Value::Toggle(false)));
                tracing::info!("the timer has ended, so the music stays off; `melos set play on` resumes it");
            }
            Some((ResumedTimer::Obsolete, _)) => {
                tracing::info!("the timer of the last performance ended in the meantime, and no longer applies");
            }
            None => {}
        }
        if paused {
            values.push((Param::Play, Value::Toggle(false)));
            tracing::info!("the music stays off, as when Melos stopped; `melos set play on` starts it");
        }
        values.extend(settings);
        let is_timer = |(param, _): &mut (Param, Value)| *param == Param::Timer;
        let timer = actions.extract_if(.., is_timer).map(|(_, value)| value).last();
        for (param, value) in actions {
            inbox.push(Incoming { event: ControlEvent::Set(param, value), due: None, source: Source::Other });
        }
        Ok(Self { values, journey, timer, timer_ended })
    }

    /// Returns the seed among the values, otherwise the default.
    pub(super) fn seed(&self) -> u64 {
        let set = self.values.iter().rev().find(|(param, _)| *param == Param::Seed);
        match set.map_or_else(|| Param::Seed.default_value(), |(_, value)| value.clone()) {
            Value::Number(seed) => seed as u64,
            other => unreachable!("the seed is a number, not {other:?}"),
        }
    }
}

/// Returns whether setting a parameter triggers an action in the daemon rather than changing a stored value.
fn is_action(param: Param) -> bool {
    use parameter::Saved::{Loaded, Nowhere};
    param.spec().lane() == Lane::Daemon && matches!(param.policy().saved, Loaded | Nowhere)
}

fn start_values(
    presets: &Library<Preset>,
    saved: &Saved,
    preset: Option<&str>,
    config: &Config,
) -> Result<(Settings, Option<JourneySteps>), ConfigError> {
    let name = match preset {
        None if !saved.values.is_empty() => {
            return Ok((resumed_values(presets, saved), resumed_journey(presets, saved)));
        }
        None => &config.preset,
        Some(name) => name,
    };
    let initial = match initial_preset(presets, name) {
        // A preset deleted since the configuration was written must not keep the music from playing.
        Err(error) if preset.is_none() => {
            tracing::warn!("{error}; starting without a preset");
            return Ok((Vec::new(), None));
        }
        initial => initial,
    };
    // A preset says nothing about the machine, so economy mode stays as it was.
    let mut values: Vec<_> = saved.values.iter().filter(|(param, _)| *param == Param::Economy).cloned().collect();
    initial.map(|(preset_values, preset)| {
        values.extend(preset_values);
        (values, Some(JourneySteps::new(&preset, 0)))
    })
}

/// Returns the saved values, without the name of the preset if it no longer exists, which is logged.
fn resumed_values(presets: &Library<Preset>, saved: &Saved) -> Settings {
    let mut values = saved.values.clone();
    values.retain(|(param, value)| {
        let Value::Text(name) = value else { return true };
        let exists = *param != Param::Preset || name.is_empty() || presets.get(name).is_some();
        if !exists {
            let name = quoted(name);
            tracing::warn!(
                "the saved preset {name} no longer exists; playing its saved settings, without a journey or modulations"
            );
        }
        exists
    });
    values
}

/// Returns the journey that was in progress when the state was saved.
fn resumed_journey(presets: &Library<Preset>, saved: &Saved) -> Option<JourneySteps> {
    let step = saved.journey?;
    let name = saved.values.iter().find_map(|(param, value)| match value {
        Value::Text(name) if *param == Param::Preset => Some(name),
        _ => None,
    })?;
    Some(JourneySteps::resume(presets.get(name)?, step, 0))
}

/// Logs what is playing, on which output, the addresses of the page and for OSC, and some commands to try. `closed` says
/// until when the music is off outside the opening hours.
pub(super) fn log_start(
    conductor: &Conductor,
    presets: &Library<Preset>,
    output: &OutputStatus,
    (page, publisher): (&str, &Publisher),
    closed: Option<String>,
) {
    let text = |param: Param| param.to_json(&conductor.value(param)).as_str().unwrap_or_default().to_owned();
    let music =
        format!("{}, {} {}, {:.0} bpm", text(Param::Emotion), text(Param::Key), text(Param::Mode), conductor.tempo());
    let preset = conductor.value(Param::Preset);
    let name = match &preset {
        Value::Text(id) => presets.get(id).map_or("a custom mood", |preset| &preset.name),
        _ => "a custom mood",
    };
    let block = match output.block_frames() {
        // The device has not requested a block yet.
        0 => String::new(),
        frames => format!("; latency {:.1} ms plus the interface's", 1000.0 * frames_to_seconds(u64::from(frames))),
    };
    let version = env!("CARGO_PKG_VERSION");
    let is_off = conductor.value(Param::Play) == Value::Toggle(false);
    match closed {
        None if is_off => tracing::info!("Melos {version} is paused; the output is {}{block}", output.name()),
        None => tracing::info!("Melos {version} is playing {name} ({music}) on {}{block}", output.name()),
        Some(closed) => tracing::info!("Melos {version} is {closed}; the output is {}{block}", output.name()),
    }
    let option = option_for(publisher.http_address());
    let is = |listening| if listening { "is" } else { "will be" };
    let [page_is, osc_is] = [publisher.is_http_listening(), publisher.is_osc_listening()].map(is);
    tracing::info!("the page {page_is} at {page}, and OSC {osc_is} received on {}", publisher.osc_address());
    if publisher.is_http_listening() {
        tracing::info!(
            "try `melos set emotion sad{option}`, `melos preset storm{option}`, `melos status{option}`; Ctrl-C fades out"
        );
    } else {
        // Until then, commands would reach whoever uses the port: perhaps another daemon.
        tracing::info!(
            "commands such as `melos status{option}` reach this daemon once the page is served; Ctrl-C fades out"
        );
    }
}

/// Returns the option with which commands reach the daemon at an HTTP address; empty for the default address.
fn option_for(http: SocketAddr) -> String {
    let default = HttpConfig::default();
    match (http.ip() == default.address || http.ip().is_unspecified(), http.port() == default.port) {
        (true, true) => String::new(),
        (true, false) => format!(" --http {}", http.port()),
        (false, _) => format!(" --http {http}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_preset_is_an_error_only_if_it_was_requested() {
        let (presets, _) = Library::open_optional(Vec::new(), Preset::read);
        let (saved, config) = (Saved::default(), Config::default());
        assert_eq!(start_values(&presets, &saved, None, &config).unwrap().0, []);
        assert!(start_values(&presets, &saved, Some("dawn"), &config).is_err());
    }

    #[test]
    fn the_seed_is_the_last_one_set_otherwise_the_default() {
        for (seeds, expected) in [(vec![], 1), (vec![5.0], 5), (vec![5.0, 16_777_215.0], 16_777_215)] {
            let values = seeds.into_iter().map(|seed| (Param::Seed, Value::Number(seed))).collect();
            assert_eq!(InitialState { values, journey: None, timer: None, timer_ended: None }.seed(), expected);
        }
    }

    #[test]
    fn a_requested_preset_keeps_economy_mode() {
        let (presets, _) = Library::open(vec!["presets".into()], Preset::read);
        let economy = (Param::Economy, Value::Toggle(true));
        let values = vec![(Param::Temperature, Value::Number(0.3)), economy.clone()];
        let saved = Saved { values, ..Saved::default() };
        let (start, _) = start_values(&presets, &saved, Some("storm"), &Config::default()).unwrap();
        assert!(start.contains(&economy) && !start.contains(&(Param::Temperature, Value::Number(0.3))));
    }

    #[test]
    fn a_saved_preset_that_no_longer_exists_is_not_named() {
        let (presets, _) = Library::open(vec!["presets".into()], Preset::read);
        let temperature = (Param::Temperature, Value::Number(0.3));
        for (name, exists) in [("storm", true), ("", true), ("gone", false)] {
            let preset = (Param::Preset, Value::Text(name.to_owned()));
            let saved = Saved { values: vec![temperature.clone(), preset.clone()], ..Saved::default() };
            let (start, _) = start_values(&presets, &saved, None, &Config::default()).unwrap();
            assert_eq!((start.contains(&temperature), start.contains(&preset)), (true, exists), "{name}");
        }
    }

    #[test]
    fn suggested_commands_reach_the_daemon() {
        for (http, option) in [
            ("127.0.0.1:9080", ""),
            ("0.0.0.0:9080", ""),
            ("127.0.0.1:9090", " --http 9090"),
            ("192.168.1.2:9080", " --http 192.168.1.2:9080"),
            ("[::1]:9080", " --http [::1]:9080"),
        ] {
            assert_eq!(option_for(http.parse().unwrap()), option, "{http}");
        }
    }
}
