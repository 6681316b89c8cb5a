//! The arrangement: the values in effect, the clock, the planned harmony, and the commands and plans derived from them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::active_targets::{ActiveTargets, Impact};
use super::chroma_history::ChromaHistory;
use super::command_queue::CommandQueue;
use super::counter::Counter;
use super::harmony::{BarRequest, PhraseRecall, PlayedBar};
use super::performance::Performance;
use super::planner::Planner;
use super::played_keys::PlayedKeys;
use super::score::{PlanUpdate, Score};
use super::seeds::Seeds;
use super::splices::{ECONOMY_SPLICE_INTERVAL, LEAD_INTERVAL, SPLICE_INTERVAL, Splices};
use super::tempo::{Alignment, Tempo};
use crate::event::parameter::{Lane, Param};
use crate::event::{EngineCommand, TimedCommand};
use crate::mel::LATENT_FRAMES;
use crate::music::clock::MusicClock;
use crate::music::form::MusicalForm;
use crate::music::glide::Length;
use crate::music::plan::{EarlierPhrase, Plan, PlannedRecall};
use crate::units::{SAMPLE_RATE, seconds_to_frames};

/// Minimum number of frames planned past the horizon on each beat. The longest beat takes 1.7 s (at 40 bpm, slowed by an
/// eighth to align with an external clock), so at least 2.7 s are always planned; 2.5 s in economy mode, in which less is
/// generated ahead while a splice is pending.
const PLAN_AHEAD: u64 = SAMPLE_RATE as u64 * 9 / 2;
/// Frames before the horizon that plans still cover: enough for the window around a regenerated latent, and for a bar of four
/// beats at the lowest tempo, whose chroma is compared with its chords.
const PLAN_BEHIND: u64 = SAMPLE_RATE as u64 * 7;
/// Frames by which the horizon must have passed the end of a latent before the harmony uses its chroma, which is final by
/// then.
const CHROMA_DELAY: u64 = 8192;
/// When the clock skips, notes and beats that should have begun more than this many beats before the new position are
/// omitted.
const STALE_BEATS: f64 = 0.25;

/// The kinds of steps, in the order in which they are performed within a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Requests the values held for a bar line.
    ReleaseHeld,
    /// Applies the changes waiting for a beat to the network.
    ApplyWaiting,
    /// Applies the changes waiting for a beat to the engine.
    ApplyToEngine,
    /// Begins a beat.
    Beat,
    /// Begins a chord, or begins or ends a note of the harmony.
    Harmony,
    /// Advances the morphing fast-lane numbers.
    Morph,
    /// Updates modulations.
    Modulate,
    /// Issues a command.
    Command,
    /// Issues a plan.
    Plan,
    /// Emits a pulse of the MIDI clock.
    Pulse,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// The frame; the horizon if `None`.
    pub(super) frame: Option<u64>,
    /// The beat from which the harmony changes. If `None`, it changes from the next beat or, for a lead chord, immediately.
    pub(super) beat: Option<f64>,
    /// How long values glide; see [`ActiveTargets::steer`].
    pub(super) morph: Option<Length>,
}

/// The music up to the horizon and the plans beyond it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Arrangement {
    /// The horizon: everything before it is decided.
    now: u64,
    targets: ActiveTargets,
    tempo: Tempo,
    counter: Counter,
    planner: Planner,
    chroma_history: ChromaHistory,
    splices: Splices,
    played: PlayedKeys,
    commands: CommandQueue,
    seeds: Seeds,
}

impl Arrangement {
    /// Starts a performance and plans ahead.
    pub(super) fn new(seed: u64, performance: &Performance) -> Self {
        let targets = ActiveTargets::new(performance);
        let tempo = Tempo::new(&targets);
        let mut start = Vec::new();
        targets.add_all_commands(0, &mut start);
        let mut commands = CommandQueue::default();
        commands.add(start);
        let mut arrangement = Self {
            now: 0,
            planner: Planner::new(seed, tempo.clock().beats_per_bar()),
            targets,
            tempo,
            counter: Counter::default(),
            chroma_history: ChromaHistory::default(),
            splices: Splices::default(),
            played: PlayedKeys::default(),
            commands,
            seeds: Seeds::new(seed),
        };
        arrangement.extend();
        arrangement
    }

