//! Applies requested changes: at once, on a beat, or as an external clock requires.

use super::active_targets::Impact;
use super::deferred::Line;
use super::modulations::Shift;
use super::performance::{Change, Morph};
use super::scenes::SceneError;
use super::score::Score;
use super::tempo::Alignment;
use super::{Conductor, STALE_BEATS};
use crate::event::modulation::Modulation;
use crate::event::parameter::{Input, Lane, Param, TempoSource, Value};
use crate::event::{EngineCommand, TimedCommand};
use crate::music::glide::Length;
use crate::units::seconds_to_frames;

/// Tempi of an external clock closer than this ratio count as equal: 0.1 ms per beat.
const TEMPO_TOLERANCE: f64 = 2e-4;

impl Conductor {
    /// Index of the quantize setting: 0 at once, 1 next beat, 2 next bar.
    pub(super) fn grid(&self) -> u8 {
        self.performance.asked().choice(Param::Quantize)
    }

    /// The next beat or bar, depending on quantize.
    pub(super) fn grid_beat(&self) -> u64 {
        if self.grid() == 1 { self.counter.beat() } else { self.next_bar() }
    }

    /// The first beat of the next bar.
    pub(super) fn next_bar(&self) -> u64 {
        self.counter.bar_line(self.tempo.clock())
    }

    /// The length of a morph.
    pub(super) fn length(&self, morph: Morph) -> Length {
        match morph {
            Morph::Seconds(seconds) => Length::Frames(seconds_to_frames(f64::from(seconds))),
            Morph::Bars(bars) => Length::Beats(f64::from(bars) * f64::from(self.tempo.clock().beats_per_bar())),
        }
    }

    /// Sets a requested value.
    pub(super) fn ask(&mut self, param: Param, value: &Value) -> Result<Change, SceneError> {
        let mood_led = self.performance.asked().tempo_source() == TempoSource::Mood;
        let change = self.performance.set(param, value)?;
        let lets_go = matches!(param, Param::TempoFollow | Param::TempoSource)
            && mood_led
            && self.performance.asked().tempo_source() != TempoSource::Mood;
        // Turning off tempo following keeps the current tempo.
        if lets_go {
            let bpm = self.targets.bpm(self.now, self.tempo.clock());
            return Ok(match self.set_tempo(bpm) {
                Change::Nothing => change,
                told => told,
            });
        }
        Ok(change)
    }

    /// Requests the held changes slightly before their bar line, so that they take effect on it.
    pub(super) fn release(&mut self) {
        let (beat, values) = self.deferred.take_held();
        let beat = beat.max(self.counter.beat());
        let mut panic = false;
        for (param, value) in &values {
            match self.ask(*param, value) {
                Ok(Change::Nothing) => {}
                Ok(Change::One(_)) => self.deferred.wait(beat, None),
                Ok(Change::Many(morph)) => self.deferred.wait(beat, Some(self.length(morph))),
                Ok(Change::Panic) => panic = true,
                Err(error) => tracing::warn!("{error}; the change at the bar line was dropped"),
            }
        }
        let line = self.deferred.reach(beat, None);
        line.panic |= panic;
        line.released.extend(values);
    }

    /// Applies waiting changes: to the network now, so that the splice falls on the beat, and to the engine on the
    /// beat.
    pub(super) fn steer_waiting(&mut self) {
        if let Some(waiting) = self.deferred.take_waiting() {
            let next = waiting.beat.max(self.counter.beat());
            let at = self.tempo.clock().frame_at(next as f64).max(self.now);
            self.steer(slow(), waiting.morph, at, Some(next as f64));
            self.deferred.reach(next, waiting.morph);
        }
    }

    /// Applies the rest of the waiting changes, on the beat itself.
    pub(super) fn cross_line(&mut self, out: &mut Score) {
        if let Some(Line { morph, panic, released, .. }) = self.deferred.take_line() {
            self.steer(fast(), morph, self.now, None);
            if panic {
                self.panic();
            }
            out.released.extend(released.into_iter().map(|(param, value)| (self.now, param, value)));
        }
    }

    pub(super) fn steer_one(&mut self, param: Param, morph: Option<Length>) {
        // A tempo also sets its source, and a source may set the tempo.
        let of_tempo = matches!(param, Param::Tempo | Param::TempoSource | Param::TempoFollow);
        if of_tempo {
            self.steer([Param::Tempo, Param::TempoSource].into_iter(), morph, self.now, None);
        } else {
            self.steer([param].into_iter(), morph, self.now, None);
        }
    }

    pub(super) fn steer_all(&mut self, morph: Option<Length>, at: u64) {
        self.steer(slow().chain(fast()), morph, at, None);
    }

