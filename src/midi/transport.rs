//! Follows the tempo and the beats of the JACK transport.
//!
//! Bar, beat and tempo come from the timebase master. Without one, the transport has a position in frames but no tempo,
//! and nothing is reported, so that the last tempo is kept. A separate thread polls the transport. Beat times are
//! computed from the start of JACK's period, so infrequent polling merely delays the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use jack::{AsyncClient, Client, ClientStatus, Control, NotificationHandler, ProcessHandler, ProcessScope};
use jack::{TransportBBT, TransportState};

use super::{ClockEvent, SessionFollower};
use crate::event::Wake;
use crate::output::jack_clients::{self, Calls};
use crate::threads;

const CLIENT: &str = "melos-transport";
/// Polling interval of the transport.
const INTERVAL: Duration = Duration::from_millis(5);
/// Interval for checking whether the transport should be followed.
const IDLE: Duration = Duration::from_millis(50);
/// Interval for reconnecting to a server.
const RETRY: Duration = Duration::from_secs(2);
/// A server that has not called the callback for this long has stopped; the longest period in use is about 100 ms.
const STALL_TIMEOUT: Duration = Duration::from_millis(900);

/// Starts the thread that follows the transport while `wanted` is set; its reports go to `events`, whose reader is
/// woken. The thread ends when all other references to `wanted` have been dropped.
///
/// # Errors
/// When no thread can be started.
pub fn follow_transport(wanted: Arc<AtomicBool>, events: SyncSender<ClockEvent>, wake: Wake) -> std::io::Result<()> {
    threads::spawn_restarting("melos-transport", move || follow(&wanted, &events, &wake)).map(drop)
}

fn follow(wanted: &Arc<AtomicBool>, events: &SyncSender<ClockEvent>, wake: &Wake) {
    let (mut listener, mut follower): (Option<Listener>, _) = (None, SessionFollower::default());
    let mut reported = None;
    let mut tried: Option<Instant> = None;
    // This is the only reference left, so the flag can no longer be set.
    while Arc::strong_count(wanted) > 1 {
        if !wanted.load(Relaxed) {
            (listener, follower, reported, tried) = (None, SessionFollower::default(), None, None);
            thread::sleep(IDLE);
            continue;
        }
        let seen = match &mut listener {
            Some(open) => open.poll(),
            None if tried.is_some_and(|at| at.elapsed() < RETRY) => Err(None),
            None => {
                tried = Some(Instant::now());
                Listener::open().map(|open| listener.insert(open)).map_err(Some).and_then(Listener::poll)
            }
        };
        let state = match seen {
            Ok(seen) => {
                follower.update(seen.tempo, seen.beat, |event| {
                    // The next beat makes up for a lost report.
                    let _ = events.try_send(event);
                    wake.ring();
                });
                if seen.tempo.is_some() { "followed" } else { "without a tempo: there is no timebase master" }
            }
            Err(None) => {
                thread::sleep(IDLE);
                continue;
            }
            Err(Some(reason)) => {
                (listener, follower) = (None, SessionFollower::default());
                if reported.is_none_or(|reported| reported != LOST) {
                    tracing::warn!("the JACK transport controls the tempo, but {reason}; keeping the current tempo");
                }
                reported = Some(LOST);
                continue;
            }
        };
        if reported != Some(state) {
            tracing::info!("the JACK transport is {state}");
            reported = Some(state);
        }
        thread::sleep(INTERVAL);
    }
}

/// Reported when no server is running.
const LOST: &str = "lost";

/// The state of the transport at a time.
struct Seen {
    /// `None` without a timebase master.
    tempo: Option<f64>,
    /// `None` while stopped.
    beat: Option<(u64, Instant)>,
}

/// A client without ports.
struct Listener {
    client: AsyncClient<Watcher, Counter>,
    lost: Arc<AtomicBool>,
    /// Must outlive the client, so it is declared after it.
    calls: Calls,
    calls_seen: u64,
    calls_seen_at: Instant,
}

impl Listener {
    fn open() -> Result<Self, String> {
        let (calls, client) = jack_clients::open(CLIENT)?;
        let lost = Arc::new(AtomicBool::new(false));
        let client = client
            .activate_async(Watcher(Arc::clone(&lost)), Counter(calls.clone()))
            .map_err(|error| error.to_string())?;
        Ok(Self { client, lost, calls, calls_seen: 0, calls_seen_at: Instant::now() })
    }

    /// # Errors
    /// When the server has stopped.
    fn poll(&mut self) -> Result<Seen, Option<String>> {
        let calls = self.calls.so_far();
        if calls != self.calls_seen {
            (self.calls_seen, self.calls_seen_at) = (calls, Instant::now());
        }
        if self.lost.load(Relaxed) || self.calls_seen_at.elapsed() > STALL_TIMEOUT {
            return Err(Some("the server has stopped".to_owned()));
        }
        let client = self.client.as_client();
        let seen = client.transport().query().map_err(|error| Some(error.to_string()))?;
        let (now, micros) = (Instant::now(), client.time());
        let Some(bbt) = seen.pos.bbt().filter(|bbt| bbt.bpm > 0.0) else { return Ok(Seen { tempo: None, beat: None }) };
        // The position is that of the start of the period; output latency is the same for all clients.
        let period = Duration::from_micros(micros.saturating_sub(seen.pos.usecs().unwrap_or(micros)));
        let late = seen.pos.bbt_offset().map_or(0.0, |frames| f64::from(frames) / client.sample_rate() as f64);
        let rolls = seen.state == TransportState::Rolling;
        let beat = rolls.then(|| {
            let (beat, since) = whole_beat(&bbt, late);
            (beat, now.checked_sub(period + since).unwrap_or(now))
        });
        Ok(Seen { tempo: Some(bbt.bpm), beat })
    }
}

/// Given a position read `late` seconds ago, the song's current beat, from 0, and how long ago it began.
fn whole_beat(position: &TransportBBT, late: f64) -> (u64, Duration) {
    let per_bar = f64::from(position.sig_num);
    let bars = position.bar.saturating_sub(1) as f64 * per_bar;
    let in_bar = position.beat.saturating_sub(1) as f64 + position.tick as f64 / position.ticks_per_beat;
    let beat = (bars + in_bar + late * position.bpm / 60.0).max(0.0);
    (beat as u64, Duration::try_from_secs_f64((beat - beat.floor()) * 60.0 / position.bpm).unwrap_or_default())
}

/// Counts callbacks of the server; there is nothing to play.
struct Counter(Calls);

impl ProcessHandler for Counter {
    fn process(&mut self, _: &Client, _: &ProcessScope) -> Control {
        self.0.count();
        Control::Continue
    }
}

struct Watcher(Arc<AtomicBool>);

impl NotificationHandler for Watcher {
    #[expect(unsafe_code, reason = "required by the trait; a signal handler may only store a flag")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_converted_to_a_beat_of_the_song() {
        let mut position = TransportBBT::default();
        position.with_bpm(120.0).with_timesig(3.0, 4.0).with_bbt(1, 1, 0).with_ticks_per_beat(960.0);
        assert_eq!(whole_beat(&position, 0.0), (0, Duration::ZERO));
        position.with_bbt(3, 2, 240);
        assert_eq!(whole_beat(&position, 0.0), (7, Duration::from_millis(125)));
        assert_eq!(whole_beat(&position, 0.5), (8, Duration::from_millis(125)));
    }
}
