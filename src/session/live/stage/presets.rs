//! The presets, and the journey of the one that plays.

use crate::event::ControlEvent;
use crate::event::parameter::{Param, TempoSource, Value};
use crate::files::library::Library;
use crate::files::preset::{Preset, Walk};
use crate::quote::shown;
use crate::remote::http::desk::Place;
use crate::units::frames_to_seconds;

/// The presets there are, and the steps of the one that plays.
pub(in crate::session::live) struct Presets {
    library: Library<Preset>,
    walk: Option<Walk>,
}

impl Presets {
    /// A library, and the preset that the performance starts with, if it does: its journey begins at frame 0.
    pub(in crate::session::live) fn new(library: Library<Preset>, first: Option<&Preset>) -> Self {
        Self { library, walk: first.map(|preset| Walk::new(preset, 0)) }
    }

    pub(super) const fn library(&self) -> &Library<Preset> {
        &self.library
    }

    /// Takes what the folders hold now.
    pub(super) fn replace(&mut self, library: Library<Preset>) {
        self.library = library;
    }

    /// The preset that an event asks for, if there is none of that name.
    pub(super) fn missing<'a>(&self, event: &'a ControlEvent) -> Option<&'a str> {
        match event {
            ControlEvent::Set(Param::Preset, Value::Text(name))
            | ControlEvent::NextBar(Param::Preset, Value::Text(name))
                if self.library.get(name).is_none() =>
            {
                Some(name)
            }
            _ => None,
        }
    }

    /// The frame of the journey's next step.
    pub(super) fn next_frame(&self) -> Option<u64> {
        self.walk.as_ref().and_then(Walk::next_frame)
    }

    /// Goes the next step of the journey: what it sets.
    pub(super) fn step(&mut self) -> impl Iterator<Item = ControlEvent> + use<> {
        let step = self.walk.as_mut().and_then(Iterator::next).map_or_else(Vec::new, |(_, step)| step);
        step.into_iter().map(|(param, value)| ControlEvent::Set(param, value))
    }

    /// Ends the journey: somebody steers.
    pub(super) fn end_journey(&mut self) {
        self.walk = None;
    }

    /// How far the journey is when the play head is at a frame.
    pub(super) fn place(&self, head: u64) -> Option<Place> {
        let walk = self.walk.as_ref()?;
        let place = walk.place()?;
        let left = frames_to_seconds(place.until.saturating_sub(head));
        Some(Place { step: place.step.max(1), steps: place.steps, seconds_left: walk.next_frame().map(|_| left) })
    }

    /// Loads the preset so many places after the one that plays, at a frame: what that sets.
    pub(super) fn load_beside(
        &mut self,
        playing: &str,
        steps: isize,
        frame: u64,
        leader: TempoSource,
    ) -> Vec<ControlEvent> {
        let Some(name) = self.library.beside(playing, steps).map(str::to_owned) else { return Vec::new() };
        let mut events = vec![ControlEvent::Set(Param::Preset, Value::Text(name.clone()))];
        events.extend(self.load(&name, frame, leader));
        events
    }

    /// Loads a preset at a frame, gliding as it says: what that sets. Another machine that leads the tempo keeps it, unless
    /// the preset says who is to lead.
    pub(super) fn load(&mut self, name: &str, frame: u64, leader: TempoSource) -> Vec<ControlEvent> {
        let Some(preset) = self.library.get(name) else {
            // One that went while it waited for its bar.
            tracing::warn!(preset = name, "there is no such preset any more");
            return Vec::new();
        };
        tracing::info!(preset = name, "{}", shown(&preset.name));
        let settings = if leader.is_outside() { preset.settings_led() } else { preset.settings() };
        let glide = settings.iter().find_map(|setting| match setting {
            (Param::Glide, Value::Number(seconds)) => Some(ControlEvent::Morph(*seconds)),
            _ => None,
        });
        self.walk = Some(Walk::new(preset, frame));
        glide.into_iter().chain(settings.into_iter().map(|(param, value)| ControlEvent::Set(param, value))).collect()
    }
}
