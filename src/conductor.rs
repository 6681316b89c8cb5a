//! The conductor: turns control events and the passing of time into engine commands and plans.
//!
//! Deterministic and without threads or clocks of its own: the same seed, start values and (frame, event) list give the
//! same [`Score`], however finely time is divided. Runs on the performance thread, or in the offline renderer.

mod active_targets;
mod counter;
mod deferred;
mod handover;
pub mod harmony;
mod listening;
mod modulations;
mod performance;
mod planner;
mod queue;
mod readback;
mod scenes;
mod score;
mod seeds;
mod settings;
mod splices;
mod steer;
mod tempo;

use std::sync::Arc;

pub use handover::Handover;
pub use scenes::{MAX_SCENES, SceneError};
pub use score::{PULSES, PlanUpdate, Score};
pub use splices::{SPLICE_INTERVAL, SPLICE_LEAD};

use active_targets::ActiveTargets;
use counter::Counter;
use deferred::Deferred;
use listening::Listening;
use modulations::Modulations;
use performance::{Change, Morph, Performance};
use planner::Planner;
use queue::CommandQueue;
use seeds::Seeds;
use splices::Splices;
use tempo::Tempo;

use crate::conductor::harmony::{BarRequest, Return};
use crate::event::parameter::{Param, Value};
use crate::event::{ControlEvent, EngineCommand, TimedCommand};
use crate::mel::{FRAMES_PER_LATENT, HOP};
use crate::music::glide::Length;
use crate::music::plan::{Earlier, Plan, Returning};
use crate::units::{SAMPLE_RATE, seconds_to_frames};

/// Minimum frames past the horizon for which chords are planned, right after a beat. The longest beat is 1.5 s, so
/// three seconds are always planned.
const PLAN_AHEAD: u64 = SAMPLE_RATE as u64 * 9 / 2;
/// Frames before the horizon that plans still cover: enough for the window around a latent that is generated again.
const MEMORY: u64 = SAMPLE_RATE as u64 * 2;
/// Frames before its beat at which a quantized change is released, so that the splice falls on the beat.
const WAIT_LEAD: u64 = SPLICE_LEAD + HOP as u64 - 1;
/// Frames behind the horizon from which latents are final and are listened to.
const LISTEN_LAG: u64 = 8192;
/// Frames of a latent.
const LATENT: u64 = (FRAMES_PER_LATENT * HOP) as u64;
/// When the clock skips, notes that began more than this many beats before the new position are dropped.
const STALE_BEATS: f64 = 0.25;

/// What can happen next, in the order used within a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Held,
    Waited,
    Line,
    Beat,
    Harmony,
    Morph,
    Modulate,
    Command,
    Plan,
    Pulse,
}

/// Turns control events and the passing of time into a [`Score`].
#[derive(Debug, Clone)]
pub struct Conductor {
    /// The horizon: everything before it is decided.
    now: u64,
    performance: Performance,
    targets: ActiveTargets,
    modulations: Modulations,
    tempo: Tempo,
    planner: Planner,
    listening: Listening,
    splices: Splices,
    deferred: Deferred,
    /// The frame at which a morph was requested, and its length.
    morph: Option<(u64, Length)>,
    commands: CommandQueue,
    seeds: Seeds,
    counter: Counter,
    /// Whether the plan reaches further than the last one handed out.
    extended: bool,
}

impl Conductor {
    /// A performance at frame 0. `seed` overrides a seed among the settings.
    #[must_use]
    pub fn new(seed: u64, settings: &[(Param, Value)]) -> Self {
        let mut performance = Performance::default();
        let given = settings.iter().filter(|(param, _)| *param != Param::Seed);
        let seed_setting = [(Param::Seed, Value::Number(seed as f32))];
        for (param, value) in given.chain(&seed_setting) {
            if let Err(error) = performance.set(*param, value) {
                tracing::warn!("ignoring a start value: {error}");
            }
        }
        let targets = ActiveTargets::new(&performance);
        let tempo = Tempo::new(&targets);
        let mut start = Vec::new();
        targets.tell_all(0, &mut start);
        let mut commands = CommandQueue::default();
        commands.add(start);
        let mut conductor = Self {
            now: 0,
            planner: Planner::new(seed, tempo.clock().beats_per_bar()),
            performance,
            targets,
            modulations: Modulations::default(),
            tempo,
            listening: Listening::default(),
            splices: Splices::default(),
            deferred: Deferred::default(),
            morph: None,
            commands,
            seeds: Seeds::new(seed),
            counter: Counter::default(),
            extended: false,
        };
        conductor.extend();
        conductor
    }

    /// The horizon: the first frame not yet decided. Events apply here.
    #[must_use]
    pub const fn frame(&self) -> u64 {
        self.now
    }

    /// Applies an event at the horizon.
    ///
    /// # Errors
    /// When a scene does not exist, cannot be stored or has no name; nothing is changed.
    pub fn apply(&mut self, event: &ControlEvent) -> Result<(), SceneError> {
        let change = match event {
            ControlEvent::Set(param, value) => self.ask(*param, value)?,
            ControlEvent::NextBar(param, value) => {
                self.deferred.hold(*param, value, self.next_bar());
                return Ok(());
            }
            ControlEvent::LeadNotes(held) => self.performance.lead_notes(*held),
            ControlEvent::Morph(seconds) => {
                self.morph = Some((self.now, self.length(Morph::Seconds(*seconds))));
                return Ok(());
            }
            ControlEvent::Modulate(param, by) => {
                self.modulate(*param, *by);
                return Ok(());
            }
            ControlEvent::SceneValue { name, param, value } => {
                return self.performance.set_in_scene(name, *param, value);
            }
            ControlEvent::Tempo(bpm) => {
                self.follow_tempo(*bpm);
                return Ok(());
            }
            ControlEvent::Beat { beat, at } => {
                self.follow_beat(*beat, *at);
                return Ok(());
            }
        };
        let morph = self.morph.filter(|(moment, _)| *moment == self.now).map(|(_, length)| length);
        match change {
            Change::Nothing => {}
            Change::Panic => self.panic(),
            Change::One(param) if !param.policy().quantized || self.grid() == 0 => self.steer_one(param, morph),
            Change::One(_) => self.deferred.wait(self.grid_beat(), morph),
            Change::Many(morph) if self.grid() == 0 => self.steer_all(Some(self.length(morph)), self.now),
            Change::Many(morph) => self.deferred.wait(self.grid_beat(), Some(self.length(morph))),
        }
        Ok(())
    }

