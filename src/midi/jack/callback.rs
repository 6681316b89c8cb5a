//! The JACK process callback for MIDI in and out. It does not allocate, lock, wait, log or read a clock. Its only
//! system call wakes the performance thread when messages arrive.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use jack::{Client, Control, MidiIn, MidiOut, Port, ProcessHandler, ProcessScope, RawMidi};
use ringbuf::traits::{Consumer, Producer};
use ringbuf::{HeapCons, HeapProd};

use crate::event::Wake;
use crate::event::health::{Loss, Losses};
use crate::midi::backend::{ReceivedMessage, Sender};
use crate::midi::device::DeviceId;
use crate::midi::out::TimedMessage;
use crate::midi::parse::Parser;
use crate::output::jack_clients::Calls;

/// Converts JACK's times to [`Instant`]s.
#[derive(Debug, Clone, Copy)]
pub(super) struct JackClock {
    origin: Instant,
    /// JACK's time at `origin`, in microseconds.
    micros: u64,
}

impl JackClock {
    /// Creates a converter from an [`Instant`] and the time of JACK's clock at that instant.
    pub(super) const fn new(origin: Instant, micros: u64) -> Self {
        Self { origin, micros }
    }

    fn instant(&self, micros: u64) -> Instant {
        match micros.checked_sub(self.micros) {
            Some(elapsed) => self.origin + Duration::from_micros(elapsed),
            None => self.origin.checked_sub(Duration::from_micros(self.micros - micros)).unwrap_or(self.origin),
        }
    }
}

/// Forwards received messages and wakes their reader. Counts messages that do not fit into the ring.
pub(super) struct Forwarder {
    ring: HeapProd<ReceivedMessage>,
    wake: Wake,
    losses: Arc<Losses>,
}

impl Forwarder {
    /// Creates a forwarder with a new ring.
    pub(super) fn new(sender: &Sender) -> Self {
        Self { ring: sender.open_ring(), wake: sender.wake().clone(), losses: Arc::clone(sender.losses()) }
    }

    fn forward(&mut self, parser: &mut Parser, device: DeviceId, at: Instant, bytes: &[u8]) {
        for message in bytes.iter().filter_map(|byte| parser.feed(*byte)) {
            if self.ring.try_push(ReceivedMessage { device, at, message }).is_err() {
                self.losses.add(Loss::MidiIn, 1);
            }
            self.wake.notify();
        }
    }
}

/// The state of the process callback.
pub(super) struct Callback {
    pub(super) inputs: Vec<InputPort>,
    pub(super) forwarder: Forwarder,
    pub(super) calls: Calls,
    pub(super) outputs: Vec<OutputPort>,
    pub(super) clock: JackClock,
    /// Sample rate in frames per second.
    pub(super) rate: u32,
}

/// An input port.
pub(super) struct InputPort {
    pub(super) port: Port<MidiIn>,
    pub(super) parser: Parser,
    /// The device id to attach to messages.
    pub(super) device_id: Arc<AtomicU64>,
}

/// An output port.
pub(super) struct OutputPort {
    pub(super) port: Port<MidiOut>,
    /// Messages to send, in order of time.
    pub(super) pending: HeapCons<TimedMessage>,
}

impl OutputPort {
    /// Writes the messages due in this cycle, at their frames.
    fn send(&mut self, scope: &ProcessScope, cycle: Instant, rate: u32) {
        let mut writer = self.port.writer(scope);
        let write = |time, bytes: &[u8]| writer.write(&RawMidi { time, bytes }).is_ok();
        send_due(&mut self.pending, cycle, scope.n_frames(), rate, write);
    }
}

