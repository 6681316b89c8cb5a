//! Reports to subscribers, HTTP clients, the state file and the watchdog.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lists::{self, Lists};
use crate::conductor::Conductor;
use crate::event::parameter::Param;
use crate::event::{ControlEvent, Notice, Source};
use crate::files::library::Library;
use crate::files::preset::Preset;
use crate::files::setlist::Setlist;
use crate::midi::mapping::LiveMappings;
use crate::remote::http::api_state::ApiState;
use crate::remote::log_limiter::{LogLimiter, suppressed_suffix};
use crate::session::live::publisher::Publisher;
use crate::session::live::state::{Found, Saved, StateFile};

/// Interval between periodic reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(33);

/// All recipients of reports.
pub(in crate::session::live) struct Reports {
    publisher: Arc<Publisher>,
    /// Lists for HTTP.
    api: Arc<ApiState>,
    lists: Lists,
    state: StateFile,
    /// Notifies the watchdog; its argument is the playhead.
    watchdog: Box<dyn FnMut(u64) + Send>,
    /// Limits the rate of warnings.
    limiter: LogLimiter,
    /// The source of the current event.
    source: Source,
    last_report: Instant,
}

impl Reports {
    pub(in crate::session::live) fn new(
        publisher: Arc<Publisher>,
        api: Arc<ApiState>,
        state: StateFile,
        watchdog: impl FnMut(u64) + Send + 'static,
    ) -> Self {
        let (lists, limiter, source) = (Lists::default(), LogLimiter::default(), Source::Other);
        let (watchdog, last_report) = (Box::new(watchdog), Instant::now());
        Self { publisher, api, lists, state, watchdog, limiter, source, last_report }
    }

    pub(super) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    pub(super) fn api(&self) -> &ApiState {
        &self.api
    }

    /// Sends a notice to every subscriber.
    pub(super) fn publish(&self, notice: Notice) {
        self.publisher.publish(notice);
    }

    /// Begins an event; until it ends, warnings are also reported to the OSC client that sent it.
    pub(super) fn begin_event(&mut self, source: Source) {
        self.source = source;
    }

    /// Ends the current event, which was `valid` or was refused. A client stops waiting once all of its events have ended.
    pub(super) fn end_event(&mut self, valid: bool) {
        let source = std::mem::replace(&mut self.source, Source::Other);
        if !valid && matches!(source, Source::Osc(_)) {
            self.publisher.count_refused(1);
        }
    }

    /// Reports why something cannot be done to the client that sent the current event. Unless it waits for this, also logs
    /// the reason, rate-limited by kind.
    pub(super) fn warn(&mut self, kind: &str, problem: &str) {
        if let Source::Request(_, refusals) = &self.source {
            return refusals.report(problem.to_owned());
        }
        if let Some(suppressed) = self.limiter.admit(kind, problem, Instant::now()) {
            tracing::warn!("{problem}{}", suppressed_suffix(suppressed));
            if let Source::Osc(client) = self.source {
                self.publisher.publish(Notice::Refused { client, reason: problem.to_owned() });
            }
        }
    }

    /// Notifies the watchdog, unless the playhead has stopped.
    pub(super) fn feed_watchdog(&mut self, head: u64) {
        (self.watchdog)(head);
    }

    /// Returns the time until the next periodic report.
    pub(super) fn time_until_due(&self) -> Duration {
        REPORT_INTERVAL.saturating_sub(self.last_report.elapsed())
    }

    /// Returns whether the periodic report is due; if it is, restarts the interval.
    pub(super) fn take_due(&mut self) -> bool {
        let due = self.last_report.elapsed() >= REPORT_INTERVAL;
        if due {
            self.last_report = Instant::now();
        }
        due
    }

    /// Publishes the lists of presets and setlists.
    pub(super) fn publish_libraries(&self, presets: &Library<Preset>, setlists: &Library<Setlist>) {
        self.api.set_presets(presets, setlists);
        self.publisher.set_choices(Param::Setlist, setlists.names().map(str::to_owned).collect());
        self.publisher.set_choices(Param::Preset, presets.names().map(str::to_owned).collect());
    }

    /// Makes the next report check the list of scenes, so that a client that is notified of a new or changed scene also
    /// finds the new list.
    pub(super) const fn recheck_scenes(&mut self) {
        self.lists.check_next();
    }

    /// Publishes changes to the lists and to the upcoming chords, whose times are relative to the playhead.
    pub(super) fn publish_lists(
        &mut self,
        conductor: &Conductor,
        mappings: &LiveMappings,
        learning: Option<Param>,
        head: u64,
    ) {
        if self.lists.poll_due() {
            lists::update(conductor, mappings, learning, &self.api, &self.publisher);
        }
        self.lists.publish_outlook(conductor, head, &self.publisher);
        self.lists.publish_revisions(&self.api, &self.publisher);
    }

    /// Saves the state, at a limited rate.
    pub(super) fn save(&mut self, state: impl FnOnce() -> Saved) {
        self.state.save(state);
    }

    /// Returns the next scene or learned control to take over from a state file that another program wrote.
    pub(super) fn next_found(&self) -> Option<Found> {
        self.state.next_found()
    }

    /// Saves the final state and waits until it is on disk, up to a time limit.
    pub(super) fn close(self, state: Saved) {
        self.state.close(state);
    }
}

/// Returns the kind under which warnings about an event are rate-limited.
pub(super) fn kind_of(event: &ControlEvent) -> &'static str {
    match event {
        ControlEvent::Set(param, _)
        | ControlEvent::NextBar(param, _)
        | ControlEvent::Modulate(param, _)
        | ControlEvent::SceneValue { param, .. } => param.spec().id,
        ControlEvent::RenameScene { .. } => Param::Scene.spec().id,
        ControlEvent::Morph(_) => Param::SceneMorph.spec().id,
        ControlEvent::PlayNote { .. } => "play-note",
        ControlEvent::LeadNotes(_) => Param::Chord.spec().id,
        ControlEvent::Tempo(_) | ControlEvent::Beat { .. } => "clock",
    }
}