    /// Adds everything that happens from the horizon up to but excluding frame `until` to `out`, and moves the horizon
    /// there.
    pub fn advance(&mut self, until: u64, out: &mut Score) {
        while let Some((frame, step)) = self.next_step().filter(|(frame, _)| *frame < until) {
            self.now = frame;
            match step {
                Step::Held => self.release(),
                Step::Waited => self.steer_waiting(),
                Step::Line => self.cross_line(out),
                Step::Beat => self.beat(out),
                Step::Harmony => self.planner.play_next(frame, self.tempo.clock().beat_at(frame) - STALE_BEATS, out),
                Step::Morph => self.targets.step_morph(frame, self.tempo.clock(), &mut out.commands),
                Step::Modulate => self.step_modulations(),
                Step::Command => out.commands.extend(self.commands.pop()),
                Step::Plan => self.hand_out_plan(out),
                Step::Pulse => self.counter.count_pulse(frame, self.tempo.clock(), out),
            }
        }
        self.now = self.now.max(until);
    }

    /// Processes the chroma (on any scale) of a generated latent that starts at frame `from`. Each must arrive before
    /// the horizon is two latents past its start; a latent generated again is processed again.
    pub fn listen(&mut self, from: u64, chroma: &[f32; 12]) {
        self.listening.hear(from, chroma);
    }

    fn next_step(&self) -> Option<(u64, Step)> {
        let clock = self.tempo.clock();
        let ahead_of = |beat: u64| clock.frame_at(beat as f64).saturating_sub(WAIT_LEAD);
        // A plan that merely reaches further must not include changes, so it waits for their splice.
        let plan = self.splices.due().or(self.extended.then_some(self.now));
        let candidates = [
            (self.deferred.held_for().map(ahead_of), Step::Held),
            (self.deferred.waits_for().map(ahead_of), Step::Waited),
            (self.deferred.line_at().map(|beat| clock.frame_at(beat as f64)), Step::Line),
            (Some(self.counter.beat_due(clock)), Step::Beat),
            (self.planner.next_frame(clock), Step::Harmony),
            (self.targets.next_morph_step(), Step::Morph),
            (self.modulations.due(), Step::Modulate),
            (self.commands.due(), Step::Command),
            (plan, Step::Plan),
            (Some(self.counter.pulse_due(clock)), Step::Pulse),
        ];
        candidates.into_iter().filter_map(|(frame, step)| Some((frame?.max(self.now), step))).min()
    }

    fn beat(&mut self, out: &mut Score) {
        let position = self.counter.count_beat(self.now, self.tempo.clock(), out);
        let expression = EngineCommand::Expression(self.planner.expression(position));
        out.commands.push(TimedCommand { frame: self.now, command: expression });
        let oldest = self.now.saturating_sub(MEMORY);
        self.planner.forget_before(position, self.tempo.clock().beat_at(oldest));
        self.tempo.forget_before(oldest);
        self.extend();
    }

    /// Plans as far ahead as needed.
    fn extend(&mut self) {
        let until = self.now + PLAN_AHEAD;
        loop {
            let end = self.planner.end();
            self.tempo.lay(&self.targets, end);
            if self.tempo.clock().frame_at(end) >= until {
                return;
            }
            let request = self.request(self.planner.next_bar(), end);
            self.planner.plan_bar(&request);
            self.extended = true;
        }
    }

    /// The request for a bar played from a beat on.
    fn request(&self, bar: u64, from: f64) -> BarRequest {
        let clock = self.tempo.clock();
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

    fn hand_out_plan(&mut self, out: &mut Score) {
        let splice = self.splices.due().filter(|due| *due <= self.now).map(|_| self.splices.order(self.now));
        self.extended = false;
        out.plans.push(PlanUpdate { plan: Arc::new(self.plan()), splice });
    }

    fn plan(&self) -> Plan {
        Plan {
            seed: self.seeds.current(),
            clock: self.tempo.clock().clone(),
            chords: self.planner.chords(self.tempo.clock()),
            returns: self.returns(),
            steering: self.targets.steering().clone(),
        }
    }

    /// Where the network meets the noise of an earlier phrase.
    fn returns(&self) -> Vec<Returning> {
        let clock = self.tempo.clock();
        let of = |(beat, returns): (f64, Option<Return>)| {
            let earlier = returns.and_then(|Return { bar, source, strictness }| {
                let (start, source) = (self.counter.bar_start(bar, clock)?, self.counter.bar_start(source, clock)?);
                // A whole number of latents, so that their noise never repeats or skips one.
                let latents = (start.checked_sub(source)? + LATENT / 2) / LATENT;
                Some(Earlier { latents, share: strictness })
            });
            Returning { frame: clock.frame_at(beat), earlier }
        };
        self.planner.returns().map(of).collect()
    }
}

#[cfg(test)]
mod tests;
