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

use crate::event::Wake;
use crate::midi::ClockEvent;
use crate::threads;

/// Beats per bar; Link's quantum, over which peers agree where a bar begins.
const QUANTUM: f64 = 4.0;
/// How often the session is looked at. Where a beat lies is computed, so this bounds only how late it is told.
const INTERVAL: Duration = Duration::from_millis(5);
/// Tempo changes smaller than this share are not said.
const SAID: f64 = 1e-4;
/// The tempo Melos would bring to a session without a tempo.
const OWN_TEMPO: f64 = 120.0;

/// A peer of the session in the local network; leaves it when dropped.
#[derive(Debug)]
pub struct Link {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Joins the session. What it says goes to `events` from a thread of its own, and their reader is woken; an event nobody
    /// takes in time is lost, the next beat says it again.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(events: SyncSender<ClockEvent>, wake: Wake) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = threads::spawn_steady("melos-link", move || {
            let link = AblLink::new(OWN_TEMPO);
            link.enable(true);
            let (mut session, mut follower) = (SessionState::new(), Follower::default());
            while !stopped.load(Ordering::Relaxed) {
                link.capture_app_session_state(&mut session);
                let (now, micros) = (Instant::now(), link.clock_micros());
                let beat = session.beat_at_time(micros, QUANTUM);
                let since = Duration::from_micros((micros - session.time_at_beat(beat.floor(), QUANTUM)).max(0) as u64);
                let peers = link.num_peers() > 0;
                follower.look(peers.then_some(session.tempo()), beat, now - since, |event| {
                    let _ = events.try_send(event);
                    wake.ring();
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

/// What has been said of the session so far.
#[derive(Debug, Default)]
struct Follower {
    tempo: Option<f64>,
    beat: Option<f64>,
}

impl Follower {
    /// Takes the session's `tempo` (`None` while nobody else is in it), the `beat` it is at, and when that beat's whole began.
    fn look(&mut self, tempo: Option<f64>, beat: f64, began: Instant, mut say: impl FnMut(ClockEvent)) {
        let Some(tempo) = tempo else {
            *self = Self::default();
            return;
        };
        if self.tempo.is_none_or(|said| (tempo / said - 1.0).abs() > SAID) {
            self.tempo = Some(tempo);
            say(ClockEvent::Tempo(tempo));
        }
        if self.beat.replace(beat.floor()) != Some(beat.floor()) {
            // The whole session has no first beat, and beat 0 would mean a start: count from 4 within the bar.
            let beat = (beat.floor().rem_euclid(QUANTUM) + QUANTUM) as u64;
            say(ClockEvent::Beat { beat, at: began });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(follower: &mut Follower, tempo: Option<f64>, beat: f64, began: Instant) -> Vec<ClockEvent> {
        let mut said = Vec::new();
        follower.look(tempo, beat, began, |event| said.push(event));
        said
    }

    #[test]
    fn a_session_says_its_tempo_once_and_each_beat_once() {
        let (mut follower, now) = (Follower::default(), Instant::now());
        let first = looks(&mut follower, Some(97.0), -2.4, now);
        assert_eq!(first, [ClockEvent::Tempo(97.0), ClockEvent::Beat { beat: 5, at: now }]);
        assert_eq!(looks(&mut follower, Some(97.0), -2.1, now), []);
        assert_eq!(looks(&mut follower, Some(97.0), -1.9, now), [ClockEvent::Beat { beat: 6, at: now }]);
        assert_eq!(looks(&mut follower, Some(98.0), -1.8, now), [ClockEvent::Tempo(98.0)]);
    }

    #[test]
    fn alone_nothing_is_said_and_a_new_peer_is_told_of_afresh() {
        let (mut follower, now) = (Follower::default(), Instant::now());
        assert_eq!(looks(&mut follower, None, 3.0, now), []);
        assert_eq!(looks(&mut follower, Some(97.0), 4.0, now).len(), 2);
        assert_eq!(looks(&mut follower, None, 5.0, now), []);
        assert_eq!(looks(&mut follower, Some(97.0), 5.5, now).len(), 2);
    }
}
