//! External tempo sources other than MIDI clocks; only the chosen source is followed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::timeline::Timeline;
use crate::event::parameter::TempoSource;
use crate::event::{ControlEvent, Wake};
use crate::midi::{ClockEvent, FollowerState, SessionStatus, follow_transport};

/// Capacity of the event channel; it is drained every few milliseconds.
const CHANNEL_CAPACITY: usize = 1024;
/// How long the tempo source may be absent before its absence is reported.
const GRACE: Duration = Duration::from_secs(2);

/// A session or transport that can be chosen as the tempo source.
struct TempoLeader {
    source: TempoSource,
    /// Enabled while this is the current tempo source. While disabled, it sends no events; enabling it starts it afresh.
    follower: Arc<FollowerState>,
    events: Receiver<ClockEvent>,
    /// Leaves the session when dropped.
    _session: Option<Box<dyn Send>>,
}

/// The external tempo sources other than MIDI clocks: the JACK transport and an Ableton Link session.
pub(super) struct TempoLeaders(Vec<TempoLeader>);

impl TempoLeaders {
    /// Follows the JACK transport, and joins Link if `link` is set. Their events wake the performance thread.
    ///
    /// # Errors
    /// When no thread can be created.
    pub(super) fn open(link: bool, wake: &Wake) -> anyhow::Result<Self> {
        let follower = Arc::<FollowerState>::default();
        let (sender, events) = sync_channel(CHANNEL_CAPACITY);
        follow_transport(Arc::clone(&follower), sender, wake.clone())?;
        let jack = TempoLeader { source: TempoSource::Jack, follower, events, _session: None };
        Ok(Self([jack].into_iter().chain(join_link(link, wake)).collect()))
    }

    /// Returns the events of the chosen session or transport since the last call; events from others are discarded.
    pub(super) fn poll(&self, chosen: TempoSource, timeline: &Timeline) -> Vec<ControlEvent> {
        let mut out = Vec::new();
        for leader in &self.0 {
            leader.follower.set_enabled(leader.source == chosen);
            let events = leader.events.try_iter().filter(|_| leader.source == chosen);
            out.extend(events.map(|event| event.to_control_event(|at| timeline.frame(at))));
        }
        out
    }

    /// Returns why a session or transport cannot currently set the tempo; `None` if it can.
    pub(super) fn absence(&self, source: TempoSource) -> Option<&'static str> {
        let leader = self.0.iter().find(|leader| leader.source == source);
        match (source, leader.map(|leader| leader.follower.status())) {
            (_, Some(SessionStatus::WithTempo)) => None,
            (TempoSource::Jack, Some(SessionStatus::WithoutTempo)) => {
                Some("the JACK transport has no tempo, because there is no timebase master; the current tempo is kept")
            }
            (TempoSource::Jack, _) => Some("there is no JACK server; the current tempo is kept"),
            (_, Some(_)) => Some("no other program is in the Ableton Link session; the current tempo is kept"),
            (_, None) if cfg!(feature = "link") => Some(
                "Melos has not joined an Ableton Link session: set `link = true` in melos.toml; the current tempo is kept",
            ),
            (_, None) => Some(
                "this build of Melos does not support Ableton Link (see docs/tempo.md for how to build one that does); the current tempo is kept",
            ),
        }
    }
}

/// Returns why a tempo cannot be followed; `None` if it can.
pub(super) fn excess(bpm: f64) -> Option<&'static str> {
    // Jitter at a limit is not worth a report.
    match bpm.round() {
        ..40.0 => Some("the tempo source is slower than 40 bpm; Melos plays at 40 bpm, its slowest tempo"),
        201.0.. => Some("the tempo source is faster than 200 bpm; Melos plays at 200 bpm, its fastest tempo"),
        _ => None,
    }
}

/// Decides when to report that the tempo source is absent.
#[derive(Debug, Default)]
pub(super) struct Absence(Option<(TempoSource, Instant)>);

impl Absence {
    /// Returns the current `reason` for the absence of a source, once the source has been absent for a while.
    pub(super) fn update(
        &mut self,
        source: TempoSource,
        reason: Option<&'static str>,
        now: Instant,
    ) -> Option<&'static str> {
        let same = self.0.filter(|(absent, _)| reason.is_some() && *absent == source);
        self.0 = same.or(reason.map(|_| (source, now)));
        let lasts = self.0.is_some_and(|(_, since)| now.saturating_duration_since(since) >= GRACE);
        reason.filter(|_| lasts)
    }
}

#[cfg(feature = "link")]
fn join_link(enabled: bool, wake: &Wake) -> Option<TempoLeader> {
    if !enabled {
        return None;
    }
    let (sender, events) = sync_channel(CHANNEL_CAPACITY);
    let follower = Arc::<FollowerState>::default();
    let started = crate::remote::link::Link::start(Arc::clone(&follower), sender, wake.clone());
    let peer = started.inspect_err(|error| tracing::warn!(%error, "cannot join the Ableton Link session")).ok()?;
    tracing::info!("joined the Ableton Link session; `melos set tempo/source link` lets it control the tempo");
    Some(TempoLeader { source: TempoSource::Link, follower, events, _session: Some(Box::new(peer)) })
}

#[cfg(not(feature = "link"))]
fn join_link(_: bool, _: &Wake) -> Option<TempoLeader> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::{Input, Param, Value};

    #[test]
    fn a_tempo_outside_the_range_is_reported() {
        for (bpm, hint) in [(20.0, "slower than 40"), (39.2, "slower than 40"), (200.6, "faster than 200")] {
            assert!(excess(bpm).unwrap().contains(hint), "{bpm}");
            assert_ne!(Param::Tempo.fit(Input::Number(bpm)), Ok(Some(Value::Number(bpm as f32))));
        }
        for bpm in [40.0, 200.0] {
            assert_eq!(excess(bpm), None, "{bpm}");
            assert_eq!(Param::Tempo.fit(Input::Number(bpm)), Ok(Some(Value::Number(bpm as f32))));
        }
    }

    #[test]
    fn only_a_lasting_absence_is_reported() {
        let (mut absence, start) = (Absence::default(), Instant::now());
        let mut at = |seconds, source, reason| absence.update(source, reason, start + Duration::from_secs(seconds));
        let absent = Some("no clock");
        assert_eq!(at(0, TempoSource::Clock, absent), None);
        assert_eq!(at(1, TempoSource::Clock, absent), None);
        assert_eq!(at(2, TempoSource::Clock, absent), absent);
        assert_eq!(at(3, TempoSource::Clock, None), None, "the clock is back");
        assert_eq!(at(4, TempoSource::Clock, absent), None, "a new absence");
        assert_eq!(at(7, TempoSource::Jack, absent), None, "another source");
        assert_eq!(at(9, TempoSource::Jack, absent), absent);
        assert_eq!(at(10, TempoSource::Mood, None), None);
    }
}
