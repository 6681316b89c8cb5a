//! The ways back: messages to the devices that send, for their motors and lights.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Message;
use super::host::DeviceId;
use super::out::{Route, Timed};
use crate::event::health::{Loss, Losses};

/// The ways back to devices. Clones share them; used by control threads only, never by an audio callback.
#[derive(Debug, Clone)]
pub struct MidiFeedback {
    ways: Arc<Mutex<Ways>>,
    losses: Arc<Losses>,
}

#[derive(Debug, Default)]
struct Ways {
    /// Parts of names, in lower case.
    wanted: Vec<String>,
    routes: BTreeMap<DeviceId, Route>,
}

impl MidiFeedback {
    pub(super) fn new(losses: Arc<Losses>) -> Self {
        Self { ways: Arc::default(), losses }
    }

    /// Opens, within a second, ways back to the devices whose names contain one of these parts, in lower case; those that
    /// are open stay. Each one that opens is told with [`super::MidiEvent::Hears`].
    pub fn want(&self, parts: Vec<String>) {
        self.ways().wanted = parts;
    }

    /// Sends a message to a device at once. Never waits: without room the message is lost and counted, without a way back it
    /// is forgotten.
    pub fn send(&self, device: DeviceId, message: Message) {
        let timed = Timed::new(Instant::now(), message);
        if !self.ways().routes.get_mut(&device).is_none_or(|route| route.push(timed)) {
            self.losses.add(Loss::MidiFeedback, 1);
        }
    }

    /// The part by which a port of this name is to be told something, in lower case.
    pub(super) fn part_in(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        self.ways().wanted.iter().find(|part| name.contains(*part)).cloned()
    }

    pub(super) fn open(&self, device: DeviceId, route: Route) {
        self.ways().routes.insert(device, route);
    }

    pub(super) fn close(&self, device: DeviceId) -> Option<Route> {
        self.ways().routes.remove(&device)
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
