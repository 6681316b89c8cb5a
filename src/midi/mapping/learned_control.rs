//! Controls learned while playing.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::Mapping;
use super::hint::ControlName;
use crate::event::parameter::Param;
use crate::files::document::Problem;

/// A learned control, which is kept when its device disconnects and when the performance ends.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedControl {
    /// The device's name, without the part that changes when the device reconnects.
    pub device: String,
    /// The `[[bind]]` block.
    pub block: String,
    pub(super) mapping: Arc<Mapping>,
}

impl LearnedControl {
    /// Parses a block for the device named `device`.
    ///
    /// # Errors
    /// Returns all problems found.
    pub fn new(device: &str, block: &str) -> Result<Self, Vec<Problem>> {
        let file = format!("schema = 1\nname = \"learned\"\n{block}");
        let mapping = Arc::new(Mapping::parse(Path::new("learned"), &file)?);
        Ok(Self { device: stable_name(device).to_owned(), block: block.to_owned(), mapping })
    }

    /// Returns the parameters that the control sets.
    pub fn parameters(&self) -> impl Iterator<Item = Param> {
        self.mapping.bindings.iter().map(|binding| binding.to)
    }

    /// Returns whether the control belongs to the device named `device`.
    pub(super) fn belongs_to(&self, device: &str) -> bool {
        self.device == stable_name(device)
    }

    /// Returns whether the control sets a parameter.
    pub(super) fn sets(&self, param: Param) -> bool {
        self.parameters().any(|set| set == param)
    }

    /// Returns whether this learned control replaces another: both are the same control of the same device.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        let others = &other.mapping.bindings;
        self.device == other.device
            && self.mapping.bindings.iter().any(|one| others.iter().any(|other| one.shares_control(other)))
    }
}

impl fmt::Display for LearnedControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for binding in &self.mapping.bindings {
            let control = ControlName(binding.control, binding.channel);
            write!(f, "{control} of {} controls {}", self.device, binding.to.spec().id)?;
        }
        Ok(())
    }
}

/// Returns the part of a device's name that stays the same when the device reconnects: ALSA appends port numbers that
/// change, and JACK names are followed by those of other connected ports.
fn stable_name(name: &str) -> &str {
    let port = name.split_once(", ").map_or(name, |(port, _)| port);
    port.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':' || c == ' ')
}
