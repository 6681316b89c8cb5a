//! All devices at once: which mapping is for which device, and what everything together asks for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::{Mapping, Router};
use crate::control::ControlEvent;
use crate::control::midi::{ClockFollower, Device, DeviceId, Message, MidiEvent};
use crate::parameter::{Param, TABLE, Value};

/// Most controls that are learnt while playing; the oldest makes room.
const MAX_LEARNED: usize = 256;

/// Mappings at work. Owned by whoever takes the events of [`crate::control::midi::MidiIn`]; has no thread of its own.
#[derive(Debug)]
pub struct LiveMappings {
    mappings: Vec<Arc<Mapping>>,
    /// Controls learnt while playing, with the device's name.
    learned: VecDeque<(String, Arc<Mapping>)>,
    devices: BTreeMap<DeviceId, Connected>,
    /// In the order of the parameter table.
    values: Vec<Value>,
    lead: u128,
    clock: ClockFollower,
    /// The device whose clock is followed: the first that ticks, until it goes.
    clock_device: Option<DeviceId>,
}

#[derive(Debug)]
struct Connected {
    device: Device,
    routers: Vec<Router>,
}

impl LiveMappings {
    /// Starts with some mappings; parameters count as at their defaults until [`LiveMappings::value`] says otherwise.
    #[must_use]
    pub fn new(mappings: Vec<Mapping>) -> Self {
        Self {
            mappings: mappings.into_iter().map(Arc::new).collect(),
            learned: VecDeque::new(),
            devices: BTreeMap::new(),
            values: TABLE.iter().map(|spec| spec.param.default_value()).collect(),
            lead: 0,
            clock: ClockFollower::default(),
            clock_device: None,
        }
    }

    /// Takes other mappings; held keys are let go.
    pub fn set_mappings(&mut self, mappings: Vec<Mapping>, out: &mut Vec<ControlEvent>) {
        self.mappings = mappings.into_iter().map(Arc::new).collect();
        let devices = std::mem::take(&mut self.devices);
        for Connected { device, .. } in devices.into_values() {
            self.connect(device);
        }
        self.say_lead(out);
    }

    /// Takes a mapping for one device, beside those of the files; it comes back with the device.
    pub fn add_learned(&mut self, device: DeviceId, mapping: Mapping) {
        let Some(connected) = self.devices.get_mut(&device) else { return };
        let mapping = Arc::new(mapping);
        connected.routers.push(Router::new(Arc::clone(&mapping), &self.values));
        if self.learned.len() == MAX_LEARNED {
            self.learned.pop_front();
        }
        self.learned.push_back((lasting_name(&connected.device.name).to_owned(), mapping));
    }

    /// Learns that a parameter has a value now, from whomever; own values that come back are known as such.
    pub fn value(&mut self, param: Param, value: &Value) {
        self.values[param as usize] = value.clone();
        for router in self.devices.values_mut().flat_map(|connected| &mut connected.routers) {
            router.value(param, value);
        }
    }

    /// Takes what a device did; adds what follows to `out`. `frame` tells where a moment lies on the performance's time
    /// line.
    pub fn midi(&mut self, event: MidiEvent, frame: impl Fn(Instant) -> u64, out: &mut Vec<ControlEvent>) {
        match event {
            MidiEvent::Came(device) => self.connect(device),
            MidiEvent::Went(id) => {
                self.devices.remove(&id);
                if self.clock_device == Some(id) {
                    self.clock_device = None;
                }
                self.say_lead(out);
            }
            MidiEvent::Sent { device, at, message } => {
                let Some(connected) = self.devices.get_mut(&device) else { return };
                let before = out.len();
                let mut clock = false;
                for router in &mut connected.routers {
                    router.message(message, out);
                    clock |= router.mapping().clock;
                }
                for event in &out[before..] {
                    if let ControlEvent::Set(param, value) = event {
                        self.values[*param as usize] = value.clone();
                    }
                }
                self.say_lead(out);
                if clock {
                    self.follow_clock(device, at, message, frame, out);
                }
            }
        }
    }

    fn connect(&mut self, device: Device) {
        let mut routers: Vec<Router> = self.matching(|mapping| mapping.fits(&device.name));
        if routers.is_empty() {
            routers = self.matching(|mapping| mapping.port_contains.is_empty());
        }
        let learned = self.learned.iter().filter(|(name, _)| name == lasting_name(&device.name));
        routers.extend(learned.map(|(_, mapping)| Router::new(Arc::clone(mapping), &self.values)));
        let names: Vec<&str> = routers.iter().map(|router| router.mapping().name.as_str()).collect();
        tracing::info!(device = device.name, mappings = names.join(", "), "MIDI mapped");
        self.devices.insert(device.id, Connected { device, routers });
    }

    fn matching(&self, wanted: impl Fn(&Mapping) -> bool) -> Vec<Router> {
        let mappings = self.mappings.iter().filter(|mapping| wanted(mapping));
        mappings.map(|mapping| Router::new(Arc::clone(mapping), &self.values)).collect()
    }

    /// Says which keys lead now, if that has changed.
    fn say_lead(&mut self, out: &mut Vec<ControlEvent>) {
        let routers = self.devices.values().flat_map(|connected| &connected.routers);
        let lead = routers.fold(0, |notes, router| notes | router.lead_notes());
        if lead != self.lead {
            self.lead = lead;
            out.push(ControlEvent::LeadNotes(lead));
        }
    }

    fn follow_clock(
        &mut self,
        device: DeviceId,
        at: Instant,
        message: Message,
        frame: impl Fn(Instant) -> u64,
        out: &mut Vec<ControlEvent>,
    ) {
        if *self.clock_device.get_or_insert(device) != device {
            return;
        }
        let mut events = Vec::new();
        self.clock.message(message, at, &mut events);
        out.extend(events.into_iter().map(|event| ControlEvent::from_clock(event, &frame)));
    }
}

/// What stays of a device's name when it comes back: ALSA numbers ports anew at the end, JACK lists connections after the
/// port.
fn lasting_name(name: &str) -> &str {
    let port = name.split_once(", ").map_or(name, |(port, _)| port);
    port.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':' || c == ' ')
}

#[cfg(test)]
mod tests;
