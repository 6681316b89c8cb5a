//! The live crank: the thread that owns the conductor and keeps it a little ahead of the play head.

mod agenda;
mod ensemble;
mod leader;
mod learn;
mod onsets;
mod program;
mod show;
mod streams;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::bail;
use ringbuf::traits::{Consumer, Observer, Producer};
use ringbuf::{HeapCons, HeapProd};

use super::board::Board;
use super::networks::Replacement;
use super::reload::Reloaded;
use super::state::{Saved, StateFile};
use super::takes::Takes;
use crate::conductor::{Conductor, Handover, Score};
use crate::engine::EngineStatus;
use crate::event::Part;
use crate::event::health::Loss;
use crate::event::parameter::{Lane, Param, TempoSource, Value};
use crate::event::{ControlEvent, Inbox, Incoming, Notice, Source};
use crate::event::{EngineEvent, Performed, TimedCommand};
use crate::files::config::{Config, ConfigChange, Cost, MidiHost};
use crate::files::library::Library;
use crate::files::preset::{Preset, Walk};
use crate::files::setlist::Setlist;
use crate::generator::{Worker, WorkerEvent};
use crate::midi::mapping::LiveMappings;
use crate::midi::{MidiEvent, MidiIn, MidiSystem};
use crate::output::device::Output;
use crate::output::record::Format;
use crate::quote::{listed, quoted, shown};
use crate::remote::http::desk::Desk;
use crate::remote::said::{Said, and_more};
use crate::session::log::Entry;
use crate::units::{frames_to_seconds, seconds_to_frames};

use agenda::Agenda;
pub(super) use ensemble::Ensemble;
pub(super) use leader::Outside;
use leader::is_of_clock;
use learn::Lesson;
use onsets::Onsets;
use program::Program;
use show::Shown;
use streams::Streams;
use timeline::Timeline;

/// Least time between two turns, and how much longer the thread sleeps when nothing arrives; well below a block.
const TICK: Duration = Duration::from_millis(1);
/// Frames by which the horizon leads the play head beyond one block: a tick, and a late wake-up.
const MARGIN: u64 = 256;
/// How often level and health are told.
const REPORT: Duration = Duration::from_millis(33);
/// Longest fade at the end; a device that is gone would never report silence.
const LAST_FADE: Duration = Duration::from_secs(4);

/// What the performance thread works with.
pub(super) struct Stage {
    pub(super) conductor: Conductor,
    /// What the engine has been told, and the ring that leads to it.
    pub(super) handover: Handover,
    pub(super) commands: HeapProd<TimedCommand>,
    pub(super) events: HeapCons<EngineEvent>,
    pub(super) engine: Arc<EngineStatus>,
    pub(super) output: Output,
    pub(super) worker: Worker,
    pub(super) inbox: Arc<Inbox>,
    pub(super) presets: Library<Preset>,
    pub(super) setlists: Library<Setlist>,
    /// The preset that the performance starts with, if it does: its journey begins at frame 0.
    pub(super) preset: Option<Preset>,
    /// MIDI devices; the handle keeps them connected.
    pub(super) midi: Option<(MidiIn, Receiver<MidiEvent>)>,
    /// Sessions and transports that may lead the tempo.
    pub(super) outside: Vec<Outside>,
    /// What instruments that join are told.
    pub(super) ensemble: Ensemble,
    pub(super) mappings: LiveMappings,
    /// Files that were read again.
    pub(super) news: Receiver<Reloaded>,
    /// Networks that were loaded again.
    pub(super) networks: Receiver<Replacement>,
    /// Recordings, and the control log.
    pub(super) takes: Takes,
    /// What was asked for last.
    pub(super) config: Config,
    /// Folder for state and recordings.
    pub(super) folder: PathBuf,
    pub(super) board: Arc<Board>,
    /// Lists for HTTP.
    pub(super) desk: Arc<Desk>,
    pub(super) state: StateFile,
    pub(super) stop: Arc<AtomicBool>,
    /// Told every frame the play head moved, for the watchdog.
    pub(super) alive: Box<dyn FnMut(u64) + Send>,
}

