//! What listeners are told, and what `melos status` answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::EngineStatus;
use crate::event::health::{Loss, Losses};
use crate::event::notice::{Health, Meters};
use crate::event::parameter::{Param, Value};
use crate::event::{Notice, Troubles};
use crate::generator::WorkerStatus;
use crate::music::emotion::Mood;
use crate::output::device::OutputStatus;
use crate::output::record::RecorderStatus;
use crate::remote::osc::OscServer;
use crate::remote::oscquery::OscQuery;
use crate::remote::status::{Figures, RecordingFigures, ShowFigures, Status};
use crate::units::{frames_to_seconds, gain_to_db};

/// Fans out notices, and keeps the newest figures.
#[derive(Debug)]
pub(super) struct Board {
    osc: Arc<OscServer>,
    oscquery: OscQuery,
    figures: Arc<Figures>,
    losses: Arc<Losses>,
    troubles: Troubles,
}

impl Board {
    pub(super) fn new(
        osc: Arc<OscServer>,
        oscquery: OscQuery,
        figures: Arc<Figures>,
        troubles: Troubles,
        losses: Arc<Losses>,
    ) -> Self {
        Self { osc, oscquery, figures, troubles, losses }
    }

    /// Where OSC is listened to.
    pub(super) fn osc_address(&self) -> SocketAddr {
        self.osc.address()
    }

    /// Where HTTP is listened to.
    pub(super) fn http_address(&self) -> SocketAddr {
        self.oscquery.address()
    }

    /// Counts messages that were read and could not be followed all the same.
    pub(super) fn refuse(&self, messages: u64) {
        self.losses.add(Loss::OscRefused, messages);
    }

    /// Says which texts a parameter takes at present.
    pub(super) fn offer(&self, param: Param, names: Vec<String>) {
        self.oscquery.offer(param, names);
    }

    /// Tells every listener.
    pub(super) fn tell(&self, notice: Notice) {
        self.oscquery.tell(&notice);
        self.osc.tell(notice);
    }

    /// Tells the values that changed, and returns them.
    pub(super) fn tell_values(&self, values: Vec<(Param, Value)>) -> Vec<(Param, Value)> {
        let mut told = self.figures.told();
        let changed: Vec<_> = values.iter().filter(|value| !told.values.contains(value)).cloned().collect();
        if changed.is_empty() {
            return changed;
        }
        for (param, value) in &changed {
            self.tell(Notice::Value(*param, value.clone()));
        }
        told.status.parameters =
            values.iter().map(|(param, value)| (param.spec().id.to_owned(), param.to_json(value))).collect();
        told.values = values;
        changed
    }

    /// Tells the mood as heard now, if it has changed.
    pub(super) fn tell_mood(&self, mood: Mood) {
        if self.figures.told().mood.replace(mood) != Some(mood) {
            self.tell(Notice::Mood(mood));
        }
    }

    /// Keeps for `melos status` where in its plans the performance is.
    pub(super) fn tell_show(&self, show: ShowFigures) {
        self.figures.told().status.show = show;
    }

    /// Tells level and health, and keeps them for `melos status`.
    pub(super) fn tell_levels(
        &self,
        engine: &EngineStatus,
        output: &OutputStatus,
        worker: &WorkerStatus,
        recorder: &RecorderStatus,
    ) {
        let (rms_db, peak_db) = (gain_to_db(engine.rms()), gain_to_db(engine.take_peak()));
        let state = if !output.connected() {
            "no-device"
        } else if engine.starved() {
            "starved"
        } else if engine.silent() {
            "silent"
        } else {
            "playing"
        };
        self.tell(Notice::Level { rms_db, peak_db });
        let [network, bass, pad, upper, harmony] = engine.take_layers().map(gain_to_db);
        self.tell(Notice::Meters(Meters {
            peaks_db: [network, bass, pad, upper, harmony, peak_db],
            limiter_db: gain_to_db(engine.take_limiter_gain()),
            limited: u32::try_from(engine.limited()).unwrap_or(u32::MAX),
        }));
        let counts = engine.losses().counts();
        self.tell(Notice::Health(Health { state: state.to_owned(), load: worker.load(), losses: counts }));
        let mut told = self.figures.told();
        if let Some(line) = told.losses.line(&counts, Instant::now()) {
            tracing::warn!("{line}");
        }
        told.status = Status {
            state: state.to_owned(),
            seconds: frames_to_seconds(engine.frame()),
            output: output.name(),
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
            recording: RecordingFigures::of(recorder),
            troubles: self.troubles.now().0,
            parameters: std::mem::take(&mut told.status.parameters),
            show: std::mem::take(&mut told.status.show),
        };
    }
}
