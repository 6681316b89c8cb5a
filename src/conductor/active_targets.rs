//! The active targets: the values in effect, some of which are gliding to new ones.

use serde::{Deserialize, Serialize};

use super::performance::Performance;
use super::settings::Settings;
use crate::event::parameter::{Effect, Kind, Lane, Param, TempoSource};
use crate::event::{EngineCommand, TimedCommand};
use crate::music::clock::MusicClock;
use crate::music::emotion::{Affect, Mood};
use crate::music::glide::{Glide, Length};
use crate::music::plan::Steering;
use crate::music::profile::Profile;
use crate::music::theory::Chord;
use crate::units::seconds_to_frames;

/// Frames between two steps of a morphing fast-lane number: 20 ms, the engine's shortest smoothing time, so that no steps
/// are heard.
pub(super) const MORPH_STEP: u64 = 960;

/// What must be recomputed after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Impact {
    /// The network needs a new plan.
    pub(super) network: bool,
    /// The harmony must be replanned, from the next beat on unless another beat is given.
    pub(super) harmony: bool,
    /// The lead chord changes; the harmony must be replanned immediately unless a beat is given.
    pub(super) lead: bool,
    /// The beats move to other frames.
    pub(super) tempo: bool,
    /// The random choices restart with another seed.
    pub(super) seed: bool,
}

/// The values in effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ActiveTargets {
    /// The settings in effect, which do not include changes that wait for a beat.
    settings: Settings,
    /// The network's steering, including modulations.
    steering: Steering,
    /// The network's steering without modulations, whose mood the tempo follows.
    unmodulated: Steering,
    /// The offsets of modulated parameters, in table order.
    shifts: Vec<(Param, f32)>,
    pinned_bpm: Glide<f32>,
    /// How much the tempo follows the mood instead of the pinned tempo: 0, 1, or gliding between them.
    follow: Glide<f32>,
    /// Fast-lane numbers that are gliding, in table order.
    morphing: Vec<(Param, Glide<f32>)>,
    next_morph_step: u64,
    lead: Option<Chord>,
}

impl ActiveTargets {
    /// Creates targets at the requested values, without glides.
    pub(super) fn new(performance: &Performance) -> Self {
        let settings = performance.settings().clone();
        let number = |param| Glide::constant(settings.number(param));
        let param_of = |dial| Param::all().find(|param| param.dial() == Some(dial));
        let steering = Steering {
            guide_chord: settings.toggle(Param::GuideChord),
            guide_beat: settings.toggle(Param::GuideBeat),
            economy: settings.toggle(Param::Economy),
            ..Steering::constant(settings.mood(), |dial| param_of(dial).map_or(0.0, |param| settings.number(param)))
        };
        Self {
            unmodulated: steering.clone(),
            steering,
            shifts: Vec::new(),
            pinned_bpm: number(Param::Tempo),
            follow: Glide::constant(f32::from(settings.tempo_source() == TempoSource::Mood)),
            morphing: Vec::new(),
            next_morph_step: 0,
            lead: performance.lead(),
            settings,
        }
    }

    /// Returns the settings in effect.
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the network's steering.
    pub(super) const fn steering(&self) -> &Steering {
        &self.steering
    }

    /// Returns the lead chord.
    pub(super) const fn lead(&self) -> Option<Chord> {
        self.lead
    }

    /// Returns the tempo at a frame in beats per minute, without the corrections that align the clock. `clock` gives the
    /// progress of morphs measured in bars.
    pub(super) fn bpm(&self, frame: u64, clock: &MusicClock) -> f64 {
        let (pinned, follow) = (f64::from(self.pinned_bpm.at(frame, clock)), f64::from(self.follow.at(frame, clock)));
        if follow == 0.0 {
            return pinned;
        }
        let mood_bpm = f64::from(Profile::blend(&self.unmodulated.mood.at(frame, clock)).tempo_bpm);
        pinned + (mood_bpm - pinned) * follow
    }