impl Stage {
    /// Plays until told to stop, then fades out.
    ///
    /// # Errors
    /// When the sound cannot go on.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let walk = self.preset.take().map(|preset| Walk::new(&preset, 0));
        let mut turn = Turn {
            score: Score::default(),
            agenda: Agenda::default(),
            timeline: Timeline::default(),
            onsets: Onsets::default(),
            released: Vec::new(),
            said: Said::default(),
            streams: Streams::default(),
            walk,
            lesson: None,
            program: Program::at(&self.conductor.value(Param::SetlistGo)),
            shown: Shown::default(),
            reported: Instant::now(),
        };
        if let Value::Text(name) = self.conductor.value(Param::Preset)
            && let Some(preset) = self.presets.get(&name)
        {
            let modulations = preset.modulations.clone();
            self.modulate(&mut turn, &modulations);
        }
        self.want_feedback();
        self.tell_values();
        self.show_presets();
        let mut begun = Instant::now();
        while !self.stop.load(Relaxed) {
            // What arrives alone is taken at once; a flood gathers in the inbox, where the newest value of a parameter wins,
            // and costs a turn every tick and no more.
            std::thread::sleep(TICK.saturating_sub(begun.elapsed()));
            self.inbox.wait(TICK);
            begun = Instant::now();
            self.turn(&mut turn);
            if self.output.status().failed() {
                bail!("the audio driver crashed with the engine");
            }
        }
        let last = self.saved();
        self.apply(&mut turn, &ControlEvent::Set(Param::PlayFade, Value::Number(0.0)));
        self.apply(&mut turn, &ControlEvent::Set(Param::Play, Value::Toggle(false)));
        let end = Instant::now() + LAST_FADE;
        while !self.engine.silent() && Instant::now() < end {
            std::thread::sleep(TICK);
            self.turn(&mut turn);
        }
        self.takes.close(self.engine.frame());
        self.state.close(last);
        Ok(())
    }

    /// Everything that is due: what arrived, what was scheduled, what time brings.
    fn turn(&mut self, turn: &mut Turn) {
        let head = self.engine.frame();
        let block = u64::from(self.output.status().block_frames());
        let lead = block + MARGIN;
        let horizon = head + lead;
        // What has been worked out last is what leaves now.
        turn.timeline.observe(Instant::now(), head.saturating_sub(block));
        if let Ok(reloaded) = self.news.try_recv() {
            self.reload(turn, reloaded);
        }
        if let Ok(Replacement { networks, fingerprint }) = self.networks.try_recv() {
            tracing::info!(fingerprint, "another model is ready");
            self.worker.swap(networks);
        }
        self.take_midi(turn);
        self.take_outside(&turn.timeline);
        let refused = turn.agenda.take_in(&self.inbox, horizon, |due| turn.timeline.frame(due) + block + lead);
        self.engine.losses().add(Loss::Scheduled, refused);
        loop {
            let due = turn.agenda.next_frame();
            let step = turn.walk.as_ref().and_then(Walk::next_frame);
            let planned = turn.program.next_frame();
            let Some(frame) = due.into_iter().chain(step).chain(planned).min().filter(|frame| *frame <= horizon) else {
                break;
            };
            self.advance(turn, frame);
            if step == Some(frame) {
                for (param, value) in
                    turn.walk.as_mut().and_then(Iterator::next).map_or_else(Vec::new, |(_, step)| step)
                {
                    self.apply(turn, &ControlEvent::Set(param, value));
                }
            }
            self.run_program(turn);
            while let Some(incoming) = turn.agenda.take(frame) {
                self.take(turn, incoming);
            }
        }
        self.advance(turn, horizon);
        self.reconcile();
        for (_, param, value) in std::mem::take(&mut turn.released) {
            self.act(turn, param, &value);
        }
        self.send_midi(&turn.timeline);
        self.hear(turn);
        for strength in turn.onsets.until(head) {
            self.board.tell(Notice::Onset { strength });
        }
        (self.alive)(head);
        if turn.reported.elapsed() >= REPORT {
            turn.reported = Instant::now();
            self.board.tell_levels(&self.engine, self.output.status(), self.worker.status(), self.takes.status());
            self.board.tell_mood(self.conductor.mood());
            self.tell_values();
            self.tell_controls();
            self.follow_output();
            self.look_at_clock(turn);
            self.takes.keep_logs(head);
            self.hear_recorder(turn);
            self.show(turn);
            self.show_program(turn);
            self.state.save(|| Saved::of(&self.conductor, self.mappings.learned()));
        }
    }

    /// Turns what MIDI devices did into events.
    fn take_midi(&mut self, turn: &mut Turn) {
        let now = Instant::now();
        self.learn(&mut turn.lesson, now);
        let Some((midi, events)) = &self.midi else { return };
        midi.gather();
        let mut out = Vec::new();
        for event in events.try_iter() {
            if let Some(Lesson { learning, .. }) = &mut turn.lesson {
                learning.hear(&event, now);
            }
            self.mappings.midi(event, |at| turn.timeline.frame(at), &mut out);
        }
        let clock_leads = self.tempo_source() == TempoSource::Clock;
        for event in out.into_iter().filter(|event| clock_leads || !is_of_clock(event)) {
            self.inbox.push(Incoming { event, due: None, source: Source::Midi });
        }
    }

    /// Sends what instruments that join are to play.
    fn send_midi(&mut self, timeline: &Timeline) {
        let out = self.midi.as_ref().map(|(midi, _)| midi.out());
        for (frame, message) in self.ensemble.drain() {
            if let Some(out) = out {
                out.send(timeline.moment(frame), message);
            }
        }
    }

    /// Tells listeners and controllers the values that changed.
    fn tell_values(&mut self) {
        for (param, value) in self.board.tell_values(self.conductor.values()) {
            self.mappings.value(param, &value);
        }
    }

    /// Tells motors and lights of controllers where they are to stand.
    fn tell_controls(&mut self) {
        let Some((midi, _)) = &self.midi else { return };
        let mut out = Vec::new();
        self.mappings.feedback(&mut out);
        for (device, message) in out {
            midi.feedback().send(device, message);
        }
    }

    /// Where nobody said what carries MIDI, it goes where the sound goes.
    fn follow_output(&self) {
        let status = self.output.status();
        if let Some((midi, _)) = self.midi.as_ref().filter(|_| self.config.midi.host == MidiHost::Auto)
            && status.connected()
        {
            let system = MidiSystem::beside(&status.name());
            if system != midi.system() {
                tracing::info!(?system, "MIDI goes where the sound goes");
                midi.switch(system);
            }
        }
    }

    /// Says which devices the mappings want to tell anything.
    fn want_feedback(&self) {
        if let Some((midi, _)) = &self.midi {
            midi.feedback().want(self.mappings.told_devices());
        }
    }

    /// What survives a restart.
    fn saved(&self) -> Saved {
        Saved::of(&self.conductor, self.mappings.learned())
    }

    /// An event from outside.
    fn take(&mut self, turn: &mut Turn, incoming: Incoming) {
        let Incoming { event, source, .. } = incoming;
        if self.misses_preset(turn, &event) || self.misses_setlist(turn, &event) {
            return self.refuse(source);
        }
        if turn.streams.repeats(&event, Instant::now()) {
            return;
        }
        let leader = self.tempo_source();
        if leader.is_outside() && matches!(event, ControlEvent::Set(Param::Tempo, _)) {
            let complaint =
                format!("{} leads the tempo; `melos set tempo/source pinned` lets you set it", leader.name());
            turn.complain("tempo", &complaint);
        }
        let applied = self.apply(turn, &event);
        self.tell_leader(leader);
        if !applied {
            self.refuse(source);
        } else if let ControlEvent::Set(param, value) = &event {
            self.act(turn, *param, value);
        }
    }

    /// Counts what cannot be followed.
    fn refuse(&self, source: Source) {
        if matches!(source, Source::Osc(_)) {
            self.board.refuse(1);
        }
    }

    /// Complains about a preset that there is not.
    fn misses_preset(&self, turn: &mut Turn, event: &ControlEvent) -> bool {
        let (ControlEvent::Set(Param::Preset, Value::Text(name))
        | ControlEvent::NextBar(Param::Preset, Value::Text(name))) = event
        else {
            return false;
        };
        let missing = self.presets.get(name).is_none();
        if missing {
            let there = listed(self.presets.names());
            turn.complain("preset", &format!("there is no preset {}; there are {there}", quoted(name)));
        }
        missing
    }

    /// Does the daemon's own part when a parameter has taken a value.
    fn act(&mut self, turn: &mut Turn, param: Param, value: &Value) {
        if param.policy().ends_journey {
            turn.walk = None;
        }
        let playing = match self.conductor.value(Param::Preset) {
            Value::Text(name) => name,
            _ => String::new(),
        };
        match (param, value) {
            (Param::Preset, Value::Text(name)) => self.load(turn, &name.clone()),
            (Param::Record, Value::Toggle(on)) => self.record(turn, *on),
            (Param::Timer, Value::Number(seconds)) => self.wind_timer(turn, *seconds),
            (Param::Setlist, _) => self.open_setlist(turn),
            (Param::SetlistNext, _) => self.step_setlist(turn, 1),
            (Param::SetlistPrevious, _) => self.step_setlist(turn, -1),
            (Param::SetlistGo, place) => self.go_in_setlist(turn, place),
            (Param::PresetNext, _) | (Param::PresetPrevious, _) => {
                let steps = if param == Param::PresetNext { 1 } else { -1 };
                if let Some(name) = self.presets.beside(&playing, steps).map(str::to_owned) {
                    self.apply(turn, &ControlEvent::Set(Param::Preset, Value::Text(name.clone())));
                    self.load(turn, &name);
                }
            }
            _ => {}
        }
    }

    /// Loads a preset, gliding as it says.
    fn load(&mut self, turn: &mut Turn, name: &str) {
        let Some(preset) = self.presets.get(name).cloned() else {
            // One that went while it waited for its bar.
            tracing::warn!(preset = name, "there is no such preset any more");
            return;
        };
        tracing::info!(preset = name, "{}", shown(&preset.name));
        let leader = self.tempo_source();
        let settings = if leader.is_outside() { preset.settings_led() } else { preset.settings() };
        if let Some((_, Value::Number(seconds))) = settings.iter().find(|(param, _)| *param == Param::Glide) {
            self.apply(turn, &ControlEvent::Morph(*seconds));
        }
        for (param, value) in settings {
            self.apply(turn, &ControlEvent::Set(param, value));
        }
        self.modulate(turn, &preset.modulations);
        turn.walk = Some(Walk::new(&preset, self.conductor.frame()));
        self.tell_leader(leader);
    }

    /// Begins a recording, or ends it.
    fn record(&mut self, turn: &mut Turn, on: bool) {
        if !on {
            return self.takes.end();
        }
        let format = match self.conductor.value(Param::RecordFormat) {
            Value::Choice(1) => Format::Flac,
            _ => Format::Wav,
        };
        let pre_roll = match self.conductor.value(Param::RecordPreRoll) {
            Value::Number(seconds) => seconds_to_frames(f64::from(seconds)),
            _ => 0,
        };
        if !self.takes.begin(self.conductor.mood().dominant().name(), format, pre_roll) {
            self.apply(turn, &ControlEvent::Set(Param::Record, Value::Toggle(false)));
        }
    }

    /// A recording that failed is none any more, for everyone who is told.
    fn hear_recorder(&mut self, turn: &mut Turn) {
        if let Some(reason) = self.takes.failure() {
            self.apply(turn, &ControlEvent::Set(Param::Record, Value::Toggle(false)));
            self.board.tell(Notice::Trouble { part: Part::Recording, reason });
        }
    }

    /// Takes files that were read again; the preset that plays takes effect at once if it changed.
    fn reload(&mut self, turn: &mut Turn, reloaded: Reloaded) {
        self.presets = reloaded.presets;
        self.setlists = reloaded.setlists;
        self.show_presets();
        if let Some(mappings) = reloaded.mappings {
            let mut out = Vec::new();
            self.mappings.set_mappings(mappings, &mut out);
            self.want_feedback();
            for event in out {
                self.apply(turn, &event);
            }
        }
        if let Value::Text(playing) = self.conductor.value(Param::Preset)
            && reloaded.changed.contains(&playing)
        {
            self.load(turn, &playing);
        }
        if let Some(config) = reloaded.config {
            self.configure(config);
        }
    }

    /// Brings a configuration into force, as far as that goes while playing.
    fn configure(&mut self, config: Config) {
        let changes = self.config.changes(&config);
        self.config = config;
        let mut later = Vec::new();
        for change in changes {
            if change.cost() == Cost::NextStart {
                later.push(change.key());
            }
            match change {
                ConfigChange::Audio(audio) => self.output.configure(audio),
                ConfigChange::MidiOut(out) => self.ensemble.configure(self.conductor.frame(), out),
                ConfigChange::Recordings(recordings) => {
                    self.desk.set_recordings(super::place(&self.folder, &recordings).folder);
                    self.takes.configure(&self.folder, &recordings);
                }
                ConfigChange::Preset
                | ConfigChange::Model
                | ConfigChange::Osc
                | ConfigChange::Http
                | ConfigChange::MidiHost
                | ConfigChange::Link
                | ConfigChange::ControlLog
                // Looked at every second.
                | ConfigChange::Schedule => {}
            }
        }
        if !later.is_empty() {
            tracing::info!(keys = later.join(", "), "in force from the next start");
        }
    }

    /// Applies an event at the horizon and logs it; tells whether it fits.
    fn apply(&mut self, turn: &mut Turn, event: &ControlEvent) -> bool {
        let applied = self.conductor.apply(event);
        match &applied {
            Ok(()) => {
                self.takes.log(self.conductor.frame(), Entry::Event(event.clone()));
                if let ControlEvent::Set(param, value) = event
                    && param.spec().lane() != Lane::Fast
                {
                    tracing::debug!(frame = self.conductor.frame(), parameter = param.spec().id, ?value, "set");
                }
            }
            Err(error) => turn.complain(kind_of(event), &format!("{error}; nothing was changed")),
        }
        self.advance(turn, self.conductor.frame());
        applied.is_ok()
    }

    /// Moves the conductor on and passes on what it decides.
    fn advance(&mut self, turn: &mut Turn, until: u64) {
        self.conductor.advance(until, &mut turn.score);
        self.ensemble.take(&turn.score.commands, &turn.score.pulses);
        turn.score.pulses.clear();
        for command in turn.score.commands.drain(..) {
            self.handover.pass(command, |command| self.commands.try_push(command).is_ok());
        }
        for update in turn.score.plans.drain(..) {
            self.worker.plan(update.plan, update.splice);
        }
        turn.released.append(&mut turn.score.released);
        for (_, notice) in turn.score.notices.drain(..) {
            self.board.tell(notice);
        }
    }

    /// Brings the engine back to what the conductor holds, once it takes commands again after it did not.
    fn reconcile(&mut self) {
        if !self.handover.is_behind() {
            return;
        }
        let room = self.commands.vacant_len();
        let push = |command| self.commands.try_push(command).is_ok();
        if let Some(lost) = self.handover.reconcile(&self.conductor, room, push) {
            let commands = lost.end - lost.start;
            self.engine.losses().add(Loss::CommandsLost, commands);
            tracing::warn!(commands, "the engine did not keep up with its commands; it has been told everything again");
            self.takes.log(self.conductor.frame(), Entry::Reconciled { lost });
        }
    }

    /// What the engine and the generator report.
    fn hear(&mut self, turn: &mut Turn) {
        while let Some(event) = self.events.try_pop() {
            match event {
                EngineEvent::Starved { .. } => tracing::warn!("the generator is late; its last texture is sustained"),
                EngineEvent::Recovered { bridged, .. } => {
                    tracing::info!("the generator is back after {:.1} s", frames_to_seconds(bridged));
                }
                EngineEvent::EpochRejected { epoch, frame } => tracing::debug!(epoch, frame, "a splice came too late"),
                EngineEvent::NotFinite { frame } => {
                    tracing::error!(frame, "the network's sound held a value that is not a number; it was muted");
                }
                EngineEvent::Panicked { .. } => tracing::info!("panic: every sound cut"),
            }
        }
        for event in self.worker.events() {
            let entry = match event {
                WorkerEvent::Heard(heard) => {
                    self.conductor.listen(heard.from, &heard.chroma);
                    turn.onsets.expect(heard.from, &heard.onsets);
                    continue;
                }
                WorkerEvent::Spliced { planned, performed } if performed.is_some_and(|it| it.heard == planned) => {
                    continue;
                }
                WorkerEvent::Spliced { planned, performed } => {
                    match performed {
                        Some(Performed { heard, .. }) => {
                            let late = 1000.0 * frames_to_seconds(heard.saturating_sub(planned));
                            tracing::warn!("a change of mood was heard {late:.0} ms late");
                        }
                        None => tracing::warn!("a change of mood was overtaken by the next one before it was heard"),
                    }
                    Entry::Splice { planned, performed }
                }
                WorkerEvent::Swapped { at } => {
                    tracing::info!(
                        frame = at,
                        "another model plays; the control log renders with one, so otherwise from here on"
                    );
                    continue;
                }
                WorkerEvent::Resumed { splices, missing, at } => Entry::Resume { splices, missing, at },
                WorkerEvent::Failed { reason } => {
                    tracing::error!("the generator failed: {reason}");
                    continue;
                }
            };
            self.takes.log(self.conductor.frame(), entry);
        }
    }
}

/// What changes from turn to turn.
struct Turn {
    score: Score,
    agenda: Agenda,
    timeline: Timeline,
    onsets: Onsets,
    /// What took its value at a bar line, for the daemon to do its part.
    released: Vec<(u64, Param, Value)>,
    /// What was complained about.
    said: Said,
    streams: Streams,
    /// The journey of the preset that plays.
    walk: Option<Walk>,
    /// The control that is being learnt.
    lesson: Option<Lesson>,
    program: Program,
    /// What the lists told last.
    shown: Shown,
    reported: Instant,
}

impl Turn {
    /// Says what cannot be done, now and then of a kind.
    fn complain(&mut self, kind: &str, complaint: &str) {
        if let Some(unsaid) = self.said.say(kind, complaint, Instant::now()) {
            tracing::warn!("{complaint}{}", and_more(unsaid));
        }
    }
}

/// What complaints about an event are counted together by.
fn kind_of(event: &ControlEvent) -> &'static str {
    match event {
        ControlEvent::Set(param, _) | ControlEvent::NextBar(param, _) | ControlEvent::SceneValue { param, .. } => {
            param.spec().id
        }
        _ => "clock",
    }
}
