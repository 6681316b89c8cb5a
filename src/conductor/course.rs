//! The course: what is in force, each value on its way to what was asked for.

use super::performance::Performance;
use super::settings::Settings;
use crate::event::parameter::{Effect, Kind, Lane, Param, TempoSource};
use crate::event::{EngineCommand, TimedCommand};
use crate::music::clock::MusicClock;
use crate::music::glide::{Glide, Length};
use crate::music::plan::Steering;
use crate::music::profile::Profile;
use crate::music::theory::Chord;
use crate::units::seconds_to_frames;

/// Frames between two steps of a number of the fast lane that morphs: 20 ms, as long as most are smoothed.
pub(super) const MORPH_STEP: u64 = 960;

/// What has to be worked out anew after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Impact {
    /// The network is asked for something else.
    pub(super) network: bool,
    /// The harmony goes on otherwise from the next beat.
    pub(super) harmony: bool,
    /// The harmony follows a lead, or is given back; that does not wait for the beat.
    pub(super) lead: bool,
    /// Beats fall on other frames.
    pub(super) tempo: bool,
    /// Everything random starts afresh.
    pub(super) seed: bool,
}

/// What is in force.
#[derive(Debug, Clone)]
pub(super) struct Course {
    /// The targets in force; behind what is asked for while a change waits for its beat.
    settings: Settings,
    steering: Steering,
    /// Tempo when pinned, and how much it follows the mood instead (0 or 1, or on the way).
    pinned_bpm: Glide<f32>,
    follow: Glide<f32>,
    /// Numbers of the fast lane on their way, in the order of the table.
    morphing: Vec<(Param, Glide<f32>)>,
    next_morph_step: u64,
    lead: Option<Chord>,
}

impl Course {
    /// At rest where the settings ask for.
    pub(super) fn new(performance: &Performance) -> Self {
        let settings = performance.asked().clone();
        let number = |param| Glide::at_rest(settings.number(param));
        Self {
            steering: Steering {
                mood: Glide::at_rest(settings.mood()),
                temperature: number(Param::Temperature),
                guidance: number(Param::Guidance),
                density: number(Param::Density),
                loudness: number(Param::Loudness),
                register: number(Param::Register),
                guide_chord: settings.toggle(Param::GuideChord),
                guide_beat: settings.toggle(Param::GuideBeat),
            },
            pinned_bpm: number(Param::Tempo),
            follow: Glide::at_rest(share(settings.tempo_source() == TempoSource::Mood)),
            morphing: Vec::new(),
            next_morph_step: 0,
            lead: performance.lead(),
            settings,
        }
    }

    /// The targets in force.
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the network is steered by.
    pub(super) const fn steering(&self) -> &Steering {
        &self.steering
    }

    /// The chord that leads.
    pub(super) const fn lead(&self) -> Option<Chord> {
        self.lead
    }

    /// Tempo at a frame in beats per minute, the clock's own corrections aside. The clock says how far morphs over bars are.
    pub(super) fn bpm(&self, frame: u64, clock: &MusicClock) -> f64 {
        let (pinned, follow) = (f64::from(self.pinned_bpm.at(frame, clock)), f64::from(self.follow.at(frame, clock)));
        if follow == 0.0 {
            return pinned;
        }
        let of_mood = f64::from(Profile::blend(&self.steering.mood.at(frame, clock)).tempo_bpm);
        pinned + (of_mood - pinned) * follow
    }

    /// Sets course for what is asked for of `params`, from frame `at` on. With `morph`, everything that can glide takes
    /// that long; without, the mood takes the performer's glide time and the rest changes at once.
    pub(super) fn steer(
        &mut self,
        params: impl Iterator<Item = Param>,
        performance: &Performance,
        at: u64,
        morph: Option<Length>,
        clock: &MusicClock,
        commands: &mut Vec<TimedCommand>,
    ) -> Impact {
        let asked = performance.asked();
        let cut = morph.unwrap_or(Length::CUT);
        let glide = morph.unwrap_or_else(|| Length::Frames(seconds_to_frames(f64::from(asked.number(Param::Glide)))));
        let mut impact = Impact::default();
        for param in params {
            if param == Param::Chord && self.lead != performance.lead() {
                self.lead = performance.lead();
                (impact.network, impact.lead) = (true, true);
            }
            let effect = param.policy().effect;
            if self.settings.get(param) == asked.get(param) && effect != Effect::Mood {
                continue;
            }
            let number = asked.number(param);
            match param {
                _ if effect == Effect::Mood && self.settings.mood() != asked.mood() => {
                    self.steering.mood.go(asked.mood(), at, glide, clock);
                    let tempo = self.follow.at(at, clock) > 0.0 || *self.follow.target() > 0.0;
                    impact = Impact { network: true, harmony: true, tempo: tempo || impact.tempo, ..impact };
                }
                Param::Temperature => self.steering.temperature.go(number, at, cut, clock),
                Param::Guidance => self.steering.guidance.go(number, at, cut, clock),
                Param::Density => self.steering.density.go(number, at, cut, clock),
                Param::Loudness => self.steering.loudness.go(number, at, cut, clock),
                Param::Register => self.steering.register.go(number, at, cut, clock),
                Param::GuideChord => self.steering.guide_chord = asked.toggle(param),
                Param::GuideBeat => self.steering.guide_beat = asked.toggle(param),
                Param::Tempo => self.pinned_bpm.go(number, at, cut, clock),
                Param::TempoSource if asked.tempo_source() == TempoSource::Mood => {
                    self.follow.go(1.0, at, glide, clock);
                }
                Param::TempoSource => self.follow.go(0.0, at, cut, clock),
                _ if effect == Effect::Engine => self.command(param, asked, at, cut, clock, commands),
                _ => {}
            }
            impact.network |= effect.steers_network();
            impact.harmony |= effect.steers_harmony();
            impact.tempo |= effect == Effect::Tempo;
            impact.seed |= effect == Effect::Seed;
            self.settings.adopt(param, asked);
        }
        impact
    }

