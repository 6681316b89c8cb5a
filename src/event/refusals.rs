//! Tells whoever sent an event why it was refused.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where the performance thread reports why events were refused. Each of its clones belongs to one event; the receiver's
/// channel closes when all of these events have been handled or replaced by newer ones.
#[derive(Debug, Clone)]
pub struct Refusals(UnboundedSender<String>);

impl Refusals {
    /// Creates a channel for the reasons. It needs no bound, because a request contains few events, and each causes few
    /// reasons.
    #[must_use]
    pub fn channel() -> (Self, UnboundedReceiver<String>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Reports a reason, unless the receiver no longer waits. Never blocks.
    pub fn report(&self, reason: String) {
        // A receiver that has stopped waiting is no longer interested.
        let _ = self.0.send(reason);
    }
}

impl PartialEq for Refusals {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}
