//! The mappings in use on all connected devices, and the control events that they produce.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feedback::{Echoes, FeedbackMessage};
use super::hint::{ControlName, moved_control};
use super::inherit::with_inherited;
use super::{Control, LearnedControl, Mapping, Router};
use crate::event::ControlEvent;
use crate::event::parameter::{Param, TABLE, Value};
use crate::midi::{ClockFollower, Device, DeviceId, Message, MidiEvent, OWN_PORT};
use crate::quote::listed;

/// Maximum number of unmapped controls reported per device.
const MAX_HINTS: usize = 256;
/// How long the followed clock must be silent before another takes over, or stopped before a running one does: eight
/// ticks at the slowest tempo.
const CLOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of learned controls; beyond it, a new one replaces the oldest.
const MAX_LEARNED: usize = 256;

/// The mappings in use. Owned by the thread that reads the events of [`crate::midi::MidiConnection`].
#[derive(Debug)]
pub struct LiveMappings {
    mappings: Vec<Arc<Mapping>>,
    /// Learned controls, oldest first.
    learned: VecDeque<LearnedControl>,
    devices: BTreeMap<DeviceId, ConnectedDevice>,
    /// The parameters' values in the order of the table.
    values: Vec<Value>,
    lead_notes: u128,
    played_notes: u128,
    leader: Option<ClockLeader>,
}

/// The device whose clock is followed: the first to send ticks, until it disconnects, becomes silent, or is stopped
/// while another is running.
#[derive(Debug, Clone, Copy)]
struct ClockLeader {
    device: DeviceId,
    /// Time of its last tick, start or continue message.
    last_tick: Instant,
    /// Time of its last such message while running.
    last_running: Instant,
}

#[derive(Debug)]
struct ConnectedDevice {
    device: Device,
    routers: Vec<Router>,
    echoes: Echoes,
    /// Unmapped controls already reported.
    hinted: BTreeSet<(Control, Option<u8>)>,
    clock: ClockFollower,
}

impl LiveMappings {
    /// Creates live mappings from mappings and learned controls. Parameters are assumed to be at their defaults until
    /// [`LiveMappings::update_value`] is called.
    #[must_use]
    pub fn new(mappings: Vec<Mapping>, learned: Vec<LearnedControl>) -> Self {
        Self {
            mappings: with_inherited(mappings),
            learned: learned.into(),
            devices: BTreeMap::new(),
            values: TABLE.iter().map(|spec| spec.param.default_value()).collect(),
            lead_notes: 0,
            played_notes: 0,
            leader: None,
        }
    }

    /// Replaces the mappings and releases held keys and buttons.
    pub fn set_mappings(&mut self, mappings: Vec<Mapping>, out: &mut Vec<ControlEvent>) {
        self.mappings = with_inherited(mappings);
        let devices = std::mem::take(&mut self.devices);
        for ConnectedDevice { device, clock, mut routers, .. } in devices.into_values() {
            let id = device.id;
            self.release_buttons(&mut routers, out);
            self.connect(device);
            self.devices.entry(id).and_modify(|connected| connected.clock = clock);
        }
        self.report_keys(out);
    }

    /// Returns the name of a connected device.
    #[must_use]
    pub fn device_name(&self, device: DeviceId) -> Option<&str> {
        self.devices.get(&device).map(|connected| connected.device.name.as_str())
    }

    /// Returns the connected devices, each with the names of the mappings written for it. A device without any uses the
    /// mappings for all other devices. Under JACK, Melos's own port counts as a device, but only once something is connected to it.
    pub fn devices(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        let connected = self.devices.values().filter(|connected| connected.device.name != OWN_PORT);
        connected.map(|connected| {
            let matching = self.mappings.iter().filter(|mapping| mapping.matches(&connected.device.name));
            (connected.device.name.as_str(), matching.map(|mapping| mapping.name.clone()).collect())
        })
    }

    /// Adds a learned control, which applies whenever its device is connected. Replaces an earlier learned binding of
    /// the same control.
    pub fn learn(&mut self, learned: LearnedControl) {
        self.forget_where(|old| learned.replaces(old));
        for connected in self.devices.values_mut().filter(|connected| learned.belongs_to(&connected.device.name)) {
            connected.routers.push(Router::new(Arc::clone(&learned.mapping), &self.values));
        }
        if self.learned.len() == MAX_LEARNED {
            let oldest = self.learned.front().map(|oldest| Arc::clone(&oldest.mapping));
            self.forget_where(|learned| oldest.as_ref().is_some_and(|oldest| Arc::ptr_eq(oldest, &learned.mapping)));
        }
        self.learned.push_back(learned);
    }

