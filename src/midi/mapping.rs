//! `mappings/*.toml`: which control of a MIDI device moves which parameter, and how.
//!
//! ```toml
//! schema = 1
//! name = "My box"
//!
//! [device]
//! port_contains = "My box"       # part of the port's name, upper or lower case; leave out to fit any other device
//! channel = 1                    # 1-16; leave out for any
//! clock = true                   # follow this device's MIDI clock
//! feedback = true                # tell its controls what they stand at: motors, rings, lights (default false)
//! light = 60                     # velocity or value of a button that is lit (default 127)
//!
//! [[bind]]
//! cc = 7                         # or cc14, nrpn, rpn, note, program (1-128), pitch_bend = true,
//! channel = 2                    #   channel_pressure = true, message = "start" | "continue" | "stop"
//! to = "level/master"            # a parameter by its id
//! range = [-40, 0]               # at the lower and the upper end; the parameter's whole range when left out
//! curve = "decibel"              # linear (default) | exponential | decibel
//! takeover = "pickup"            # wait until the control meets the value (default) | jump
//! feedback = false               # this control only; as the device when left out
//!
//! [[bind]]
//! cc = 20
//! relative = "twos-complement"   # encoders without ends; or binary-offset, sign-magnitude
//! step = 0.01                    # share of the range for one click
//! to = "temperature"
//!
//! [[bind]]
//! note = 36
//! on = "press"                   # or release: what buttons do
//! to = "emotion"
//! value = "sad"                  # or toggle = true; neither for parameters that take none, such as panic
//!
//! [[lead]]                       # a keyboard whose chords lead the harmony
//! channel = 1
//! notes = [36, 96]               # the keys that lead; all when left out
//! sustain = true                 # its pedal holds the chord (default)
//!
//! [programs]                     # program changes
//! presets = ["calm", "angry"]    # program 1, 2, …
//! scenes = ["verse", "chorus"]   # the same in any bank but 0
//! ```

mod binding;
mod controls;
mod curve;
mod feedback;
mod lead;
mod learn;
mod learned;
mod learning;
mod live;
mod pickup;
mod read;
mod router;

use std::path::Path;

pub use binding::{Action, Binding, Edge, Encoder};
pub use controls::Control;
pub use curve::{Curve, Scale};
pub use lead::LeadZone;
pub use learn::Learn;
pub use learned::Learned;
pub use learning::Learning;
pub use live::LiveMappings;
pub use router::Router;

use crate::files::document::Problem;

/// A mapping file, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Name for people.
    pub name: String,
    /// Part of the port's name, in lower case; empty for devices that no other mapping fits.
    pub port_contains: String,
    /// Whether the device's MIDI clock is followed.
    pub clock: bool,
    /// Velocity or value, 1..=127, that lights a button.
    pub light: u8,
    /// What its controls do.
    pub bindings: Vec<Binding>,
    /// Keys that lead the harmony.
    pub leads: Vec<LeadZone>,
    /// What its program changes do.
    pub programs: Programs,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            name: String::new(),
            port_contains: String::new(),
            clock: false,
            light: 127,
            bindings: Vec::new(),
            leads: Vec::new(),
            programs: Programs::default(),
        }
    }
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
        let text = std::fs::read_to_string(file).map_err(|error| vec![Problem::of_file(file, error)])?;
        Self::parse(file, &text)
    }

    /// Whether any of its controls is told what it stands at.
    #[must_use]
    pub fn gives_feedback(&self) -> bool {
        self.bindings.iter().any(|binding| binding.feedback)
    }

    /// Whether the mapping is made for a port of this name.
    #[must_use]
    pub fn fits(&self, port: &str) -> bool {
        !self.port_contains.is_empty() && port.to_lowercase().contains(&self.port_contains)
    }
}

#[cfg(test)]
mod tests;
