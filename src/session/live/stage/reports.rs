//! What listeners, HTTP and the saved state are told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lists::{self, Lists};
use crate::conductor::Conductor;
use crate::event::parameter::Param;
use crate::event::{Notice, Source};
use crate::files::library::Library;
use crate::files::preset::Preset;
use crate::midi::mapping::{Learned, LiveMappings};
use crate::remote::http::desk::Desk;
use crate::remote::log_limiter::{LogLimiter, and_more};
use crate::session::live::board::Board;
use crate::session::live::state::{Saved, StateFile};

/// How often level and health are told.
const REPORT: Duration = Duration::from_millis(33);

/// Everyone who is told how it goes.
pub(in crate::session::live) struct Reports {
    board: Arc<Board>,
    /// Lists for HTTP.
    desk: Arc<Desk>,
    lists: Lists,
    state: StateFile,
    /// Told every frame the play head moved, for the watchdog.
    alive: Box<dyn FnMut(u64) + Send>,
    /// What was complained about.
    said: LogLimiter,
    reported: Instant,
}

impl Reports {
    pub(in crate::session::live) fn new(
        board: Arc<Board>,
        desk: Arc<Desk>,
        state: StateFile,
        alive: impl FnMut(u64) + Send + 'static,
    ) -> Self {
        let (lists, said) = (Lists::default(), LogLimiter::default());
        Self { board, desk, lists, state, alive: Box::new(alive), said, reported: Instant::now() }
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Tells every listener.
    pub(super) fn tell(&self, notice: Notice) {
        self.board.tell(notice);
    }

    /// Says what cannot be done, now and then of a kind.
    pub(super) fn complain(&mut self, kind: &str, complaint: &str) {
        if let Some(unsaid) = self.said.say(kind, complaint, Instant::now()) {
            tracing::warn!("{complaint}{}", and_more(unsaid));
        }
    }

    /// Counts what cannot be followed.
    pub(super) fn refuse(&self, source: Source) {
        if matches!(source, Source::Osc(_)) {
            self.board.refuse(1);
        }
    }

    /// Feeds the watchdog.
    pub(super) fn alive(&mut self, head: u64) {
        (self.alive)(head);
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
    pub(super) fn show_presets(&self, presets: &Library<Preset>) {
        self.desk.set_presets(presets);
        self.board.offer(Param::Preset, presets.names().map(str::to_owned).collect());
    }

    /// Tells what has changed in the lists, and in the chords to come as seen from a play head.
    pub(super) fn tell_lists(
        &mut self,
        conductor: &Conductor,
        mappings: &LiveMappings,
        learning: Option<Param>,
        head: u64,
    ) {
        if self.lists.are_due() {
            lists::show(conductor, mappings, learning, &self.desk, &self.board);
        }
        self.lists.tell_outlook(conductor, head, &self.board);
        self.lists.tell_revisions(&self.desk, &self.board);
    }

    /// Has what survives a restart written, now and then.
    pub(super) fn save<'a>(&mut self, conductor: &Conductor, learned: impl Iterator<Item = &'a Learned>) {
        self.state.save(|| Saved::of(conductor, learned));
    }

    /// Has the last state written, and waits for it.
    pub(super) fn close(self, last: Saved) {
        self.state.close(last);
    }
}