    /// Applies the requested values of `params` from frame `at` on. With `morph`, every value that can glide does so over
    /// that length. Otherwise, the mood, and a tempo that starts to follow it, glide over the time set by `glide`, and
    /// other values change immediately. Returns what must be recomputed.
    pub(super) fn steer(
        &mut self,
        params: impl Iterator<Item = Param>,
        performance: &Performance,
        at: u64,
        morph: Option<Length>,
        clock: &MusicClock,
        commands: &mut Vec<TimedCommand>,
    ) -> Impact {
        let requested = performance.settings();
        let length = morph.unwrap_or(Length::INSTANT);
        let mood_length =
            morph.unwrap_or_else(|| Length::Frames(seconds_to_frames(f64::from(requested.number(Param::Glide)))));
        let mut impact = Impact::default();
        for param in params {
            if param == Param::Chord && self.lead != performance.lead() {
                self.lead = performance.lead();
                (impact.network, impact.lead) = (true, true);
            }
            let effect = param.policy().effect;
            if self.settings.get(param) == requested.get(param) && effect != Effect::Mood {
                continue;
            }
            let number = requested.number(param);
            if let Some(dial) = param.dial() {
                let shifted = self.shifted(param, number);
                self.unmodulated.dial(dial).glide_to(number, at, length, clock);
                self.steering.dial(dial).glide_to(shifted, at, length, clock);
            }
            match param {
                _ if effect == Effect::Mood && self.settings.mood() != requested.mood() => {
                    self.unmodulated.mood.glide_to(requested.mood(), at, mood_length, clock);
                    self.steering.mood.glide_to(self.shifted_mood(requested.mood()), at, mood_length, clock);
                    let tempo = self.follow.at(at, clock) > 0.0 || *self.follow.target() > 0.0;
                    impact = Impact { network: true, harmony: true, tempo: tempo || impact.tempo, ..impact };
                }
                Param::GuideChord => self.steering.guide_chord = requested.toggle(param),
                Param::GuideBeat => self.steering.guide_beat = requested.toggle(param),
                Param::Economy => self.steering.economy = requested.toggle(param),
                Param::Tempo => self.pinned_bpm.glide_to(number, at, length, clock),
                Param::TempoSource if requested.tempo_source() == TempoSource::Mood => {
                    self.follow.glide_to(1.0, at, mood_length, clock);
                }
                Param::TempoSource => self.follow.glide_to(0.0, at, length, clock),
                _ if effect == Effect::Engine => self.add_command(param, requested, at, length, clock, commands),
                _ => {}
            }
            impact.network |= effect.steers_network();
            impact.harmony |= effect.steers_harmony();
            impact.tempo |= effect == Effect::Tempo;
            impact.seed |= effect == Effect::Seed;
            self.settings.copy_from(param, requested);
        }
        impact
    }

    /// Adds a command for every number and toggle of the fast lane, with its target value.
    pub(super) fn add_all_commands(&self, frame: u64, commands: &mut Vec<TimedCommand>) {
        for spec in crate::event::parameter::TABLE.iter().filter(|spec| spec.lane() == Lane::Fast) {
            match spec.kind {
                Kind::Number { .. } => {
                    commands.push(self.number_command(frame, spec.param, self.settings.number(spec.param)));
                }
                Kind::Toggle { .. } => {
                    commands.push(toggle_command(frame, spec.param, self.settings.toggle(spec.param)));
                }
                _ => {}
            }
        }
    }

    /// Returns commands for the current fast-lane values; during a morph, for the values reached so far.
    pub(super) fn sent_values(&self, frame: u64, clock: &MusicClock) -> impl Iterator<Item = EngineCommand> {
        let mut commands = Vec::new();
        self.add_all_commands(frame, &mut commands);
        commands.into_iter().map(move |TimedCommand { command, .. }| match command {
            EngineCommand::Number(param, _) => match self.morphing.binary_search_by_key(&param, |(param, _)| *param) {
                Ok(index) => EngineCommand::Number(param, self.shifted(param, self.morphing[index].1.at(frame, clock))),
                Err(_) => command,
            },
            _ => command,
        })
    }

    /// Returns the frame at which [`ActiveTargets::step_morph`] must be called next.
    pub(super) fn next_morph_step(&self) -> Option<u64> {
        (!self.morphing.is_empty()).then_some(self.next_morph_step)
    }

    /// Advances the morphing fast-lane numbers.
    pub(super) fn step_morph(&mut self, frame: u64, clock: &MusicClock, commands: &mut Vec<TimedCommand>) {
        let step = |(param, glide): &(Param, Glide<f32>)| self.number_command(frame, *param, glide.at(frame, clock));
        commands.extend(self.morphing.iter().map(step));
        self.morphing.retain(|(_, glide)| !glide.has_arrived(frame, clock));
        self.next_morph_step = frame + MORPH_STEP;
    }