    /// Returns the horizon.
    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    pub(super) const fn clock(&self) -> &MusicClock {
        self.tempo.clock()
    }

    pub(super) const fn targets(&self) -> &ActiveTargets {
        &self.targets
    }

    pub(super) const fn counter(&self) -> &Counter {
        &self.counter
    }

    pub(super) const fn planner(&self) -> &Planner {
        &self.planner
    }

    pub(super) const fn seeds(&self) -> Seeds {
        self.seeds
    }

    /// Returns the tempo that the targets set at the horizon, in beats per minute.
    pub(super) fn target_bpm(&self) -> f64 {
        self.targets.bpm(self.now, self.clock())
    }

    /// Moves the horizon to a frame.
    pub(super) const fn move_to(&mut self, frame: u64) {
        self.now = frame;
    }

    /// Stores the chroma of the latent that starts at frame `start`.
    pub(super) fn record_chroma(&mut self, start: u64, chroma: &[f32; 12]) {
        self.chroma_history.record(start, chroma);
    }

    /// Returns the next step of each kind that [`Arrangement::perform`] performs, with its frame.
    pub(super) fn steps(&self) -> [(Option<u64>, Step); 6] {
        let clock = self.clock();
        [
            (Some(self.counter.beat_due(clock)), Step::Beat),
            (self.planner.next_frame(clock), Step::Harmony),
            (self.targets.next_morph_step(), Step::Morph),
            (self.commands.due(), Step::Command),
            (self.splices.plan_due(self.now), Step::Plan),
            (Some(self.counter.pulse_due(clock)), Step::Pulse),
        ]
    }

    /// Performs a step at the horizon, unless the conductor itself performs steps of this kind.
    pub(super) fn perform(&mut self, step: Step, out: &mut Score) {
        match step {
            Step::Beat => self.beat(out),
            Step::Harmony => self.planner.play_next(self.now, self.clock().beat_at(self.now) - STALE_BEATS, out),
            Step::Morph => self.targets.step_morph(self.now, self.tempo.clock(), &mut out.commands),
            Step::Command => out.commands.extend(self.commands.pop()),
            Step::Plan => self.issue_plan(out),
            Step::Pulse => self.counter.count_pulse(self.now, self.tempo.clock(), out),
            Step::ReleaseHeld | Step::ApplyWaiting | Step::ApplyToEngine | Step::Modulate => {}
        }
    }

    /// Plays the harmony's events and issues the commands that are due at the horizon.
    pub(super) fn take_immediate(&mut self, out: &mut Score) {
        let now = self.now;
        let is_immediate = |(frame, step): &(Option<u64>, Step)| {
            matches!(step, Step::Harmony | Step::Command) && frame.is_some_and(|frame| frame <= now)
        };
        while let Some((_, step)) = self.steps().into_iter().find(is_immediate) {
            self.perform(step, out);
        }
    }

    /// Applies the requested values of some parameters.
    pub(super) fn steer(&mut self, params: impl Iterator<Item = Param>, requested: &Performance, timing: Timing) {
        let at = timing.frame.unwrap_or(self.now);
        let mut commands = Vec::new();
        let impact = self.targets.steer(params, requested, at, timing.morph, self.tempo.clock(), &mut commands);
        self.commands.add(commands);
        if impact.seed {
            self.seeds.set(requested.settings().number(Param::Seed) as u64);
            self.planner.reseed(self.seeds.current());
        }
        self.follow_up(impact, at, timing.beat);
    }

