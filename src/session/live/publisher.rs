//! Publishes notices to subscribers, and keeps the status up to date.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::EngineStatus;
use crate::event::health::{Loss, Losses};
use crate::event::notice::{Health, Meters};
use crate::event::parameter::{Param, Value};
use crate::event::{Notice, Part, Troubles};
use crate::generator::WorkerStatus;
use crate::music::emotion::Mood;
use crate::output::device::OutputStatus;
use crate::output::record::RecorderStatus;
use crate::remote::osc::OscServer;
use crate::remote::oscquery::OscQuery;
use crate::remote::status::{Metrics, RecordingMetrics, ShowMetrics, Status};
use crate::units::{frames_to_seconds, gain_to_db};

/// Publishes notices and keeps the latest status.
#[derive(Debug)]
pub(super) struct Publisher {
    osc: Arc<OscServer>,
    oscquery: OscQuery,
    metrics: Arc<Metrics>,
    losses: Arc<Losses>,
    troubles: Troubles,
}

impl Publisher {
    pub(super) fn new(
        osc: Arc<OscServer>,
        oscquery: OscQuery,
        metrics: Arc<Metrics>,
        troubles: Troubles,
        losses: Arc<Losses>,
    ) -> Self {
        Self { osc, oscquery, metrics, troubles, losses }
    }

    /// Returns the OSC address.
    pub(super) fn osc_address(&self) -> SocketAddr {
        self.osc.address()
    }

    /// Returns the HTTP address.
    pub(super) fn http_address(&self) -> SocketAddr {
        self.oscquery.address()
    }

    /// Returns whether OSC could be received at the start.
    pub(super) fn is_osc_listening(&self) -> bool {
        self.osc.is_listening()
    }

    /// Returns whether the page could be served at the start.
    pub(super) fn is_http_listening(&self) -> bool {
        self.oscquery.is_listening()
    }

    /// Counts OSC messages that were well formed but refused.
    pub(super) fn count_refused(&self, messages: u64) {
        self.losses.add(Loss::OscRefused, messages);
    }

    /// Sets the choices that a parameter currently offers.
    pub(super) fn set_choices(&self, param: Param, choices: Vec<String>) {
        self.oscquery.set_choices(param, choices);
    }

    /// Sends a notice to every subscriber.
    pub(super) fn publish(&self, notice: Notice) {
        self.oscquery.publish(&notice);
        self.osc.publish(notice);
    }

    /// Publishes the values that have changed, and returns them.
    pub(super) fn publish_changed_values(&self, values: Vec<(Param, Value)>) -> Vec<(Param, Value)> {
        let mut last = self.metrics.last_sent();
        let changed: Vec<_> = values.iter().filter(|value| !last.values.contains(value)).cloned().collect();
        if changed.is_empty() {
            return changed;
        }
        for (param, value) in &changed {
            self.publish(Notice::Value(*param, value.clone()));
        }
        last.status.parameters =
            values.iter().map(|(param, value)| (param.spec().id.to_owned(), param.to_json(value))).collect();
        last.values = values;
        changed
    }

    /// Reports why a part has failed, or that it works.
    pub(super) fn update_trouble(&self, part: Part, reason: Option<&str>) {
        self.troubles.update(part, reason);
    }

    /// Forgets the failure of a part that is no longer used.
    pub(super) fn forget_trouble(&self, part: Part) {
        self.troubles.forget(part);
    }

    /// Announces a failure, even if the same one has been announced before.
    pub(super) fn announce_trouble(&self, part: Part, reason: String) {
        self.metrics.last_sent().status.troubles.insert(part, reason.clone());
        self.publish(Notice::Trouble { part, reason });
    }

    /// Publishes the current mood if it has changed.
    pub(super) fn publish_mood(&self, mood: Mood) {
        if self.metrics.last_sent().mood.replace(mood) != Some(mood) {
            self.publish(Notice::Mood(mood));
        }
    }

    /// Updates the setlist, the timer and the opening hours in the status.
    pub(super) fn set_show(&self, show: ShowMetrics) {
        self.metrics.last_sent().status.show = show;
    }

    /// Publishes levels, health and changed troubles, updates the status, and logs new losses.
    pub(super) fn publish_levels(
        &self,
        engine: &EngineStatus,
        output: &OutputStatus,
        worker: &WorkerStatus,
        recorder: &RecorderStatus,
    ) {
        let (rms_db, peak_db) = (gain_to_db(engine.rms()), gain_to_db(engine.take_peak()));
        let state = if !output.is_connected() {
            "no-device"
        } else if engine.is_starved() {
            "starved"
        } else if engine.is_silent() {
            "silent"
        } else {
            "playing"
        };
        self.publish(Notice::Level { rms_db, peak_db });
        let [network, bass, pad, upper, harmony] = engine.take_layers().map(gain_to_db);
        self.publish(Notice::Meters(Meters {
            peaks_db: [network, bass, pad, upper, harmony, peak_db],
            limiter_db: gain_to_db(engine.take_limiter_gain()),
            limited: u32::try_from(engine.limited()).unwrap_or(u32::MAX),
        }));
        let counts = engine.losses().counts();
        self.publish(Notice::Health(Health { state: state.to_owned(), load: worker.load(), losses: counts }));
        let troubles = self.troubles.now().0;
        let mut last = self.metrics.last_sent();
        trouble_notices(&last.status.troubles, &troubles).for_each(|notice| self.publish(notice));
        if let Some(line) = last.losses.line(&counts, Instant::now()) {
            tracing::warn!("{line}");
        }
        last.status = Status {
            state: state.to_owned(),
            seconds: frames_to_seconds(engine.frame()),
            output: output.name(),
            block_ms: 1000.0 * frames_to_seconds(output.block_frames().into()),
            load: worker.load(),
            rms_db,
            starved_seconds: frames_to_seconds(engine.starved_frames()),
            osc_received: self.osc.counters().received(),
            losses: Loss::ALL
                .into_iter()
                .zip(counts)
                .map(|(loss, count)| (loss.id().to_owned(), count.into()))
                .collect(),
            limited: engine.limited(),
            recording: RecordingMetrics::of(recorder),
            troubles,
            parameters: std::mem::take(&mut last.status.parameters),
            show: std::mem::take(&mut last.status.show),
        };
    }
}

/// Returns notices for the troubles that began, changed or ended; a trouble that ended has an empty reason.
fn trouble_notices(before: &BTreeMap<Part, String>, now: &BTreeMap<Part, String>) -> impl Iterator<Item = Notice> {
    let began = now.iter().filter(|&(part, reason)| before.get(part) != Some(reason));
    let began = began.map(|(part, reason)| Notice::Trouble { part: *part, reason: reason.clone() });
    let ended = before.keys().filter(|&part| !now.contains_key(part));
    began.chain(ended.map(|part| Notice::Trouble { part: *part, reason: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_announced_when_they_begin_change_and_end() {
        let troubles = |of: &[(Part, &str)]| of.iter().map(|(part, reason)| (*part, (*reason).to_owned())).collect();
        let (before, now) = (
            troubles(&[(Part::State, "full"), (Part::Log, "slow"), (Part::Lock, "held")]),
            troubles(&[(Part::State, "full"), (Part::Log, "full"), (Part::Tempo, "no clock")]),
        );
        let notice = |part, reason: &str| Notice::Trouble { part, reason: reason.to_owned() };
        let notices: Vec<_> = trouble_notices(&before, &now).collect();
        assert_eq!(notices, [notice(Part::Log, "full"), notice(Part::Tempo, "no clock"), notice(Part::Lock, "")]);
    }
}
