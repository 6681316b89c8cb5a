//! The ways back: messages to the devices that send, for their motors and lights.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Message;
use super::host::DeviceId;
use super::out::{Route, Timed};

/// The ways back to devices. Clones share them; used by control threads only, never by an audio callback.
#[derive(Debug, Clone, Default)]
pub struct MidiFeedback {
    ways: Arc<Mutex<Ways>>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Ways {
    /// Parts of names, in lower case.
    wanted: Vec<String>,
    routes: BTreeMap<DeviceId, Route>,
}

impl MidiFeedback {
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
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Messages lost because a device did not take them in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
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
