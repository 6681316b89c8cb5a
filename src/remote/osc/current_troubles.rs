//! The optional parts that have failed, as messages.

use std::collections::BTreeMap;

use rosc::OscMessage;

use super::message;
use crate::event::Part;

/// Why each optional part that does not work has failed.
#[derive(Debug, Default)]
pub(in crate::remote) struct CurrentTroubles(BTreeMap<Part, String>);

impl CurrentTroubles {
    /// Records why a part has failed; without a reason, it works again.
    pub(in crate::remote) fn update(&mut self, part: Part, reason: &str) {
        if reason.is_empty() {
            self.0.remove(&part);
        } else {
            self.0.insert(part, reason.to_owned());
        }
    }

    /// Returns a message for each part.
    pub(in crate::remote) fn messages(&self) -> impl Iterator<Item = OscMessage> {
        self.0.iter().map(|(part, reason)| message::trouble(&part.to_string(), reason))
    }

    /// Returns the reply to a query: a message for each part, or one with two empty strings.
    pub(in crate::remote) fn query(&self) -> Vec<OscMessage> {
        if self.0.is_empty() { vec![message::trouble("", "")] } else { self.messages().collect() }
    }
}
