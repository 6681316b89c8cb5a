//! Follows an Ableton Link session: its tempo and where its beats lie.
//!
//! Behind the feature `link`, because Link may be passed on under the GPL-2.0-or-later only. Melos joins as a listener: it
//! never changes the session's tempo. While nobody else is in the session nothing is said, so the last tempo stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusty_link::{AblLink, SessionState};

use crate::midi::{ClockEvent, SessionFollower};

/// Beats per bar; Link's quantum, over which peers agree where a bar begins.
const QUANTUM: f64 = 4.0;
/// How often the session is looked at. Where a beat lies is computed, so this bounds only how late it is told.
const INTERVAL: Duration = Duration::from_millis(5);
/// The tempo Melos would bring to a session without a tempo.
const OWN_TEMPO: f64 = 120.0;

/// A peer of the session in the local network; leaves it when dropped.
#[derive(Debug)]
pub struct Link {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Joins the session. While `wanted`, what it says goes to `events` from a thread of its own; an event nobody takes in
    /// time is lost, the next beat says it again.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(wanted: Arc<AtomicBool>, events: SyncSender<ClockEvent>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("melos-link".to_owned()).spawn(move || {
            let link = AblLink::new(OWN_TEMPO);
            link.enable(true);
            let (mut session, mut follower) = (SessionState::new(), SessionFollower::default());
            while !stopped.load(Ordering::Relaxed) {
                link.capture_app_session_state(&mut session);
                let (now, micros) = (Instant::now(), link.clock_micros());
                let beat = session.beat_at_time(micros, QUANTUM);
                let since = Duration::from_micros((micros - session.time_at_beat(beat.floor(), QUANTUM)).max(0) as u64);
                let heard = wanted.load(Ordering::Relaxed) && link.num_peers() > 0;
                // The whole session has no first beat, and beat 0 would mean a start: count from 4 within the bar.
                let place = (beat.floor().rem_euclid(QUANTUM) + QUANTUM) as u64;
                follower.look(heard.then_some(session.tempo()), Some((place, now - since)), |event| {
                    let _ = events.try_send(event);
                });
                thread::sleep(INTERVAL);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; there is nothing left to end.
            let _ = thread.join();
        }
    }
}
