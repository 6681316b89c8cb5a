//! Follows the tempo and the beats of an Ableton Link session.
//!
//! The Link library is licensed under GPL-2.0-or-later, so it is included only with the feature `link`. Melos joins as
//! a listener and never changes the session's tempo. Without other peers, Melos keeps the last tempo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusty_link::{AblLink, SessionState};

use crate::event::Wake;
use crate::midi::{ClockEvent, FollowerState, SessionFollower, SessionStatus};
use crate::threads;

/// Beats per bar: Link's quantum, which aligns the bars of all peers.
const QUANTUM: f64 = 4.0;
/// Polling interval. It limits only how late a beat is reported, because the time of a beat is computed.
const INTERVAL: Duration = Duration::from_millis(5);
/// Tempo in beats per minute until other peers are found.
const INITIAL_TEMPO: f64 = 120.0;

/// A peer in the Link session on the local network; leaves the session when dropped.
#[derive(Debug)]
pub struct Link {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Joins the session. While `following` is enabled and there are other peers, a thread sends the session's tempo
    /// and beats to `events` and wakes the reader. An event that does not fit in the queue is sent again at the next
    /// poll.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(following: Arc<FollowerState>, events: SyncSender<ClockEvent>, wake: Wake) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = threads::spawn_restarting("melos-link", move || {
            let link = AblLink::new(INITIAL_TEMPO);
            link.enable(true);
            let (mut session, mut follower) = (SessionState::new(), SessionFollower::default());
            while !stopped.load(Ordering::Relaxed) {
                link.capture_app_session_state(&mut session);
                let (now, micros) = (Instant::now(), link.clock_micros());
                let beat = session.beat_at_time(micros, QUANTUM);
                let since_beat = (micros - session.time_at_beat(beat.floor(), QUANTUM)).max(0) as u64;
                let beat_time = now - Duration::from_micros(since_beat);
                let is_active = following.is_enabled() && link.num_peers() > 0;
                following.report(if is_active { SessionStatus::WithTempo } else { SessionStatus::Absent });
                // A session has no first beat, and beat 0 would signal a start, so the beats of a bar are numbered
                // from 4.
                let position = (beat.floor().rem_euclid(QUANTUM) + QUANTUM) as u64;
                follower.update(is_active.then_some(session.tempo()), Some((position, beat_time)), |event| {
                    let sent = events.try_send(event).is_ok();
                    wake.notify();
                    sent
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
            // The thread catches its panics, so joining it cannot fail.
            let _ = thread.join();
        }
    }
}
