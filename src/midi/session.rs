//! Tracks the tempo and beats of an external session that is polled: Ableton Link or the JACK transport.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crossbeam_utils::atomic::AtomicCell;

use super::ClockEvent;

/// Relative tempo change below which no new tempo is reported.
const MIN_TEMPO_CHANGE: f64 = 1e-4;

/// The status of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionStatus {
    /// There is no server, no other program is in the session, or the session is not followed.
    #[default]
    Absent,
    /// The session has no tempo.
    WithoutTempo,
    /// The session has a tempo.
    WithTempo,
}

/// State shared by the thread that follows a session and the thread that reads its reports. Wait-free.
#[derive(Debug, Default)]
pub struct FollowerState {
    enabled: AtomicBool,
    status: AtomicCell<SessionStatus>,
}

impl FollowerState {
    /// Sets whether to follow the session.
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Relaxed);
    }

    /// Returns whether to follow the session.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    /// Records the session's status.
    pub fn report(&self, status: SessionStatus) {
        self.status.store(status);
    }

    /// Returns the last recorded status.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        self.status.load()
    }
}

/// Reports the tempo of a session when it changes, and each beat once.
#[derive(Debug, Default)]
pub struct SessionFollower {
    tempo: Option<f64>,
    beat: Option<u64>,
}

impl SessionFollower {
    /// Processes the state of the session: its `tempo`, or `None` if it has none or is not followed; and its current
    /// `beat` with the time at which the beat began, or `None` while stopped. `report` returns whether it accepted the
    /// event; an event that was not accepted is reported again at the next update.
    pub fn update(
        &mut self,
        tempo: Option<f64>,
        beat: Option<(u64, Instant)>,
        mut report: impl FnMut(ClockEvent) -> bool,
    ) {
        let Some(tempo) = tempo else {
            *self = Self::default();
            return;
        };
        if self.tempo.is_none_or(|reported| (tempo / reported - 1.0).abs() > MIN_TEMPO_CHANGE)
            && report(ClockEvent::Tempo(tempo))
        {
            self.tempo = Some(tempo);
        }
        let Some((beat, at)) = beat else {
            self.beat = None;
            return;
        };
        if self.beat != Some(beat) && report(ClockEvent::Beat { beat, at }) {
            self.beat = Some(beat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(follower: &mut SessionFollower, tempo: Option<f64>, beat: Option<u64>, at: Instant) -> Vec<ClockEvent> {
        let mut events = Vec::new();
        follower.update(tempo, beat.map(|beat| (beat, at)), |event| {
            events.push(event);
            true
        });
        events
    }

    #[test]
    fn reports_tempo_changes_and_each_beat_once() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        let first = update(&mut follower, Some(97.0), Some(5), now);
        assert_eq!(first, [ClockEvent::Tempo(97.0), ClockEvent::Beat { beat: 5, at: now }]);
        assert_eq!(update(&mut follower, Some(97.0), Some(5), now), []);
        assert_eq!(update(&mut follower, Some(97.0), Some(6), now), [ClockEvent::Beat { beat: 6, at: now }]);
        assert_eq!(update(&mut follower, Some(98.0), Some(6), now), [ClockEvent::Tempo(98.0)]);
        assert_eq!(update(&mut follower, Some(98.0), None, now), [], "a stopped session should report no beat");
        assert_eq!(update(&mut follower, Some(98.0), Some(6), now), [ClockEvent::Beat { beat: 6, at: now }]);
    }

    #[test]
    fn repeats_events_that_were_not_accepted() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        follower.update(Some(97.0), Some((5, now)), |_| false);
        let repeated = update(&mut follower, Some(97.0), Some(5), now);
        assert_eq!(repeated, [ClockEvent::Tempo(97.0), ClockEvent::Beat { beat: 5, at: now }]);
        assert_eq!(update(&mut follower, Some(97.0), Some(5), now), []);
    }

    #[test]
    fn reports_everything_again_in_the_next_session() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        assert_eq!(update(&mut follower, None, Some(3), now), []);
        assert_eq!(update(&mut follower, Some(97.0), Some(4), now).len(), 2);
        assert_eq!(update(&mut follower, None, Some(5), now), []);
        assert_eq!(update(&mut follower, Some(97.0), Some(5), now).len(), 2);
    }
}