    /// Tells the engine every value of the fast lane.
    pub(super) fn tell_all(&self, frame: u64, commands: &mut Vec<TimedCommand>) {
        for spec in crate::event::parameter::TABLE.iter().filter(|spec| spec.lane() == Lane::Fast) {
            match spec.kind {
                Kind::Number { .. } => {
                    commands.push(number_command(frame, spec.param, self.settings.number(spec.param)))
                }
                Kind::Toggle { .. } => {
                    commands.push(toggle_command(frame, spec.param, self.settings.toggle(spec.param)))
                }
                _ => {}
            }
        }
    }

    /// Everything that the engine was told of the fast lane, and not of what is still to come.
    pub(super) fn told(&self, frame: u64, clock: &MusicClock) -> impl Iterator<Item = EngineCommand> {
        let mut commands = Vec::new();
        self.tell_all(frame, &mut commands);
        commands.into_iter().map(move |TimedCommand { command, .. }| match command {
            EngineCommand::Number(param, _) => match self.morphing.binary_search_by_key(&param, |(param, _)| *param) {
                Ok(index) => EngineCommand::Number(param, self.morphing[index].1.at(frame, clock)),
                Err(_) => command,
            },
            _ => command,
        })
    }

    /// The frame at which [`Course::step_morph`] has something to do.
    pub(super) fn next_morph_step(&self) -> Option<u64> {
        (!self.morphing.is_empty()).then_some(self.next_morph_step)
    }

    /// Moves the numbers of the fast lane that morph.
    pub(super) fn step_morph(&mut self, frame: u64, clock: &MusicClock, commands: &mut Vec<TimedCommand>) {
        let step = |(param, glide): &(Param, Glide<f32>)| number_command(frame, *param, glide.at(frame, clock));
        commands.extend(self.morphing.iter().map(step));
        self.morphing.retain(|(_, glide)| !glide.arrived(frame, clock));
        self.next_morph_step = frame + MORPH_STEP;
    }

    fn command(
        &mut self,
        param: Param,
        asked: &Settings,
        at: u64,
        length: Length,
        clock: &MusicClock,
        commands: &mut Vec<TimedCommand>,
    ) {
        let place = self.morphing.binary_search_by_key(&param, |(param, _)| *param);
        match param.spec().kind {
            Kind::Number { .. } if length != Length::CUT => {
                let now = self.settings.number(param);
                if self.morphing.is_empty() {
                    self.next_morph_step = at.next_multiple_of(MORPH_STEP);
                }
                let index = place.unwrap_or_else(|index| {
                    self.morphing.insert(index, (param, Glide::at_rest(now)));
                    index
                });
                self.morphing[index].1.go(asked.number(param), at, length, clock);
            }
            Kind::Number { .. } => {
                if let Ok(index) = place {
                    self.morphing.remove(index);
                }
                commands.push(number_command(at, param, asked.number(param)));
            }
            Kind::Toggle { .. } => commands.push(toggle_command(at, param, asked.toggle(param))),
            _ => {}
        }
    }
}

fn share(on: bool) -> f32 {
    if on { 1.0 } else { 0.0 }
}

fn number_command(frame: u64, param: Param, value: f32) -> TimedCommand {
    TimedCommand { frame, command: EngineCommand::Number(param, value) }
}

fn toggle_command(frame: u64, param: Param, on: bool) -> TimedCommand {
    TimedCommand { frame, command: EngineCommand::Toggle(param, on) }
}