    /// Applies a parameter's requested value at the horizon.
    pub(super) fn steer_one(&mut self, param: Param, requested: &Performance, morph: Option<Length>) {
        let timing = Timing { morph, ..Timing::default() };
        // Setting the tempo also sets its source, and setting the source may set the tempo.
        if matches!(param, Param::Tempo | Param::TempoSource | Param::TempoFollow) {
            self.steer([Param::Tempo, Param::TempoSource].into_iter(), requested, timing);
        } else {
            self.steer([param].into_iter(), requested, timing);
        }
    }

    /// Moves a parameter away from its set value by `amount`, or back to it if `None`; see [`ActiveTargets::shift`].
    pub(super) fn shift(&mut self, param: Param, amount: Option<f32>, within: u64) {
        let mut commands = Vec::new();
        let network = self.targets.shift(param, amount, self.now, within, self.tempo.clock(), &mut commands);
        self.commands.add(commands);
        if network {
            self.splices.request(self.now, self.splice_interval());
        }
    }

    /// Plays a key of the network's piano, or releases it if the velocity is 0.
    pub(super) fn play_note(&mut self, note: u8, velocity: u8) {
        if self.played.play(note, velocity) {
            self.splices.request(self.now, LEAD_INTERVAL);
        }
    }

    /// Cuts all sound and continues with different random choices.
    pub(super) fn panic(&mut self, requested: &Performance) {
        self.steer_one(Param::Hold, requested, None);
        let mut commands = Vec::new();
        self.planner.silence(self.now, &mut commands);
        self.played.release_all();
        commands.push(TimedCommand { frame: self.now, command: EngineCommand::Panic });
        self.commands.add(commands);
        self.seeds.restart();
        self.planner.reseed(self.seeds.current());
        // Continue on the next beat, because the panic would cut notes that begin on this frame.
        let on_beat = self.counter.beat_due(self.clock()) <= self.now;
        self.replan((self.counter.beat() + u64::from(on_beat)) as f64);
        self.splices.request(self.now, self.splice_interval());
    }

    /// Aligns the clock with a beat of an external clock that fell on frame `at`.
    pub(super) fn align(&mut self, beat: f64, at: u64) {
        let alignment = self.tempo.align(&self.targets, beat, at, self.now);
        if alignment == Alignment::Skipped {
            let position = self.clock().beat_at(self.now);
            self.counter.skip_to((position - STALE_BEATS).ceil() as u64);
        }
        if alignment != Alignment::Kept {
            self.extend();
            self.splices.request(self.now, self.splice_interval());
        }
    }

    /// Returns the request to plan a bar from beat `from` on.
    pub(super) fn request(&self, bar: u64, from: f64) -> BarRequest {
        let clock = self.clock();
        let beats = clock.beats_per_bar();
        let start = clock.frame_at(from);
        let (settings, steering) = (self.targets.settings(), self.targets.steering());
        BarRequest {
            bar,
            beats,
            mood: steering.mood.at(start, clock),
            tonic: settings.choice(Param::Key),
            mode: settings.mode(),
            lead: self.targets.lead(),
            played: self.played(beats),
            dynamics: settings.number(Param::Dynamics),
            temperature: steering.temperature.at(start, clock),
            recall: settings.number(Param::Recall),
            form: MusicalForm::at(settings.choice(Param::Form)),
        }
    }

    /// Returns what the network played over the last `beats` beats whose chroma is final; `None` if unknown.
    fn played(&self, beats: u32) -> Option<PlayedBar> {
        let clock = self.clock();
        let to = self.now.saturating_sub(CHROMA_DELAY);
        let from = to.saturating_sub(seconds_to_frames(f64::from(beats) * 60.0 / clock.tempo_at(self.now)));
        let chroma = self.chroma_history.mean(from, to)?;
        let (first, end) = (clock.beat_at(from), clock.beat_at(to));
        Some(PlayedBar::new(end, end - first, chroma, self.planner.chords_between(first, end)))
    }

