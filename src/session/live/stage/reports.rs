//! Reports to listeners, HTTP and the saved state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lists::{self, Lists};
use crate::conductor::Conductor;
use crate::event::parameter::Param;
use crate::event::{ControlEvent, Notice, Source};
use crate::files::library::Library;
use crate::files::preset::Preset;
use crate::files::setlist::Setlist;
use crate::midi::mapping::{Learned, LiveMappings};
use crate::remote::http::api_state::ApiState;
use crate::remote::log_limiter::{LogLimiter, and_more};
use crate::session::live::board::Board;
use crate::session::live::state::{Saved, StateFile};

/// Interval of level and health reports.
const REPORT: Duration = Duration::from_millis(33);

/// All recipients of reports.
pub(in crate::session::live) struct Reports {
    board: Arc<Board>,
    /// Lists for HTTP.
    api: Arc<ApiState>,
    lists: Lists,
    state: StateFile,
    /// Called whenever the play head has moved, for the watchdog.
    alive: Box<dyn FnMut(u64) + Send>,
    /// Limits log lines about refused events.
    said: LogLimiter,
    reported: Instant,
}

impl Reports {
    pub(in crate::session::live) fn new(
        board: Arc<Board>,
        api: Arc<ApiState>,
        state: StateFile,
        alive: impl FnMut(u64) + Send + 'static,
    ) -> Self {
        let (lists, said) = (Lists::default(), LogLimiter::default());
        Self { board, api, lists, state, alive: Box::new(alive), said, reported: Instant::now() }
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn api(&self) -> &ApiState {
        &self.api
    }

    /// Sends a notice to every listener.
    pub(super) fn tell(&self, notice: Notice) {
        self.board.tell(notice);
    }

    /// Logs why something cannot be done, rate-limited by kind.
    pub(super) fn complain(&mut self, kind: &str, complaint: &str) {
        if let Some(unsaid) = self.said.say(kind, complaint, Instant::now()) {
            tracing::warn!("{complaint}{}", and_more(unsaid));
        }
    }

    /// Counts refused messages.
    pub(super) fn refuse(&self, source: Source) {
        if matches!(source, Source::Osc(_)) {
            self.board.refuse(1);
        }
    }

    /// Feeds the watchdog.
    pub(super) fn alive(&mut self, head: u64) {
        (self.alive)(head);
    }

    /// How long until it is time to tell how it goes.
    pub(super) fn due_in(&self) -> Duration {
        REPORT.saturating_sub(self.reported.elapsed())
    }

    /// Whether it is time to tell how it goes; counts as told then.
    pub(super) fn are_due(&mut self) -> bool {
        let due = self.reported.elapsed() >= REPORT;
        if due {
            self.reported = Instant::now();
        }
        due
    }

    /// Lists the presets anew.
    pub(super) fn show_presets(&self, presets: &Library<Preset>, setlists: &Library<Setlist>) {
        self.api.set_presets(presets, setlists);
        self.board.offer(Param::Setlist, setlists.names().map(str::to_owned).collect());
        self.board.offer(Param::Preset, presets.names().map(str::to_owned).collect());
    }

    /// Sends changes of the lists, and of the upcoming chords as seen from the play head.
    pub(super) fn tell_lists(
        &mut self,
        conductor: &Conductor,
        mappings: &LiveMappings,
        learning: Option<Param>,
        head: u64,
    ) {
        if self.lists.are_due() {
            lists::show(conductor, mappings, learning, &self.api, &self.board);
        }
        self.lists.tell_outlook(conductor, head, &self.board);
        self.lists.tell_revisions(&self.api, &self.board);
    }

    /// Saves the state, rate-limited.
    pub(super) fn save<'a>(&mut self, conductor: &Conductor, learned: impl Iterator<Item = &'a Learned>) {
        self.state.save(|| Saved::of(conductor, learned));
    }

    /// Saves the final state and waits for it.
    pub(super) fn close(self, last: Saved) {
        self.state.close(last);
    }
}

/// The kind under which complaints about an event are grouped.
pub(super) fn kind_of(event: &ControlEvent) -> &'static str {
    match event {
        ControlEvent::Set(param, _) | ControlEvent::NextBar(param, _) | ControlEvent::SceneValue { param, .. } => {
            param.spec().id
        }
        _ => "clock",
    }
}
