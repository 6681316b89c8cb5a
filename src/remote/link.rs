//! Follows the tempo and the beats of an Ableton Link session.
//!
//! Link requires the feature `link`, because it may be distributed only under GPL-2.0-or-later. Melos joins as a
//! listener and never changes the session's tempo. Without other peers, nothing is reported, so that the last tempo is
//! kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusty_link::{AblLink, SessionState};

use crate::event::Wake;
use crate::midi::{ClockEvent, Followed, Following, SessionFollower};
use crate::threads;

/// Beats per bar: Link's quantum, over which peers agree on where a bar begins.
const QUANTUM: f64 = 4.0;
/// Polling interval. Beat times are computed, so this only bounds how late a beat is reported.
const INTERVAL: Duration = Duration::from_millis(5);
/// Tempo for a session that has none.
const OWN_TEMPO: f64 = 120.0;

/// A peer in the session of the local network; leaves the session when dropped.
#[derive(Debug)]
pub struct Link {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Joins the session. While it is wanted, a thread sends the session's tempo and beats to `events` and wakes the
    /// reader; an event that does not fit into the queue is dropped, and the next beat makes up for it. Without peers,
    /// nothing is found.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(following: Arc<Following>, events: SyncSender<ClockEvent>, wake: Wake) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = threads::spawn_restarting("melos-link", move || {
            let link = AblLink::new(OWN_TEMPO);
            link.enable(true);
            let (mut session, mut follower) = (SessionState::new(), SessionFollower::default());
            while !stopped.load(Ordering::Relaxed) {
                link.capture_app_session_state(&mut session);
                let (now, micros) = (Instant::now(), link.clock_micros());
                let beat = session.beat_at_time(micros, QUANTUM);
                let since = Duration::from_micros((micros - session.time_at_beat(beat.floor(), QUANTUM)).max(0) as u64);
                let is_active = following.is_wanted() && link.num_peers() > 0;
                following.report(if is_active { Followed::Tempo } else { Followed::Nothing });
                // A session has no first beat, and beat 0 would signal a start, so the beats of a bar are numbered
                // from 4.
                let position = (beat.floor().rem_euclid(QUANTUM) + QUANTUM) as u64;
                follower.update(is_active.then_some(session.tempo()), Some((position, now - since)), |event| {
                    let _ = events.try_send(event);
                    wake.notify();
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
            // A panic in the thread has been logged; there is nothing left to do.
            let _ = thread.join();
        }
    }
}
