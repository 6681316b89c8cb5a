//! Tracks the tempo and beats of an external session that can be polled at any time.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crossbeam_utils::atomic::AtomicCell;

use super::ClockEvent;

/// Relative tempo change below which nothing is reported.
const MIN_TEMPO_CHANGE: f64 = 1e-4;

/// What a thread finds of the session that it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Followed {
    /// No session: no server, or no other program in it.
    #[default]
    Nothing,
    /// A session without a tempo.
    WithoutTempo,
    /// A session with a tempo.
    Tempo,
}

/// Shared by the thread that follows a session and the one that reads its reports. Wait-free.
#[derive(Debug, Default)]
pub struct Following {
    wanted: AtomicBool,
    found: AtomicCell<Followed>,
}

impl Following {
    /// Sets whether the session is to be followed.
    pub fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Relaxed);
    }

    /// Returns whether the session is to be followed.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }

    /// Reports what was found.
    pub fn report(&self, found: Followed) {
        self.found.store(found);
    }

    /// Returns what was found last.
    #[must_use]
    pub fn found(&self) -> Followed {
        self.found.load()
    }
}

/// Reports the tempo of a session when it changes, and each beat once.
#[derive(Debug, Default)]
pub struct SessionFollower {
    tempo: Option<f64>,
    beat: Option<u64>,
}

impl SessionFollower {
    /// Processes the state of the session: its `tempo`, `None` if it has none or is not followed, and its current `beat` with
    /// the time at which the beat began, `None` while stopped.
    pub fn update(&mut self, tempo: Option<f64>, beat: Option<(u64, Instant)>, mut report: impl FnMut(ClockEvent)) {
        let Some(tempo) = tempo else {
            *self = Self::default();
            return;
        };
        if self.tempo.is_none_or(|reported| (tempo / reported - 1.0).abs() > MIN_TEMPO_CHANGE) {
            self.tempo = Some(tempo);
            report(ClockEvent::Tempo(tempo));
        }
        let previous = std::mem::replace(&mut self.beat, beat.map(|(beat, _)| beat));
        if let Some((beat, at)) = beat.filter(|(beat, _)| previous != Some(*beat)) {
            report(ClockEvent::Beat { beat, at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(follower: &mut SessionFollower, tempo: Option<f64>, beat: Option<u64>, at: Instant) -> Vec<ClockEvent> {
        let mut events = Vec::new();
        follower.update(tempo, beat.map(|beat| (beat, at)), |event| events.push(event));
        events
    }

    #[test]
    fn reports_tempo_changes_and_each_beat_once() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        let first = updated(&mut follower, Some(97.0), Some(5), now);
        assert_eq!(first, [ClockEvent::Tempo(97.0), ClockEvent::Beat { beat: 5, at: now }]);
        assert_eq!(updated(&mut follower, Some(97.0), Some(5), now), []);
        assert_eq!(updated(&mut follower, Some(97.0), Some(6), now), [ClockEvent::Beat { beat: 6, at: now }]);
        assert_eq!(updated(&mut follower, Some(98.0), Some(6), now), [ClockEvent::Tempo(98.0)]);
        assert_eq!(updated(&mut follower, Some(98.0), None, now), [], "it is stopped");
        assert_eq!(updated(&mut follower, Some(98.0), Some(6), now), [ClockEvent::Beat { beat: 6, at: now }]);
    }

    #[test]
    fn reports_everything_again_in_the_next_session() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        assert_eq!(updated(&mut follower, None, Some(3), now), []);
        assert_eq!(updated(&mut follower, Some(97.0), Some(4), now).len(), 2);
        assert_eq!(updated(&mut follower, None, Some(5), now), []);
        assert_eq!(updated(&mut follower, Some(97.0), Some(5), now).len(), 2);
    }
}