    /// Removes the learned controls of a parameter and returns their number.
    pub fn forget(&mut self, param: Param) -> usize {
        self.forget_where(|learned| learned.sets(param))
    }

    /// Removes the learned controls that `is_removed` selects and returns their number.
    fn forget_where(&mut self, is_removed: impl Fn(&LearnedControl) -> bool) -> usize {
        let (removed, kept): (VecDeque<_>, _) = self.learned.drain(..).partition(is_removed);
        self.learned = kept;
        for connected in self.devices.values_mut() {
            connected.routers.retain(|router| !removed.iter().any(|old| Arc::ptr_eq(&old.mapping, router.mapping())));
        }
        removed.len()
    }

    /// Returns the learned controls, oldest first.
    pub fn learned(&self) -> impl Iterator<Item = &LearnedControl> {
        self.learned.iter()
    }

    /// Returns the parts of device names, in lower case, by which to find the devices that receive feedback.
    #[must_use]
    pub fn feedback_devices(&self) -> Vec<String> {
        let with_feedback = self.mappings.iter().filter(|mapping| mapping.has_feedback());
        with_feedback.map(|mapping| mapping.port_contains.clone()).collect()
    }

    /// Adds to `out` the feedback that is due for all devices. Must be called thirty times a second.
    pub fn feedback(&mut self, out: &mut Vec<(DeviceId, Message)>) {
        let mut messages = Vec::new();
        for (id, connected) in &mut self.devices {
            connected.echoes.tick();
            connected.routers.iter_mut().for_each(|router| router.feedback(&mut messages));
            for FeedbackMessage { message, echo } in messages.drain(..) {
                if echo {
                    connected.echoes.expect(message);
                }
                out.push((*id, message));
            }
        }
    }

    /// Records a parameter's new value, whether set by a device or another source.
    pub fn update_value(&mut self, param: Param, value: &Value) {
        self.values[param as usize] = value.clone();
        for router in self.devices.values_mut().flat_map(|connected| &mut connected.routers) {
            router.update_value(param, value);
        }
    }

    /// Processes a device event and adds the resulting control events to `out`. `frame` converts a time to a frame on
    /// the performance's timeline.
    pub fn process(&mut self, event: MidiEvent, frame: impl Fn(Instant) -> u64, out: &mut Vec<ControlEvent>) {
        match event {
            MidiEvent::Connected(device) => self.connect(device),
            MidiEvent::Disconnected(id) => {
                if let Some(mut removed) = self.devices.remove(&id) {
                    self.release_buttons(&mut removed.routers, out);
                }
                self.leader = self.leader.filter(|leader| leader.device != id);
                self.report_keys(out);
            }
            MidiEvent::FeedbackReady(id) => {
                let routers = self.devices.get_mut(&id).map(|connected| &mut connected.routers);
                routers.into_iter().flatten().for_each(Router::resend_feedback);
            }
            MidiEvent::Sent { device, at, message } => {
                let Some(connected) = self.devices.get_mut(&device) else { return };
                if connected.echoes.take(message) {
                    return;
                }
                let first_new = out.len();
                let (mut uses_clock, mut used) = (false, false);
                for router in &mut connected.routers {
                    used |= router.process(message, out);
                    uses_clock |= router.mapping().clock.unwrap_or(false);
                    if let Some(takeover) = router.take_pending_takeover() {
                        tracing::info!("{}: {takeover}", connected.device.name);
                    }
                }
                if !used {
                    connected.suggest_mapping(message);
                }
                self.store_values(&out[first_new..]);
                self.report_keys(out);
                if uses_clock {
                    self.follow_clock(device, at, message, frame, out);
                }
            }
        }
    }

    fn connect(&mut self, device: Device) {
        let mut routers: Vec<Router> = self.routers(|mapping| mapping.matches(&device.name));
        if routers.is_empty() {
            routers = self.routers(|mapping| mapping.port_contains.is_empty());
        }
        let learned = self.learned.iter().filter(|learned| learned.belongs_to(&device.name));
        routers.extend(learned.map(|learned| Router::new(Arc::clone(&learned.mapping), &self.values)));
        let mappings = listed(routers.iter().map(|router| router.mapping().name.as_str()));
        if device.name != OWN_PORT {
            tracing::info!(device = device.name, mappings, "MIDI device mapped");
        }
        let connected = ConnectedDevice {
            routers,
            echoes: Echoes::default(),
            hinted: BTreeSet::new(),
            clock: ClockFollower::default(),
            device,
        };
        self.devices.insert(connected.device.id, connected);
    }