    /// Applies the requested values of some parameters at a frame; the harmony follows at `beat` or when it can.
    fn steer(&mut self, params: impl Iterator<Item = Param>, morph: Option<Length>, at: u64, beat: Option<f64>) {
        let mut commands = Vec::new();
        let clock = self.tempo.clock();
        let impact = self.targets.steer(params, &self.performance, at, morph, clock, &mut commands);
        self.commands.add(commands);
        if impact.seed {
            self.seeds.take(self.performance.asked().number(Param::Seed) as u64);
            self.restart();
        }
        self.follow_up(impact, at, beat);
    }

    /// Lets a parameter move by itself, or no more.
    pub(super) fn modulate(&mut self, param: Param, by: Option<Modulation>) {
        self.modulations.set(param, by, self.now, self.tempo.clock());
        if by.is_none() {
            self.shift(param, None, 0);
        }
    }

    pub(super) fn step_modulations(&mut self) {
        let asked = self.performance.asked();
        let number = |param| asked.number(param);
        for Shift { param, by, within } in
            self.modulations.step(self.now, self.tempo.clock(), self.seeds.current(), number)
        {
            self.shift(param, Some(by), within);
        }
    }

    /// Brings a parameter so far away from where it is set.
    fn shift(&mut self, param: Param, by: Option<f32>, within: u64) {
        let mut commands = Vec::new();
        let network = self.targets.shift(param, by, self.now, within, self.tempo.clock(), &mut commands);
        self.commands.add(commands);
        if network {
            self.splices.want(self.now);
        }
    }

    fn follow_up(&mut self, impact: Impact, at: u64, beat: Option<f64>) {
        if impact.tempo {
            self.tempo.turn(&self.targets, at);
        }
        if impact.harmony || impact.lead {
            let next = if impact.lead { self.next_sixteenth() } else { self.counter.beat() as f64 };
            self.replan(beat.unwrap_or(next));
        } else if impact.tempo {
            self.extend();
        }
        if impact.network || impact.tempo {
            self.splices.want(self.now);
        }
    }

    /// The first sixteenth note not played yet.
    fn next_sixteenth(&self) -> f64 {
        let clock = self.tempo.clock();
        let passed = (clock.beat_at(self.now) * 4.0).floor() / 4.0;
        if clock.frame_at(passed) >= self.now { passed } else { passed + 0.25 }
    }

    fn replan(&mut self, from: f64) {
        let request = self.request(self.planner.bar_of(from), from);
        self.planner.replan(from, &request);
        self.extend();
    }

    /// Restarts all random choices.
    fn restart(&mut self) {
        self.planner.reseed(self.seeds.current());
    }

    pub(super) fn panic(&mut self) {
        self.steer_one(Param::Hold, None);
        let mut commands = Vec::new();
        self.planner.silence(self.now, &mut commands);
        commands.push(TimedCommand { frame: self.now, command: EngineCommand::Panic });
        self.commands.add(commands);
        self.seeds.restart();
        self.restart();
        // The next beat, since the notes of one on this frame would be cut at once.
        let on_it = self.counter.beat_due(self.tempo.clock()) <= self.now;
        self.replan((self.counter.beat() + u64::from(on_it)) as f64);
        self.splices.want(self.now);
    }

    /// Sets a tempo, clamped to its range, that was not set through the parameter.
    fn set_tempo(&mut self, bpm: f64) -> Change {
        match Param::Tempo.fit(Input::Number(bpm)) {
            Ok(Some(Value::Number(bpm))) => self.performance.lead_tempo(bpm),
            _ => Change::Nothing,
        }
    }

    pub(super) fn follow_tempo(&mut self, bpm: f64) {
        let asked = self.performance.asked();
        let known = asked.tempo_source() != TempoSource::Mood
            && (bpm / f64::from(asked.number(Param::Tempo)) - 1.0).abs() < TEMPO_TOLERANCE;
        if !known && self.set_tempo(bpm) != Change::Nothing {
            self.steer_one(Param::Tempo, None);
        }
    }

    pub(super) fn follow_beat(&mut self, beat: f64, at: u64) {
        if !beat.is_finite() {
            return;
        }
        let alignment = self.tempo.align(&self.targets, beat, at, self.now);
        if alignment == Alignment::Skipped {
            let position = self.tempo.clock().beat_at(self.now);
            self.counter.skip_to((position - STALE_BEATS).ceil() as u64);
        }
        if alignment != Alignment::Kept {
            self.extend();
            self.splices.want(self.now);
        }
    }
}

/// Parameters of the engine.
fn fast() -> impl Iterator<Item = Param> {
    Param::all().filter(|param| param.spec().lane() == Lane::Fast)
}

/// All others.
fn slow() -> impl Iterator<Item = Param> {
    Param::all().filter(|param| param.spec().lane() != Lane::Fast)
}
