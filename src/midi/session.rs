//! Tracks the tempo and beats of an external session that can be polled at any time.

use std::time::Instant;

use super::ClockEvent;

/// Relative tempo change below which nothing is reported.
const MIN_TEMPO_CHANGE: f64 = 1e-4;

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