    fn routers(&self, is_used: impl Fn(&Mapping) -> bool) -> Vec<Router> {
        let mappings = self.mappings.iter().filter(|mapping| is_used(mapping));
        mappings.map(|mapping| Router::new(Arc::clone(mapping), &self.values)).collect()
    }

    /// Stores the values that events set.
    fn store_values(&mut self, events: &[ControlEvent]) {
        for event in events {
            if let ControlEvent::Set(param, value) = event {
                self.values[*param as usize] = value.clone();
            }
        }
    }

    /// Restores the values that held buttons of routers about to be dropped have replaced.
    fn release_buttons(&mut self, routers: &mut [Router], out: &mut Vec<ControlEvent>) {
        let first_new = out.len();
        routers.iter_mut().for_each(|router| router.release_buttons(out));
        self.store_values(&out[first_new..]);
    }

    /// Adds an event with the lead notes if they have changed, and an event for each key that no longer plays the piano.
    fn report_keys(&mut self, out: &mut Vec<ControlEvent>) {
        let routers = || self.devices.values().flat_map(|connected| &connected.routers);
        let lead_notes = routers().fold(0, |notes, router| notes | router.lead_notes());
        let played_notes = routers().fold(0, |notes, router| notes | router.played_notes());
        let released = std::mem::replace(&mut self.played_notes, played_notes) & !played_notes;
        let released = (0u8..128).filter(|note| released >> note & 1 == 1);
        out.extend(released.map(|note| ControlEvent::PlayNote { note, velocity: 0 }));
        if lead_notes != self.lead_notes {
            self.lead_notes = lead_notes;
            out.push(ControlEvent::LeadNotes(lead_notes));
        }
    }

    /// Makes all clocks report their tempo again.
    pub fn repeat_tempo(&mut self) {
        self.devices.values_mut().for_each(|connected| connected.clock.repeat_tempo());
    }

    /// Returns whether a clock is followed and has ticked, started or continued within the last second.
    #[must_use]
    pub fn has_active_clock(&self, now: Instant) -> bool {
        self.leader.is_some_and(|leader| now.saturating_duration_since(leader.last_tick) < CLOCK_TIMEOUT)
    }

    fn follow_clock(
        &mut self,
        device: DeviceId,
        at: Instant,
        message: Message,
        frame: impl Fn(Instant) -> u64,
        out: &mut Vec<ControlEvent>,
    ) {
        let is_clock = matches!(message, Message::Clock | Message::Start | Message::Continue);
        let Some(clock) = self.devices.get_mut(&device).map(|connected| &mut connected.clock) else { return };
        let is_running =
            clock.is_running() && message != Message::Stop || matches!(message, Message::Start | Message::Continue);
        let takes_lead = self.leader.is_none_or(|leader| {
            let is_silent = at.saturating_duration_since(leader.last_tick) >= CLOCK_TIMEOUT;
            let is_stopped = at.saturating_duration_since(leader.last_running) >= CLOCK_TIMEOUT;
            leader.device != device && (is_silent || is_stopped && is_running)
        });
        if takes_lead && is_clock {
            // The reports of this clock were discarded until now.
            clock.repeat_tempo();
            self.leader = Some(ClockLeader { device, last_tick: at, last_running: at });
        }
        let mut events = Vec::new();
        clock.process(message, at, &mut events);
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.device == device) {
            if is_clock {
                leader.last_tick = at;
            }
            if is_clock && is_running {
                leader.last_running = at;
            }
            out.extend(events.into_iter().map(|event| event.to_control_event(&frame)));
        }
    }
}

impl ConnectedDevice {
    /// Logs how to map an unmapped control, once per control.
    fn suggest_mapping(&mut self, message: Message) {
        let Some(ControlName(control, channel)) = moved_control(message) else { return };
        if self.hinted.len() < MAX_HINTS && self.hinted.insert((control, channel)) {
            tracing::info!(
                "{}: {} is not bound to anything; to bind it, run `melos learn` with a parameter, such as `melos learn valence`",
                self.device.name,
                ControlName(control, channel)
            );
        }
    }
}

#[cfg(test)]
mod tests;
