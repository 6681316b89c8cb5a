//! Sends feedback to the motors and lights of controllers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Message;
use super::device::DeviceId;
use super::out::{Route, TimedMessage};
use crate::event::health::{Loss, Losses};

/// The feedback output to devices, shared by all clones. For control threads only, never for an audio callback.
#[derive(Debug, Clone)]
pub struct MidiFeedback {
    outputs: Arc<Mutex<OutputPorts>>,
    losses: Arc<Losses>,
}

#[derive(Debug, Default)]
struct OutputPorts {
    /// Parts of device names, in lower case.
    requested: Vec<String>,
    routes: BTreeMap<DeviceId, Route>,
}

impl MidiFeedback {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { outputs: Arc::default(), losses }
    }

    /// Requests feedback to devices whose names contain one of `parts`, which must be in lower case. The output to such
    /// a device opens within a second and stays open until the device disconnects;
    /// [`super::MidiEvent::FeedbackReady`] reports each opening.
    pub fn request(&self, parts: Vec<String>) {
        self.lock().requested = parts;
    }

    /// Sends a message to a device immediately. Never blocks: if the queue is full, the message is dropped and counted;
    /// if the device has no feedback port, the message is ignored.
    pub fn send(&self, device: DeviceId, message: Message) {
        let timed = TimedMessage::new(Instant::now(), message);
        if !self.lock().routes.get_mut(&device).is_none_or(|route| route.push(timed)) {
            self.losses.add(Loss::MidiFeedback, 1);
        }
    }

    /// Returns the requested part of a device name that a port's name contains, if any; in lower case.
    pub(super) fn requested_part(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        self.lock().requested.iter().find(|part| name.contains(*part)).cloned()
    }

    pub(super) fn open(&self, device: DeviceId, route: Route) {
        self.lock().routes.insert(device, route);
    }

    pub(super) fn close(&self, device: DeviceId) -> Option<Route> {
        self.lock().routes.remove(&device)
    }

    fn lock(&self) -> MutexGuard<'_, OutputPorts> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
