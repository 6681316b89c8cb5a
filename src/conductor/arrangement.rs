//! The music as decided so far: the values in effect, the clock, the harmony ahead, and the commands and plans that
//! follow from them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::active_targets::{ActiveTargets, Impact};
use super::counter::Counter;
use super::harmony::{BarRequest, Return};
use super::listening::Listening;
use super::performance::Performance;
use super::planner::Planner;
use super::queue::CommandQueue;
use super::score::{PlanUpdate, Score};
use super::seeds::Seeds;
use super::splices::{LEAD_INTERVAL, SPLICE_INTERVAL, Splices};
use super::tempo::{Alignment, Tempo};
use crate::event::parameter::{Lane, Param};
use crate::event::{EngineCommand, TimedCommand};
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::clock::MusicClock;
use crate::music::glide::Length;
use crate::music::plan::{Earlier, Plan, Returning};
use crate::units::{SAMPLE_RATE, seconds_to_frames};

/// Minimum frames past the horizon for which chords are planned, right after a beat. The longest beat is 1.5 s, so
/// three seconds are always planned.
const PLAN_AHEAD: u64 = SAMPLE_RATE as u64 * 9 / 2;
/// Frames before the horizon that plans still cover: enough for the window around a latent that is generated again.
const MEMORY: u64 = SAMPLE_RATE as u64 * 2;
/// Latents that end this many frames before the horizon are final, and the harmony takes them into account.
const LISTEN_LAG: u64 = 8192;
/// Frames of a latent.
const LATENT: u64 = (FRAMES_PER_LATENT * HOP) as u64;
/// When the clock skips, notes that began more than this many beats before the new position are dropped.
const STALE_BEATS: f64 = 0.25;

/// What can happen next, in the order used within a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Values held for a bar line are requested.
    Held,
    /// Changes waiting for a beat take effect in the network.
    Waited,
    /// Changes waiting for a beat take effect in the engine.
    Line,
    /// A beat begins.
    Beat,
    /// A note or chord of the harmony begins or ends.
    Harmony,
    /// A morphing value moves.
    Morph,
    /// A modulation moves a parameter.
    Modulate,
    /// A command is due.
    Command,
    /// A plan is handed out.
    Plan,
    /// A pulse of the MIDI clock.
    Pulse,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// The frame; the horizon if `None`.
    pub(super) frame: Option<u64>,
    /// The beat from which the harmony follows; as early as possible if `None`.
    pub(super) beat: Option<f64>,
    /// How long values glide; see [`ActiveTargets::steer`].
    pub(super) morph: Option<Length>,
}

/// The music as decided so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Arrangement {
    /// The horizon: everything before it is decided.
    now: u64,
    targets: ActiveTargets,
    tempo: Tempo,
    counter: Counter,
    planner: Planner,
    listening: Listening,
    splices: Splices,
    commands: CommandQueue,
    seeds: Seeds,
}