/// Calls `write` with the frame and bytes of each message due in a cycle of `frames` frames. If `write` returns
/// false, the message and all later ones wait for the next cycle.
fn send_due(
    pending: &mut HeapCons<TimedMessage>,
    cycle: Instant,
    frames: u32,
    rate: u32,
    mut write: impl FnMut(u32, &[u8]) -> bool,
) {
    let mut last = 0;
    while let Some(timed) = pending.try_peek() {
        let ahead = timed.at.saturating_duration_since(cycle).as_secs_f64() * f64::from(rate);
        if ahead >= f64::from(frames) {
            return;
        }
        // JACK requires that times do not decrease.
        last = last.max(ahead as u32);
        if !write(last, timed.bytes()) {
            return;
        }
        pending.skip(1);
    }
}

impl ProcessHandler for Callback {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        self.calls.increment();
        // The nominal start of the cycle, which has no wake-up jitter. Without it, messages cannot be timed.
        let Ok(times) = scope.cycle_times() else { return Control::Continue };
        let cycle = self.clock.instant(times.current_usecs);
        for InputPort { port, parser, device_id } in &mut self.inputs {
            // A source that has just been connected has no device id yet.
            let Ok(device) = u32::try_from(device_id.load(Relaxed)) else { continue };
            for event in port.iter(scope) {
                let at = cycle + Duration::from_secs_f64(f64::from(event.time) / f64::from(self.rate));
                self.forwarder.forward(parser, DeviceId(device), at, event.bytes);
            }
        }
        for output in &mut self.outputs {
            output.send(scope, cycle, self.rate);
        }
        Control::Continue
    }
}

#[cfg(test)]
mod tests {
    use assert_no_alloc::{assert_no_alloc, reset_violation_count, violation_count};
    use ringbuf::HeapRb;
    use ringbuf::traits::{Observer, Split};

    use super::*;
    use crate::midi::Message;

    #[test]
    fn forwards_and_sends_without_allocating() {
        reset_violation_count();
        let (ring, mut received) = HeapRb::new(4).split();
        let wake = Wake::default();
        assert!(!wake.wait(Duration::ZERO));
        let mut forwarder = Forwarder { ring, wake: wake.clone(), losses: Arc::default() };
        let (mut parser, now) = (Parser::default(), Instant::now());
        assert_no_alloc(|| {
            forwarder.forward(&mut parser, DeviceId(3), now, &[0x90, 60, 100, 62, 100, 0xB0, 1, 2, 1, 3, 1, 4])
        });
        assert_eq!((received.occupied_len(), forwarder.losses.count(Loss::MidiIn)), (4, 1));
        assert!(wake.wait(Duration::ZERO), "the reader of the ring should be woken");
        assert_eq!(
            received.try_pop().map(|received| received.message),
            Some(Message::NoteOn { channel: 0, note: 60, velocity: 100 })
        );

        let (mut out, mut pending) = HeapRb::new(8).split();
        let after = |frames: u32| now + Duration::from_secs_f64(f64::from(frames) / 48_000.0 + 1e-6);
        for frame in [0, 100, 100, 255, 300] {
            out.try_push(TimedMessage::new(after(frame), Message::Clock)).ok().unwrap();
        }
        let mut sent = [u32::MAX; 8];
        let mut count = 0;
        assert_no_alloc(|| {
            send_due(&mut pending, now, 256, 48_000, |frame, bytes| {
                assert!(bytes == [0xF8]);
                sent[count] = frame;
                count += 1;
                true
            });
        });
        assert_eq!((&sent[..count], pending.occupied_len()), (&[0, 100, 100, 255][..], 1));
        assert_no_alloc(|| send_due(&mut pending, after(256), 256, 48_000, |frame, _| frame != 44));
        assert_eq!(pending.occupied_len(), 1, "a message that does not fit into the buffer should wait");
        assert_eq!(violation_count(), 0);
    }

    #[test]
    fn converts_jack_times() {
        let now = Instant::now();
        let clock = JackClock::new(now, 1_000_000);
        assert_eq!(clock.instant(1_002_500), now + Duration::from_micros(2500));
        assert_eq!(clock.instant(999_000), now - Duration::from_micros(1000));
    }
}