    /// Moves a parameter away from its set value by `amount`: over `within` frames in the network, immediately in the
    /// engine. `None` ends the modulation and returns the parameter to its set value. Returns whether the network needs a
    /// new plan.
    pub(super) fn shift(
        &mut self,
        param: Param,
        amount: Option<f32>,
        at: u64,
        within: u64,
        clock: &MusicClock,
        commands: &mut Vec<TimedCommand>,
    ) -> bool {
        match (self.shifts.binary_search_by_key(&param, |(param, _)| *param), amount) {
            (Ok(index), Some(amount)) => self.shifts[index].1 = amount,
            (Err(index), Some(amount)) => self.shifts.insert(index, (param, amount)),
            (Ok(index), None) => drop(self.shifts.remove(index)),
            (Err(_), None) => return false,
        }
        if amount.is_none() && self.restore_glide(param) {
            return true;
        }
        let (end, length) = (at + within, Length::Frames(within));
        if param.is_mood() {
            let target = self.shifted_mood(self.unmodulated.mood.at(end, clock));
            let changes = target != *self.steering.mood.target();
            if changes {
                self.steering.mood.glide_to(target, at, length, clock);
            }
            return changes;
        }
        if let Some(dial) = param.dial() {
            let set_value = self.unmodulated.dial(dial).at(end, clock);
            let target = self.shifted(param, set_value);
            let glide = self.steering.dial(dial);
            let changes = target != *glide.target();
            if changes {
                glide.glide_to(target, at, length, clock);
            }
            return changes;
        }
        let morphing = self.morphing.iter().find(|(other, _)| *other == param);
        let current = morphing.map_or_else(|| self.settings.number(param), |(_, glide)| glide.at(at, clock));
        commands.push(self.number_command(at, param, current));
        false
    }

    /// Restores the unmodulated glide of a parameter that is no longer modulated. Returns whether a glide was restored.
    fn restore_glide(&mut self, param: Param) -> bool {
        if param.is_mood() && self.shifts.iter().all(|(other, _)| !other.is_mood()) {
            self.steering.mood = self.unmodulated.mood;
            return true;
        }
        let Some(dial) = param.dial() else { return false };
        *self.steering.dial(dial) = *self.unmodulated.dial(dial);
        true
    }

    fn shift_of(&self, param: Param) -> f32 {
        self.shifts.iter().find(|(other, _)| *other == param).map_or(0.0, |(_, amount)| *amount)
    }

    /// Returns a value with its modulation's offset added, clamped to the parameter's range.
    fn shifted(&self, param: Param, value: f32) -> f32 {
        match (self.shift_of(param), param.spec().kind) {
            (amount, Kind::Number { min, max, .. }) if amount != 0.0 => (value + amount).clamp(min, max),
            _ => value,
        }
    }

    fn shifted_mood(&self, mood: Mood) -> Mood {
        let (valence, arousal) = (self.shift_of(Param::Valence), self.shift_of(Param::Arousal));
        if valence == 0.0 && arousal == 0.0 {
            return mood;
        }
        let affect = mood.affect();
        Mood::at(Affect { valence: affect.valence + valence, arousal: affect.arousal + arousal })
    }

    fn number_command(&self, frame: u64, param: Param, value: f32) -> TimedCommand {
        TimedCommand { frame, command: EngineCommand::Number(param, self.shifted(param, value)) }
    }

    fn add_command(
        &mut self,
        param: Param,
        requested: &Settings,
        at: u64,
        length: Length,
        clock: &MusicClock,
        commands: &mut Vec<TimedCommand>,
    ) {
        let index = self.morphing.binary_search_by_key(&param, |(param, _)| *param);
        match param.spec().kind {
            Kind::Number { .. } if length != Length::INSTANT => {
                let current = self.settings.number(param);
                if self.morphing.is_empty() {
                    self.next_morph_step = at.next_multiple_of(MORPH_STEP);
                }
                let index = index.unwrap_or_else(|index| {
                    self.morphing.insert(index, (param, Glide::constant(current)));
                    index
                });
                self.morphing[index].1.glide_to(requested.number(param), at, length, clock);
            }
            Kind::Number { .. } => {
                if let Ok(index) = index {
                    self.morphing.remove(index);
                }
                commands.push(self.number_command(at, param, requested.number(param)));
            }
            Kind::Toggle { .. } => {
                let fade = requested.number(Param::PlayFade);
                if param == Param::Play && fade > 0.0 {
                    let command = EngineCommand::Number(Param::PlayFade, fade);
                    commands.push(TimedCommand { frame: at, command });
                }
                commands.push(toggle_command(at, param, requested.toggle(param)));
            }
            _ => {}
        }
    }
}

fn toggle_command(frame: u64, param: Param, on: bool) -> TimedCommand {
    TimedCommand { frame, command: EngineCommand::Toggle(param, on) }
}
