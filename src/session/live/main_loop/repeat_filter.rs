//! Detects names that a client sends continuously: some send all their values, changed or not.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use crate::event::ControlEvent;
use crate::event::parameter::Param;

/// A name repeated sooner than this is not a new request: longer than any client's streaming interval, shorter than the
/// time in which a performer would request the same preset again.
const PAUSE: Duration = Duration::from_millis(500);

/// The last presets and scenes requested, for now and for the next bar. Since every request would load them again, a
/// streamed name counts once until it pauses or changes.
#[derive(Debug, Default)]
pub(super) struct RepeatFilter {
    /// At most one per parameter and kind of request.
    last: Vec<(ControlEvent, Instant)>,
}

impl RepeatFilter {
    /// Whether an event merely repeats a name.
    pub(super) fn is_repeat(&mut self, event: &ControlEvent, now: Instant) -> bool {
        let Some(name) = name(event) else { return false };
        let same = |other: &ControlEvent| discriminant(other) == discriminant(event) && self::name(other) == Some(name);
        match self.last.iter_mut().find(|(other, _)| same(other)) {
            Some((last, at)) => {
                let repeats = last == event && now.saturating_duration_since(*at) < PAUSE;
                (*last, *at) = (event.clone(), now);
                repeats
            }
            None => {
                self.last.push((event.clone(), now));
                false
            }
        }
    }
}

/// The parameter whose name an event sets, if it starts something.
fn name(event: &ControlEvent) -> Option<Param> {
    match event {
        ControlEvent::Set(param @ (Param::Preset | Param::Scene), _)
        | ControlEvent::NextBar(param @ (Param::Preset | Param::Scene), _) => Some(*param),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::Value;

    #[test]
    fn a_streamed_name_counts_once_and_a_repeated_request_counts_again() {
        let text = |text: &str| Value::Text(text.to_owned());
        let preset = |name| ControlEvent::Set(Param::Preset, text(name));
        let (mut repeat_filter, mut now) = (RepeatFilter::default(), Instant::now());
        let mut counted = |event: &ControlEvent, times: u32| {
            (0..times)
                .filter(|_| {
                    now += Duration::from_millis(16);
                    !repeat_filter.is_repeat(event, now)
                })
                .count()
        };
        assert_eq!(counted(&preset("storm"), 180), 1);
        assert_eq!(counted(&preset("calm"), 1), 1);
        assert_eq!(counted(&preset("storm"), 2), 1);
        // Other parameters in between do not matter.
        assert_eq!(counted(&ControlEvent::Set(Param::PresetNext, Value::Trigger), 60), 60);
        assert_eq!(counted(&preset("storm"), 1), 1, "a second later");
        assert_eq!(counted(&ControlEvent::Set(Param::Scene, text("storm")), 10), 1);
        assert_eq!(counted(&ControlEvent::NextBar(Param::Preset, text("storm")), 10), 1);
    }
}
