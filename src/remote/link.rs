//! Follows the tempo and the beats of an Ableton Link session.
//!
//! Behind the feature `link`, because Link may be distributed under GPL-2.0-or-later only. Melos joins as a listener
//! and never changes the session's tempo. While there are no other peers nothing is reported, so the last tempo stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusty_link::{AblLink, SessionState};

use crate::midi::ClockEvent;

/// Beats per bar: Link's quantum, over which peers agree on where a bar begins.
const QUANTUM: f64 = 4.0;
/// Polling interval. Beat times are computed, so this only bounds how late a beat is reported.
const INTERVAL: Duration = Duration::from_millis(5);
/// Relative tempo change below which nothing is reported.
const MIN_CHANGE: f64 = 1e-4;
/// Tempo that Melos would offer a session without one.
const OWN_TEMPO: f64 = 120.0;

/// A peer of the session on the local network; leaves it when dropped.
#[derive(Debug)]
pub struct Link {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Joins the session. A separate thread sends reports to `events`; one that does not fit is lost, and the next beat
    /// repeats it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(events: SyncSender<ClockEvent>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("melos-link".to_owned()).spawn(move || {
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

/// What has been reported of the session.
#[derive(Debug, Default)]
struct Follower {
    tempo: Option<f64>,
    beat: Option<f64>,
}

impl Follower {
    /// Processes the session's `tempo` (`None` without peers), the current `beat`, and the time at which that whole
    /// beat began.
    fn look(&mut self, tempo: Option<f64>, beat: f64, began: Instant, mut say: impl FnMut(ClockEvent)) {
        let Some(tempo) = tempo else {
            *self = Self::default();
            return;
        };
        if self.tempo.is_none_or(|said| (tempo / said - 1.0).abs() > MIN_CHANGE) {
            self.tempo = Some(tempo);
            say(ClockEvent::Tempo(tempo));
        }
        if self.beat.replace(beat.floor()) != Some(beat.floor()) {
            // A session has no first beat, and beat 0 would mean a start, so count from 4 within the bar.
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
    fn nothing_is_reported_without_peers_and_everything_to_a_new_one() {
        let (mut follower, now) = (Follower::default(), Instant::now());
        assert_eq!(looks(&mut follower, None, 3.0, now), []);
        assert_eq!(looks(&mut follower, Some(97.0), 4.0, now).len(), 2);
        assert_eq!(looks(&mut follower, None, 5.0, now), []);
        assert_eq!(looks(&mut follower, Some(97.0), 5.5, now).len(), 2);
    }
}
