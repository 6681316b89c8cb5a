//! Controls learned while playing, and their devices.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::Mapping;
use super::hint::Named;
use crate::event::parameter::Param;
use crate::files::document::Problem;

/// A learned control, kept after its device disconnects and the performance ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The device's name, without the part that changes on reconnection.
    pub device: String,
    /// The `[[bind]]` block.
    pub block: String,
    pub(super) mapping: Arc<Mapping>,
}

impl Learned {
    /// Reads the block for a device of this name.
    ///
    /// # Errors
    /// Returns every problem.
    pub fn new(device: &str, block: &str) -> Result<Self, Vec<Problem>> {
        let file = format!("schema = 1\nname = \"learned\"\n{block}");
        let mapping = Arc::new(Mapping::parse(Path::new("learned"), &file)?);
        Ok(Self { device: stable_name(device).to_owned(), block: block.to_owned(), mapping })
    }

    /// The parameters that it sets.
    pub fn parameters(&self) -> impl Iterator<Item = Param> {
        self.mapping.bindings.iter().map(|binding| binding.to)
    }

    /// Whether it belongs to a device of this name.
    pub(super) fn is_of(&self, device: &str) -> bool {
        self.device == stable_name(device)
    }

    /// Whether it sets a parameter.
    pub(super) fn sets(&self, param: Param) -> bool {
        self.parameters().any(|moved| moved == param)
    }

    /// Whether both are for the same control of the same device.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        let others = &other.mapping.bindings;
        self.device == other.device
            && self.mapping.bindings.iter().any(|one| others.iter().any(|other| one.shares_control(other)))
    }
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for binding in &self.mapping.bindings {
            let control = Named(binding.control, binding.channel);
            write!(f, "{control} of {} controls {}", self.device, binding.to.spec().id)?;
        }
        Ok(())
    }
}

/// The part of a device's name that survives reconnecting: ALSA appends changing port numbers, JACK appends
/// connections.
fn stable_name(name: &str) -> &str {
    let port = name.split_once(", ").map_or(name, |(port, _)| port);
    port.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':' || c == ' ')
}