    /// Updates everything that a change of the targets affects.
    fn follow_up(&mut self, impact: Impact, at: u64, beat: Option<f64>) {
        if impact.tempo {
            self.tempo.set_tempo(&self.targets, at);
        }
        if impact.harmony || impact.lead {
            let next = if impact.lead { self.clock().beat_at(self.now) } else { self.counter.beat() as f64 };
            self.replan(beat.unwrap_or(next));
        } else if impact.tempo {
            self.extend();
        }
        if impact.network || impact.tempo {
            self.splices.request(self.now, if impact.lead { LEAD_INTERVAL } else { self.splice_interval() });
        }
    }

    /// Returns the minimum number of frames between two splices for changes other than those of the lead chord.
    fn splice_interval(&self) -> u64 {
        if self.targets.steering().economy { ECONOMY_SPLICE_INTERVAL } else { SPLICE_INTERVAL }
    }

    fn replan(&mut self, from: f64) {
        let request = self.request(self.planner.bar_of(from), from);
        self.planner.replan(from, &request);
        self.extend();
    }

    fn beat(&mut self, out: &mut Score) {
        let position = self.counter.count_beat(self.now, self.tempo.clock(), out);
        let expression = EngineCommand::Expression(self.planner.expression(position));
        out.commands.push(TimedCommand { frame: self.now, command: expression });
        let oldest = self.now.saturating_sub(PLAN_BEHIND);
        self.planner.discard_before(position, self.clock().beat_at(oldest));
        self.tempo.discard_before(oldest);
        self.played.discard_before(oldest);
        if self.played.release_forgotten(self.now) {
            self.splices.request(self.now, LEAD_INTERVAL);
        }
        self.extend();
    }

    /// Extends the clock and the harmony to at least [`PLAN_AHEAD`] frames past the horizon.
    fn extend(&mut self) {
        let end = self.now + PLAN_AHEAD;
        loop {
            let planned_end = self.planner.end();
            self.tempo.extend(&self.targets, planned_end);
            if self.clock().frame_at(planned_end) >= end {
                return;
            }
            let request = self.request(self.planner.next_bar(), planned_end);
            self.planner.plan_bar(&request);
            self.splices.extend();
        }
    }

    fn issue_plan(&mut self, out: &mut Score) {
        let splice = self.splices.issue(self.now);
        if let Some(splice) = splice {
            self.played.introduce(splice);
        }
        out.plans.push(PlanUpdate { plan: Arc::new(self.plan()), splice });
    }

    fn plan(&self) -> Plan {
        Plan {
            seed: self.seeds.current(),
            clock: self.clock().clone(),
            chords: self.planner.chords(self.clock()),
            recalls: self.recalls(),
            played: self.played.notes(),
            steering: self.targets.steering().clone(),
        }
    }

    /// Returns the frames at which the network starts or stops recalling an earlier phrase, and which phrase that is.
    fn recalls(&self) -> Vec<PlannedRecall> {
        let clock = self.clock();
        let planned = |(beat, recall): (f64, Option<PhraseRecall>)| {
            let earlier = recall.and_then(|PhraseRecall { bar, source, strictness }| {
                let (start, source) = (self.counter.bar_start(bar, clock)?, self.counter.bar_start(source, clock)?);
                // Round to whole latents, so that each latent draws the random numbers of exactly one earlier latent.
                let latents = (start.checked_sub(source)? + LATENT_FRAMES / 2) / LATENT_FRAMES;
                Some(EarlierPhrase { latents, share: strictness })
            });
            PlannedRecall { frame: clock.frame_at(beat), earlier }
        };
        self.planner.recalls().map(planned).collect()
    }
}

/// Returns the parameters that affect only the engine.
pub(super) fn engine_params() -> impl Iterator<Item = Param> {
    Param::all().filter(|param| param.spec().lane() == Lane::Fast)
}

/// Returns all parameters except those in [`engine_params`].
pub(super) fn other_params() -> impl Iterator<Item = Param> {
    Param::all().filter(|param| param.spec().lane() != Lane::Fast)
}