impl Arrangement {
    /// Starts a performance and plans as far ahead as needed.
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
            listening: Listening::default(),
            splices: Splices::default(),
            commands,
            seeds: Seeds::new(seed),
        };
        arrangement.extend();
        arrangement
    }

    /// The horizon.
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

    /// The tempo that the targets set at the horizon, in beats per minute.
    pub(super) fn target_bpm(&self) -> f64 {
        self.targets.bpm(self.now, self.clock())
    }

    /// Moves the horizon.
    pub(super) const fn move_to(&mut self, frame: u64) {
        self.now = frame;
    }

    /// Stores the chroma of a latent that starts at a frame.
    pub(super) fn listen(&mut self, from: u64, chroma: &[f32; 12]) {
        self.listening.hear(from, chroma);
    }

    /// The upcoming steps that result from what has been decided, with their frames.
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

    /// Performs one of these steps at the horizon.
    pub(super) fn perform(&mut self, step: Step, out: &mut Score) {
        match step {
            Step::Beat => self.beat(out),
            Step::Harmony => self.planner.play_next(self.now, self.clock().beat_at(self.now) - STALE_BEATS, out),
            Step::Morph => self.targets.step_morph(self.now, self.tempo.clock(), &mut out.commands),
            Step::Command => out.commands.extend(self.commands.pop()),
            Step::Plan => self.hand_out_plan(out),
            Step::Pulse => self.counter.count_pulse(self.now, self.tempo.clock(), out),
            Step::Held | Step::Waited | Step::Line | Step::Modulate => {}
        }
    }

    /// Performs the commands and the harmony's notes that are due at the horizon.
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
            self.seeds.set(requested.asked().number(Param::Seed) as u64);
            self.planner.reseed(self.seeds.current());
        }
        self.follow_up(impact, at, timing.beat);
    }

    /// Applies a parameter's requested value at the horizon.
    pub(super) fn steer_one(&mut self, param: Param, requested: &Performance, morph: Option<Length>) {
        let timing = Timing { morph, ..Timing::default() };
        // A tempo also sets its source, and a source may set the tempo.
        if matches!(param, Param::Tempo | Param::TempoSource | Param::TempoFollow) {
            self.steer([Param::Tempo, Param::TempoSource].into_iter(), requested, timing);
        } else {
            self.steer([param].into_iter(), requested, timing);
        }
    }

    /// Moves a parameter away from its set value by an amount, within a number of frames; `None` returns it.
    pub(super) fn shift(&mut self, param: Param, amount: Option<f32>, within: u64) {
        let mut commands = Vec::new();
        let network = self.targets.shift(param, amount, self.now, within, self.tempo.clock(), &mut commands);
        self.commands.add(commands);
        if network {
            self.splices.want(self.now, SPLICE_INTERVAL);
        }
    }

    /// Cuts all sound, and continues with different random choices.
    pub(super) fn panic(&mut self, requested: &Performance) {
        self.steer_one(Param::Hold, requested, None);
        let mut commands = Vec::new();
        self.planner.silence(self.now, &mut commands);
        commands.push(TimedCommand { frame: self.now, command: EngineCommand::Panic });
        self.commands.add(commands);
        self.seeds.restart();
        self.planner.reseed(self.seeds.current());
        // Continue on the next beat, since notes that begin on this frame would be cut at once.
        let on_beat = self.counter.beat_due(self.clock()) <= self.now;
        self.replan((self.counter.beat() + u64::from(on_beat)) as f64);
        self.splices.want(self.now, SPLICE_INTERVAL);
    }

    /// Follows a beat of an external clock that fell on frame `at`.
    pub(super) fn align(&mut self, beat: f64, at: u64) {
        let alignment = self.tempo.align(&self.targets, beat, at, self.now);
        if alignment == Alignment::Skipped {
            let position = self.clock().beat_at(self.now);
            self.counter.skip_to((position - STALE_BEATS).ceil() as u64);
        }
        if alignment != Alignment::Kept {
            self.extend();
            self.splices.want(self.now, SPLICE_INTERVAL);
        }
    }

    /// The request for a bar played from a beat on.
    pub(super) fn request(&self, bar: u64, from: f64) -> BarRequest {
        let clock = self.clock();
        let beats = clock.beats_per_bar();
        let start = clock.frame_at(from);
        let settled = self.now.saturating_sub(LISTEN_LAG);
        let one_bar_ago = seconds_to_frames(f64::from(beats) * 60.0 / clock.tempo_at(self.now));
        let (settings, steering) = (self.targets.settings(), self.targets.steering());
        BarRequest {
            bar,
            beats,
            mood: steering.mood.at(start, clock),
            tonic: settings.choice(Param::Key),
            mode: settings.mode(),
            lead: self.targets.lead(),
            heard: self.listening.mean(settled.saturating_sub(one_bar_ago), settled),
            dynamics: settings.number(Param::Dynamics),
            temperature: steering.temperature.at(start, clock),
            recall: settings.number(Param::Recall),
        }
    }

    /// Recomputes what a change of the targets affects.
    fn follow_up(&mut self, impact: Impact, at: u64, beat: Option<f64>) {
        if impact.tempo {
            self.tempo.turn(&self.targets, at);
        }
        if impact.harmony || impact.lead {
            let next = if impact.lead { self.clock().beat_at(self.now) } else { self.counter.beat() as f64 };
            self.replan(beat.unwrap_or(next));
        } else if impact.tempo {
            self.extend();
        }
        if impact.network || impact.tempo {
            self.splices.want(self.now, if impact.lead { LEAD_INTERVAL } else { SPLICE_INTERVAL });
        }
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
        let oldest = self.now.saturating_sub(MEMORY);
        self.planner.forget_before(position, self.clock().beat_at(oldest));
        self.tempo.forget_before(oldest);
        self.extend();
    }

    /// Plans as far ahead as needed.
    fn extend(&mut self) {
        let until = self.now + PLAN_AHEAD;
        loop {
            let end = self.planner.end();
            self.tempo.lay(&self.targets, end);
            if self.clock().frame_at(end) >= until {
                return;
            }
            let request = self.request(self.planner.next_bar(), end);
            self.planner.plan_bar(&request);
            self.splices.extend();
        }
    }

    fn hand_out_plan(&mut self, out: &mut Score) {
        let splice = self.splices.hand_out(self.now);
        out.plans.push(PlanUpdate { plan: Arc::new(self.plan()), splice });
    }

    fn plan(&self) -> Plan {
        Plan {
            seed: self.seeds.current(),
            clock: self.clock().clone(),
            chords: self.planner.chords(self.clock()),
            returns: self.returns(),
            steering: self.targets.steering().clone(),
        }
    }

    /// The frames from which the network reuses the noise of an earlier phrase, or stops reusing it.
    fn returns(&self) -> Vec<Returning> {
        let clock = self.clock();
        let returning = |(beat, returns): (f64, Option<Return>)| {
            let earlier = returns.and_then(|Return { bar, source, strictness }| {
                let (start, source) = (self.counter.bar_start(bar, clock)?, self.counter.bar_start(source, clock)?);
                // A whole number of latents, so that no latent's noise is repeated or skipped.
                let latents = (start.checked_sub(source)? + LATENT / 2) / LATENT;
                Some(Earlier { latents, share: strictness })
            });
            Returning { frame: clock.frame_at(beat), earlier }
        };
        self.planner.returns().map(returning).collect()
    }
}

/// Parameters that act on the engine alone.
pub(super) fn fast() -> impl Iterator<Item = Param> {
    Param::all().filter(|param| param.spec().lane() == Lane::Fast)
}

/// All other parameters.
pub(super) fn slow() -> impl Iterator<Item = Param> {
    Param::all().filter(|param| param.spec().lane() != Lane::Fast)
}
