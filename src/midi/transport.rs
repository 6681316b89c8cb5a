//! Follows the tempo and beats of the JACK transport.
//!
//! Bar, beat and tempo come from the timebase master. Without one, the transport has a position in frames but no tempo,
//! and no events are sent, so that the last tempo remains in effect. A separate thread polls the transport. Beat times
//! are computed from the start of JACK's period, so infrequent polling only delays the reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use jack::{AsyncClient, Client, ClientStatus, Control, NotificationHandler, ProcessHandler, ProcessScope};
use jack::{TransportBBT, TransportState};

use super::{ClockEvent, FollowerState, SessionFollower, SessionStatus};
use crate::event::Wake;
use crate::output::jack_clients::{self, Calls};
use crate::threads;

const CLIENT: &str = "melos-transport";
/// Interval between polls of the transport.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Interval between checks of whether to follow the transport.
const IDLE_INTERVAL: Duration = Duration::from_millis(50);
/// Interval between attempts to connect to a server.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Time without a callback after which the server counts as stopped; JACK periods are hardly ever longer than 100 ms.
const STALL_TIMEOUT: Duration = Duration::from_millis(900);

/// Starts a thread that follows the transport while `state` is enabled. It sends reports to `events`, wakes their
/// reader with `wake`, and ends when all other references to `state` have been dropped.
///
/// # Errors
/// If no thread can be started.
pub fn follow_transport(state: Arc<FollowerState>, events: SyncSender<ClockEvent>, wake: Wake) -> std::io::Result<()> {
    threads::spawn_restarting("melos-transport", move || follow(&state, &events, &wake)).map(drop)
}

fn follow(state: &Arc<FollowerState>, events: &SyncSender<ClockEvent>, wake: &Wake) {
    let (mut client, mut follower): (Option<TransportClient>, _) = (None, SessionFollower::default());
    let mut last_attempt: Option<Instant> = None;
    // Once this is the only reference, the state can no longer change.
    while Arc::strong_count(state) > 1 {
        if !state.is_enabled() {
            (client, follower, last_attempt) = (None, SessionFollower::default(), None);
            state.report(SessionStatus::Absent);
            thread::sleep(IDLE_INTERVAL);
            continue;
        }
        let snapshot = match &mut client {
            Some(open) => open.poll(),
            None if last_attempt.is_some_and(|at| at.elapsed() < RETRY_INTERVAL) => Err(None),
            None => {
                last_attempt = Some(Instant::now());
                TransportClient::open().map(|open| client.insert(open)).map_err(Some).and_then(TransportClient::poll)
            }
        };
        match snapshot {
            Ok(snapshot) => {
                follower.update(snapshot.tempo, snapshot.beat, |event| {
                    let sent = events.try_send(event).is_ok();
                    wake.notify();
                    sent
                });
                let has_tempo = snapshot.tempo.is_some();
                state.report(if has_tempo { SessionStatus::WithTempo } else { SessionStatus::WithoutTempo });
                thread::sleep(POLL_INTERVAL);
            }
            Err(None) => thread::sleep(IDLE_INTERVAL),
            Err(Some(reason)) => {
                tracing::debug!("cannot follow the JACK transport: {reason}");
                (client, follower) = (None, SessionFollower::default());
                state.report(SessionStatus::Absent);
            }
        }
    }
}

/// The state of the transport when polled.
struct Snapshot {
    /// Beats per minute; `None` without a timebase master.
    tempo: Option<f64>,
    /// The current beat and when it began; `None` while stopped.
    beat: Option<(u64, Instant)>,
}

/// A client without ports.
struct TransportClient {
    client: AsyncClient<ShutdownFlag, CallCounter>,
    lost: Arc<AtomicBool>,
    /// Declared after the client, which it must outlive.
    calls: Calls,
    calls_seen: u64,
    calls_seen_at: Instant,
}

impl TransportClient {
    fn open() -> Result<Self, String> {
        let (calls, client) = jack_clients::open(CLIENT)?;
        let lost = Arc::new(AtomicBool::new(false));
        let client = client
            .activate_async(ShutdownFlag(Arc::clone(&lost)), CallCounter(calls.clone()))
            .map_err(|error| error.to_string())?;
        Ok(Self { client, lost, calls, calls_seen: 0, calls_seen_at: Instant::now() })
    }

    /// Polls the transport.
    ///
    /// # Errors
    /// If the server has stopped or the query fails.
    fn poll(&mut self) -> Result<Snapshot, Option<String>> {
        let calls = self.calls.count();
        if calls != self.calls_seen {
            (self.calls_seen, self.calls_seen_at) = (calls, Instant::now());
        }
        if self.lost.load(Relaxed) || self.calls_seen_at.elapsed() > STALL_TIMEOUT {
            return Err(Some("the server has stopped".to_owned()));
        }
        let client = self.client.as_client();
        let snapshot = client.transport().query().map_err(|error| Some(error.to_string()))?;
        let (now, micros) = (Instant::now(), client.time());
        let Some(bbt) = snapshot.pos.bbt().filter(|bbt| bbt.bpm > 0.0) else {
            return Ok(Snapshot { tempo: None, beat: None });
        };
        // The position is valid at the start of the period. Output latency is ignored, because it is the same for all
        // clients.
        let period_age = Duration::from_micros(micros.saturating_sub(snapshot.pos.usecs().unwrap_or(micros)));
        let age = snapshot.pos.bbt_offset().map_or(0.0, |frames| f64::from(frames) / client.sample_rate() as f64);
        let is_rolling = snapshot.state == TransportState::Rolling;
        let beat = is_rolling.then(|| {
            let (beat, beat_age) = current_beat(&bbt, age);
            (beat, now.checked_sub(period_age + beat_age).unwrap_or(now))
        });
        Ok(Snapshot { tempo: Some(bbt.bpm), beat })
    }
}

/// Returns the song's beat at the start of the period, counted from 0, and how long before that it began, given a
/// position that was valid `age` seconds before the start of the period.
fn current_beat(position: &TransportBBT, age: f64) -> (u64, Duration) {
    let per_bar = f64::from(position.sig_num);
    let bars = position.bar.saturating_sub(1) as f64 * per_bar;
    let in_bar = position.beat.saturating_sub(1) as f64 + position.tick as f64 / position.ticks_per_beat;
    let beat = (bars + in_bar + age * position.bpm / 60.0).max(0.0);
    (beat as u64, Duration::try_from_secs_f64((beat - beat.floor()) * 60.0 / position.bpm).unwrap_or_default())
}

/// Counts the server's callbacks; plays nothing.
struct CallCounter(Calls);

impl ProcessHandler for CallCounter {
    fn process(&mut self, _: &Client, _: &ProcessScope) -> Control {
        self.0.increment();
        Control::Continue
    }
}

struct ShutdownFlag(Arc<AtomicBool>);

impl NotificationHandler for ShutdownFlag {
    #[expect(unsafe_code, reason = "required by the trait; runs like a signal handler, so it only stores a flag")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_a_position_to_a_beat() {
        let mut position = TransportBBT::default();
        position.with_bpm(120.0).with_timesig(3.0, 4.0).with_bbt(1, 1, 0).with_ticks_per_beat(960.0);
        assert_eq!(current_beat(&position, 0.0), (0, Duration::ZERO));
        position.with_bbt(3, 2, 240);
        assert_eq!(current_beat(&position, 0.0), (7, Duration::from_millis(125)));
        assert_eq!(current_beat(&position, 0.5), (8, Duration::from_millis(125)));
    }
}
