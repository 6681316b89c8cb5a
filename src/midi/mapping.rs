//! `mappings/*.toml`: which MIDI control sets which parameter, and how. `docs/mappings.md` describes the format.

mod binding;
mod control_learner;
mod controls;
mod curve;
mod feedback;
mod hint;
mod inherit;
mod key_zone;
mod layer;
mod learn_session;
mod learned_control;
mod live;
mod pickup;
mod read;
mod router;

use std::path::Path;

pub use binding::{Action, Binding, Edge, Encoder, FeedbackTarget};
pub use control_learner::ControlLearner;
pub use controls::Control;
pub use curve::{Curve, Scale};
pub use key_zone::KeyZone;
pub use layer::Layer;
pub use learn_session::LearnSession;
pub use learned_control::LearnedControl;
pub use live::LiveMappings;
pub use router::Router;

use crate::files::document::{self, Problem};

/// A valid mapping file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// File name without `.toml`, which other mappings use to inherit from this one.
    pub file: String,
    /// Display name.
    pub name: String,
    /// File name, without `.toml`, of the mapping to inherit from.
    pub inherit: Option<String>,
    /// Part of the port's name, in lower case; if empty, the mapping is for all devices that no other mapping matches.
    pub port_contains: String,
    /// Whether to follow the device's MIDI clock; `None` if neither set nor inherited, which means no.
    pub clock: Option<bool>,
    /// Alternative functions of controls, each activated by a button.
    pub layers: Vec<Layer>,
    /// Functions of controls.
    pub bindings: Vec<Binding>,
    /// Keys that set the lead chord.
    pub leads: Vec<KeyZone>,
    /// Keys that play the network's piano.
    pub plays: Vec<KeyZone>,
    /// Functions of program changes.
    pub programs: Programs,
}

/// Functions of program changes; none if both lists are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Programs {
    /// Channel, counted from 0; `None` matches any.
    pub channel: Option<u8>,
    /// Presets by program number, in bank 0, or in every bank if there are no scenes.
    pub presets: Vec<String>,
    /// Scenes by program number, in any other bank.
    pub scenes: Vec<String>,
}

impl Mapping {
    /// Parses a mapping. `file` is the path that problems refer to.
    ///
    /// # Errors
    /// Returns all problems found.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        read::mapping(file, text)
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// Returns all problems found, or why the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, Vec<Problem>> {
        document::read(file, Self::parse)
    }

    /// Returns whether any control receives feedback.
    #[must_use]
    pub fn has_feedback(&self) -> bool {
        self.bindings.iter().any(|binding| binding.feedback.is_some())
    }

    /// Returns whether a port's name contains [`Mapping::port_contains`], ignoring case; false if that is empty.
    #[must_use]
    pub fn matches(&self, port: &str) -> bool {
        !self.port_contains.is_empty() && port.to_lowercase().contains(&self.port_contains)
    }
}

#[cfg(test)]
mod tests;
