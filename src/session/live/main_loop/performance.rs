//! The conductor and everything it drives: engine, generator, instruments, subscribers and the control log.

use std::sync::Arc;

use super::checkpoints::Checkpoints;
use super::engine_feed::EngineFeed;
use super::midi_sequencer::MidiSequencer;
use super::upcoming_notes::UpcomingNotes;
use crate::conductor::{Conductor, SceneError, Score};
use crate::event::log::Entry;
use crate::event::parameter::{Lane, Param, Value};
use crate::event::{ControlEvent, Executed, TimedCommand};
use crate::files::config::MidiOutConfig;
use crate::generator::{Networks, Worker, WorkerEvent, WorkerStatus};
use crate::midi::Message;
use crate::session::live::log_file::LogFile;
use crate::session::live::publisher::Publisher;
use crate::session::notes::Notes;
use crate::units::{SAMPLE_RATE, frames_to_seconds};

/// Frames planned before the audio starts: a quarter of a second. The playhead starts moving as soon as the
/// output opens; this margin keeps everything on time even if the performance thread starts slowly.
const HEAD_START: u64 = SAMPLE_RATE as u64 / 4;

/// The conductor and the recipients of its output.
pub(in crate::session::live) struct Performance {
    conductor: Conductor,
    score: Score,
    engine: EngineFeed,
    worker: Worker,
    sequencer: MidiSequencer,
    /// The notes of the takes.
    notes: Notes,
    /// Parameters that changed at a bar line and whose side effects in the daemon have not run yet.
    released: Vec<(u64, Param, Value)>,
    log: LogFile,
    checkpoints: Checkpoints,
    publisher: Arc<Publisher>,
}

impl Performance {
    /// Creates a performance and sends the first plan and commands.
    pub(in crate::session::live) fn new(
        conductor: Conductor,
        engine: EngineFeed,
        worker: Worker,
        midi_out: MidiOutConfig,
        log: LogFile,
        checkpoints: Checkpoints,
        publisher: Arc<Publisher>,
    ) -> Self {
        let sequencer = MidiSequencer::new(midi_out);
        let (score, notes, released) = (Score::default(), Notes::default(), Vec::new());
        let mut performance =
            Self { conductor, score, engine, worker, sequencer, notes, released, log, checkpoints, publisher };
        performance.conductor.advance(HEAD_START, &mut performance.score);
        performance.send_score(EngineFeed::send);
        performance.score.notices.clear();
        performance
    }

    pub(in crate::session::live) const fn conductor(&self) -> &Conductor {
        &self.conductor
    }

    /// Returns the generator's status.
    pub(in crate::session::live) fn worker_status(&self) -> &WorkerStatus {
        self.worker.status()
    }

    pub(super) const fn log(&mut self) -> &mut LogFile {
        &mut self.log
    }

    /// Returns the notes and the log, which are written beside takes.
    pub(super) const fn notes_and_log(&mut self) -> (&mut Notes, &mut LogFile) {
        (&mut self.notes, &mut self.log)
    }

    /// Applies an event at the horizon and logs it. Its immediate commands take effect in the engine's next quantum.
    ///
    /// # Errors
    /// When the event is invalid; nothing is changed.
    pub(super) fn apply(&mut self, event: &ControlEvent) -> Result<(), SceneError> {
        let applied = self.conductor.apply(event);
        if applied.is_ok() {
            self.log.write(self.conductor.frame(), Entry::Event(event.clone()));
            if let ControlEvent::Set(param, value) = event
                && param.spec().lane() != Lane::Fast
            {
                tracing::debug!(frame = self.conductor.frame(), parameter = param.spec().id, ?value, "set");
            }
        }
        self.conductor.take_immediate(&mut self.score);
        self.distribute(EngineFeed::send_immediate);
        applied
    }

    /// Advances the conductor and distributes its output.
    pub(super) fn advance(&mut self, end: u64) {
        self.conductor.advance(end, &mut self.score);
        self.distribute(EngineFeed::send);
    }

    /// If a checkpoint is due, advances to its frame, at or just before the horizon, and starts the checkpoint. `block`
    /// is the length of audio blocks in frames.
    pub(super) fn take_checkpoint(&mut self, horizon: u64, block: u64) {
        if self.log.needs_checkpoint() {
            self.checkpoints.hasten();
        }
        let due = self.checkpoints.due(self.conductor.frame(), horizon, block);
        let Some(frame) = due.filter(|_| self.log.is_open()) else { return };
        self.advance(frame);
        let unused = || self.log.unused_checkpoint();
        if let Some(buffer) = self.checkpoints.start(&self.conductor, self.engine.sync(), unused) {
            self.worker.save(frame, buffer);
            self.log.write(frame, Entry::Checkpoint);
        }
    }

