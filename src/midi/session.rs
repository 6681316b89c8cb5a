//! Tracks the tempo and beats of an external session that can be polled at any time.

use std::time::Instant;

use super::ClockEvent;

/// Relative tempo change below which nothing is reported.
const MIN_CHANGE: f64 = 1e-4;

/// Reports a session's tempo when it changes, and each of its beats once.
#[derive(Debug, Default)]
pub struct SessionFollower {
    tempo: Option<f64>,
    beat: Option<u64>,
}

impl SessionFollower {
    /// Processes the session's `tempo` (`None` without a session or a listener), and the current `beat` with the time
    /// at which it began (`None` while stopped).
    pub fn update(&mut self, tempo: Option<f64>, beat: Option<(u64, Instant)>, mut report: impl FnMut(ClockEvent)) {
        let Some(tempo) = tempo else {
            *self = Self::default();
            return;
        };
        if self.tempo.is_none_or(|reported| (tempo / reported - 1.0).abs() > MIN_CHANGE) {
            self.tempo = Some(tempo);
            report(ClockEvent::Tempo(tempo));
        }
        let before = std::mem::replace(&mut self.beat, beat.map(|(beat, _)| beat));
        if let Some((beat, at)) = beat.filter(|(beat, _)| before != Some(*beat)) {
            report(ClockEvent::Beat { beat, at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(
        follower: &mut SessionFollower,
        tempo: Option<f64>,
        beat: Option<u64>,
        began: Instant,
    ) -> Vec<ClockEvent> {
        let mut events = Vec::new();
        follower.update(tempo, beat.map(|beat| (beat, began)), |event| events.push(event));
        events
    }

    #[test]
    fn a_session_reports_its_tempo_once_and_each_beat_once() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        let first = updated(&mut follower, Some(97.0), Some(5), now);
        assert_eq!(first, [ClockEvent::Tempo(97.0), ClockEvent::Beat { beat: 5, at: now }]);
        assert_eq!(updated(&mut follower, Some(97.0), Some(5), now), []);
        assert_eq!(updated(&mut follower, Some(97.0), Some(6), now), [ClockEvent::Beat { beat: 6, at: now }]);
        assert_eq!(updated(&mut follower, Some(98.0), Some(6), now), [ClockEvent::Tempo(98.0)]);
        assert_eq!(updated(&mut follower, Some(98.0), None, now), [], "it stands");
        assert_eq!(updated(&mut follower, Some(98.0), Some(6), now), [ClockEvent::Beat { beat: 6, at: now }]);
    }

    #[test]
    fn without_a_session_nothing_is_reported_and_the_next_one_is_reported_in_full() {
        let (mut follower, now) = (SessionFollower::default(), Instant::now());
        assert_eq!(updated(&mut follower, None, Some(3), now), []);
        assert_eq!(updated(&mut follower, Some(97.0), Some(4), now).len(), 2);
        assert_eq!(updated(&mut follower, None, Some(5), now), []);
        assert_eq!(updated(&mut follower, Some(97.0), Some(5), now).len(), 2);
    }
}
