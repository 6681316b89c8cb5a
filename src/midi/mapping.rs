//! `mappings/*.toml`: which control of a MIDI device moves which parameter, and how. The format stands in `docs/mappings.md`.

mod binding;
mod controls;
mod curve;
mod feedback;
mod hint;
mod inherit;
mod layer;
mod lead;
mod learn;
mod learned;
mod learning;
mod live;
mod pickup;
mod read;
mod router;

use std::path::Path;

pub use binding::{Action, Binding, Edge, Encoder, Tell};
pub use controls::Control;
pub use curve::{Curve, Scale};
pub use layer::Layer;
pub use lead::LeadZone;
pub use learn::Learn;
pub use learned::Learned;
pub use learning::Learning;
pub use live::LiveMappings;
pub use router::Router;

use crate::files::document::{self, Problem};

/// A mapping file, checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// Name of its file without `.toml`, by which others inherit from it.
    pub file: String,
    /// Name for people.
    pub name: String,
    /// The mapping that it takes everything over from that it does not have itself.
    pub inherit: Option<String>,
    /// Part of the port's name, in lower case; empty for devices that no other mapping fits.
    pub port_contains: String,
    /// Whether the device's MIDI clock is followed; not when nothing is said.
    pub clock: Option<bool>,
    /// Other things that its controls do while a button is down.
    pub layers: Vec<Layer>,
    /// What its controls do.
    pub bindings: Vec<Binding>,
    /// Keys that lead the harmony.
    pub leads: Vec<LeadZone>,
    /// What its program changes do.
    pub programs: Programs,
}

/// What program changes do; nothing when both lists are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Programs {
    /// Channel from 0; any when `None`.
    pub channel: Option<u8>,
    /// Presets by program, in bank 0.
    pub presets: Vec<String>,
    /// Scenes by program, in any other bank.
    pub scenes: Vec<String>,
}

impl Mapping {
    /// Reads a mapping file's text; `file` is for the problems.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        read::mapping(file, text)
    }

    /// Reads a mapping file.
    ///
    /// # Errors
    /// With everything that is wrong in it, or that it cannot be read.
    pub fn read(file: &Path) -> Result<Self, Vec<Problem>> {
        document::read(file, Self::parse)
    }

    /// Whether any of its controls is told what it stands at.
    #[must_use]
    pub fn gives_feedback(&self) -> bool {
        self.bindings.iter().any(|binding| binding.feedback.is_some())
    }

    /// Whether the mapping is made for a port of this name.
    #[must_use]
    pub fn fits(&self, port: &str) -> bool {
        !self.port_contains.is_empty() && port.to_lowercase().contains(&self.port_contains)
    }
}

#[cfg(test)]
mod tests;
