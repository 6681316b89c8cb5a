//! The presets, and the journey of the current one.

use crate::event::ControlEvent;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::files::library::Library;
use crate::files::preset::{JourneySteps, Preset};
use crate::quote::shown;
use crate::remote::http::api_state::JourneyProgress;
use crate::units::frames_to_seconds;

/// All presets, and the steps of the current one's journey.
pub(in crate::session::live) struct Presets {
    library: Library<Preset>,
    journey: Option<JourneySteps>,
    /// The parameters that the current preset modulates.
    modulated: Vec<Param>,
}

impl Presets {
    /// Creates the presets from a library and the journey of the initial preset, if any.
    pub(in crate::session::live) const fn new(library: Library<Preset>, journey: Option<JourneySteps>) -> Self {
        Self { library, journey, modulated: Vec::new() }
    }

    pub(in crate::session::live) const fn library(&self) -> &Library<Preset> {
        &self.library
    }

    /// Replaces the library after a reload.
    pub(super) fn replace(&mut self, library: Library<Preset>) {
        self.library = library;
    }

    /// Returns the frame of the journey's next step.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.journey.as_ref().and_then(JourneySteps::next_frame)
    }

    /// Advances the journey and returns the events that apply its new step.
    pub(super) fn step(&mut self) -> impl Iterator<Item = ControlEvent> + use<> {
        let step = self.journey.as_mut().and_then(Iterator::next).map_or_else(Vec::new, |(_, step)| step);
        step.into_iter().map(|(param, value)| ControlEvent::Set(param, value))
    }

    /// Returns an event that restores the preset's own glide if the current glide was set by a step of its journey: a
    /// performer who takes over should not have to wait for a slow step.
    pub(super) fn restore_glide(&self, playing: &str, glide: Value) -> Option<ControlEvent> {
        let current = self.journey.as_ref()?.current()?;
        let glide_of = |settings: &[(Param, Value)]| settings.iter().find(|(param, _)| *param == Param::Glide).cloned();
        let step_glide = glide_of(&current.settings)?;
        if step_glide.1 != glide {
            return None;
        }
        let preset_glide = self.library.get(playing).and_then(|preset| glide_of(&preset.named));
        let (param, value) = preset_glide.unwrap_or((Param::Glide, Param::Glide.default_value()));
        Some(ControlEvent::Set(param, value))
    }

    /// Returns the current step of the journey, counting from 1, so that the journey can continue after a restart.
    pub(in crate::session::live) fn journey_step(&self) -> Option<usize> {
        self.journey.as_ref()?.position().map(|position| position.step).filter(|step| *step > 0)
    }

    /// Ends the journey, because the performer has taken over.
    pub(super) fn end_journey(&mut self) {
        self.journey = None;
    }

    /// Returns the position in the journey when the playhead is at frame `head`.
    pub(super) fn journey_position(&self, head: u64) -> Option<JourneyProgress> {
        let journey = self.journey.as_ref()?;
        let position = journey.position()?;
        let left = frames_to_seconds(position.end_frame.saturating_sub(head));
        Some(JourneyProgress {
            step: position.step.max(1),
            steps: position.steps,
            seconds_left: journey.next_frame().map(|_| left),
        })
    }

    /// Loads the preset `steps` away from the current one, as [`Self::load`] does; the events also set the parameter
    /// `preset`.
    pub(super) fn load_relative(
        &mut self,
        playing: &str,
        steps: isize,
        frame: u64,
        tempo_source: TempoSource,
    ) -> Vec<ControlEvent> {
        let Some(name) = self.library.name_at_offset(playing, steps).map(str::to_owned) else { return Vec::new() };
        let mut events = vec![ControlEvent::Set(Param::Preset, Value::Text(name.clone()))];
        events.extend(self.load(&name, frame, tempo_source));
        events
    }

    /// Starts the journey of a preset at a frame. Returns the events that apply the preset's settings, with its glide; they
    /// keep an external tempo source unless the preset sets another.
    pub(super) fn load(&mut self, name: &str, frame: u64, tempo_source: TempoSource) -> Vec<ControlEvent> {
        let Some(preset) = self.library.get(name) else {
            // The preset was removed while the request to load it waited for the bar line.
            tracing::warn!(preset = name, "this preset no longer exists");
            return Vec::new();
        };
        tracing::info!(preset = name, "preset loaded: {}", shown(&preset.name));
        let settings =
            if tempo_source.is_external() { preset.settings_with_external_tempo() } else { preset.settings() };
        let glide = settings.iter().find_map(|setting| match setting {
            (Param::Glide, Value::Number(seconds)) => Some(ControlEvent::Morph(*seconds)),
            _ => None,
        });
        self.journey = Some(JourneySteps::new(preset, frame));
        let set = settings.into_iter().map(|(param, value)| ControlEvent::Set(param, value));
        glide.into_iter().chain(set).chain(self.modulate(name)).collect()
    }

    /// Returns the events that start the modulations of a preset and end all others.
    pub(super) fn modulate(&mut self, name: &str) -> Vec<ControlEvent> {
        let modulations = self.library.get(name).map_or(&[][..], |preset| &preset.modulations);
        let ended = self.modulated.iter().filter(|param| !modulations.iter().any(|(other, _)| other == *param));
        let ended = ended.map(|param| ControlEvent::Modulate(*param, None));
        let started = modulations.iter().map(|(param, modulation)| ControlEvent::Modulate(*param, Some(*modulation)));
        let events = ended.chain(started).collect();
        self.modulated = modulations.iter().map(|(param, _)| *param).collect();
        events
    }
}