    /// Distributes the conductor's output.
    fn distribute(&mut self, send: impl Fn(&mut EngineFeed, TimedCommand)) {
        self.send_score(send);
        for (_, notice) in self.score.notices.drain(..) {
            self.publisher.publish(notice);
        }
    }

    /// Distributes the conductor's output, except for the notices to subscribers.
    fn send_score(&mut self, send: impl Fn(&mut EngineFeed, TimedCommand)) {
        self.notes.add_score(&self.score);
        self.sequencer.add(&self.score.commands, &self.score.pulses);
        self.score.pulses.clear();
        for command in self.score.commands.drain(..) {
            send(&mut self.engine, command);
        }
        for update in self.score.plans.drain(..) {
            self.worker.plan(update.plan, update.splice);
        }
        self.released.append(&mut self.score.released);
    }

    /// Logs when the engine executed immediate and late commands.
    fn log_executed(&mut self) {
        let mut executed = self.engine.executed().peekable();
        while let Some(Executed { number, due, at }) = executed.next() {
            let mut commands = number..number + 1;
            while let Some(next) = executed.next_if_eq(&Executed { number: commands.end, due, at }) {
                commands.end = next.number + 1;
            }
            self.log.write(self.conductor.frame(), Entry::Executed { commands, due, at });
        }
    }

    /// Logs when the engine executed immediate and late commands, resynchronizes the engine after it has missed commands,
    /// and stores a checkpoint once it is complete.
    pub(super) fn follow_engine(&mut self) {
        self.log_executed();
        if let Some(lost) = self.engine.resynchronize(&self.conductor) {
            self.log.write(self.conductor.frame(), Entry::Reconciled { lost });
        }
        if let Some(checkpoint) = self.checkpoints.take_complete() {
            self.log.store(checkpoint);
        }
    }

    /// Removes and returns the parameters that changed at a bar line since the last call.
    pub(super) fn take_released(&mut self) -> Vec<(u64, Param, Value)> {
        std::mem::take(&mut self.released)
    }

    /// Removes and returns the MIDI messages for instruments up to the horizon, each with its frame, in order.
    pub(super) fn take_messages(&mut self) -> impl Iterator<Item = (u64, Message)> {
        self.sequencer.drain_until(self.conductor.frame())
    }

    /// Silences instruments that may have missed messages.
    pub(super) fn silence_instruments(&mut self) {
        self.sequencer.silence_after_loss(self.conductor.frame());
    }

    /// Applies a new MIDI output configuration.
    pub(super) fn configure_midi_out(&mut self, config: MidiOutConfig) {
        self.sequencer.configure(self.conductor.frame(), config);
    }

    /// Switches to new networks.
    pub(super) fn swap(&self, networks: Networks) {
        self.worker.swap(networks);
    }

    /// Processes the events of the generator's worker: passes chroma to the conductor and notes to the instruments and
    /// `upcoming_notes`, and logs late splices and gaps.
    pub(super) fn process_worker_events(&mut self, upcoming_notes: &mut UpcomingNotes) {
        for event in self.worker.events() {
            let entry = match event {
                WorkerEvent::Generated(latent) => {
                    self.conductor.record_chroma(latent.from, &latent.chroma);
                    self.notes.add_latent(&latent);
                    self.sequencer.add_latent(&latent);
                    upcoming_notes.add(&latent);
                    continue;
                }
                WorkerEvent::Spliced { planned, outcome }
                    if outcome.is_some_and(|splice| splice.audible_from == planned) =>
                {
                    continue;
                }
                WorkerEvent::Spliced { planned, outcome } => {
                    match outcome {
                        Some(outcome) if outcome.is_late(planned) => {
                            let late = 1000.0 * frames_to_seconds(outcome.audible_from - planned);
                            tracing::warn!("a change of mood or harmony took effect {late:.0} ms late");
                        }
                        Some(_) => {}
                        None => tracing::warn!("a change of mood or harmony was superseded before it took effect"),
                    }
                    Entry::Splice { planned, outcome }
                }
                WorkerEvent::Saved { frame, splices, state } => {
                    self.checkpoints.add_generator(frame, state, splices);
                    continue;
                }
                WorkerEvent::Swapped { at } => {
                    self.checkpoints.stop();
                    tracing::info!(
                        frame = at,
                        "now playing another model; a render of the control log uses a single model and will differ from here on"
                    );
                    continue;
                }
                WorkerEvent::Resumed { splices, missing, at } => Entry::Resume { splices, missing, at },
                WorkerEvent::Failed { reason } => {
                    tracing::error!("the generator failed: {reason}");
                    continue;
                }
            };
            self.log.write(self.conductor.frame(), entry);
        }
    }
}
