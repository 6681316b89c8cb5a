//! Follows the JACK transport: its tempo and where its beats lie.
//!
//! Bar, beat and tempo come from the timebase master. Without one the transport has a position in frames and no tempo, and
//! nothing is said; so the last tempo stands. The transport is looked at from a thread of its own: where a beat lies is
//! computed from the moment at which JACK's period began, so looking seldom costs nothing but time until it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use jack::{AsyncClient, Client, ClientStatus, Control, NotificationHandler, ProcessHandler, ProcessScope};
use jack::{TransportBBT, TransportState};

use super::{ClockEvent, SessionFollower};
use crate::output::jack_clients::{self, Calls};
use crate::threads;

const CLIENT: &str = "melos-transport";
/// How often the transport is looked at.
const INTERVAL: Duration = Duration::from_millis(5);
/// How often one looks whether it is wanted.
const IDLE: Duration = Duration::from_millis(50);
/// Between two tries to reach a server.
const RETRY: Duration = Duration::from_secs(2);
/// A server that does not call for this long is gone; the longest period in use is about 100 ms.
const STANDSTILL: Duration = Duration::from_millis(900);

/// Starts the thread that follows the transport while it is `wanted`; what the transport says goes to `events`. It ends when
/// nobody else holds `wanted` any more.
///
/// # Errors
/// When there can be no more threads.
pub fn follow_transport(wanted: Arc<AtomicBool>, events: SyncSender<ClockEvent>) -> std::io::Result<()> {
    threads::spawn_steady("melos-transport", move || follow(&wanted, &events)).map(drop)
}

fn follow(wanted: &Arc<AtomicBool>, events: &SyncSender<ClockEvent>) {
    let (mut listener, mut follower): (Option<Listener>, _) = (None, SessionFollower::default());
    let mut said = None;
    let mut tried: Option<Instant> = None;
    // Nobody else holds it any more: nobody will want it again.
    while Arc::strong_count(wanted) > 1 {
        if !wanted.load(Relaxed) {
            (listener, follower, said, tried) = (None, SessionFollower::default(), None, None);
            thread::sleep(IDLE);
            continue;
        }
        let seen = match &mut listener {
            Some(open) => open.look(),
            None if tried.is_some_and(|at| at.elapsed() < RETRY) => Err(None),
            None => {
                tried = Some(Instant::now());
                Listener::open().map(|open| listener.insert(open)).map_err(Some).and_then(Listener::look)
            }
        };
        let state = match seen {
            Ok(seen) => {
                follower.look(seen.tempo, seen.beat, |event| {
                    // One that is lost is made up for by the next beat.
                    let _ = events.try_send(event);
                });
                if seen.tempo.is_some() { "followed" } else { "without a tempo: no timebase master is there" }
            }
            Err(None) => {
                thread::sleep(IDLE);
                continue;
            }
            Err(Some(reason)) => {
                (listener, follower) = (None, SessionFollower::default());
                if said.is_none_or(|said| said != LOST) {
                    tracing::warn!("the JACK transport leads the tempo, but {reason}; the tempo stays where it is");
                }
                said = Some(LOST);
                continue;
            }
        };
        if said != Some(state) {
            tracing::info!("the JACK transport is {state}");
            said = Some(state);
        }
        thread::sleep(INTERVAL);
    }
}

/// LogLimiter of a server that is not there.
const LOST: &str = "lost";

/// What the transport says at a moment.
struct Seen {
    /// `None` without a timebase master.
    tempo: Option<f64>,
    /// `None` while it stands.
    beat: Option<(u64, Instant)>,
}

/// A client without ports.
struct Listener {
    client: AsyncClient<Watcher, Counter>,
    lost: Arc<AtomicBool>,
    /// Kept until the client is closed, so it stands below it.
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
    /// When the server is gone.
    fn look(&mut self) -> Result<Seen, Option<String>> {
        let calls = self.calls.so_far();
        if calls != self.calls_seen {
            (self.calls_seen, self.calls_seen_at) = (calls, Instant::now());
        }
        if self.lost.load(Relaxed) || self.calls_seen_at.elapsed() > STANDSTILL {
            return Err(Some("the server is gone".to_owned()));
        }
        let client = self.client.as_client();
        let seen = client.transport().query().map_err(|error| Some(error.to_string()))?;
        let (now, micros) = (Instant::now(), client.time());
        let Some(bbt) = seen.pos.bbt().filter(|bbt| bbt.bpm > 0.0) else { return Ok(Seen { tempo: None, beat: None }) };
        // What is played from the period that began then leaves with it, ours as theirs.
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

/// The beat of the song that a position, said `late` seconds after it was true, lies in, from 0, and how long ago it began.
fn whole_beat(position: &TransportBBT, late: f64) -> (u64, Duration) {
    let per_bar = f64::from(position.sig_num);
    let bars = position.bar.saturating_sub(1) as f64 * per_bar;
    let in_bar = position.beat.saturating_sub(1) as f64 + position.tick as f64 / position.ticks_per_beat;
    let beat = (bars + in_bar + late * position.bpm / 60.0).max(0.0);
    (beat as u64, Duration::try_from_secs_f64((beat - beat.floor()) * 60.0 / position.bpm).unwrap_or_default())
}

/// Tells that the server calls; it has nothing to play.
struct Counter(Calls);

impl ProcessHandler for Counter {
    fn process(&mut self, _: &Client, _: &ProcessScope) -> Control {
        self.0.count();
        Control::Continue
    }
}

struct Watcher(Arc<AtomicBool>);

impl NotificationHandler for Watcher {
    #[expect(unsafe_code, reason = "declared so by the trait; storing a flag is all a signal handler may do")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_lies_in_a_beat_of_the_song() {
        let mut position = TransportBBT::default();
        position.with_bpm(120.0).with_timesig(3.0, 4.0).with_bbt(1, 1, 0).with_ticks_per_beat(960.0);
        assert_eq!(whole_beat(&position, 0.0), (0, Duration::ZERO));
        position.with_bbt(3, 2, 240);
        assert_eq!(whole_beat(&position, 0.0), (7, Duration::from_millis(125)));
        assert_eq!(whole_beat(&position, 0.5), (8, Duration::from_millis(125)));
    }
}
