//! Detects repeated requests, such as preset and scene names, from clients that continuously send all their values,
//! whether changed or not.

use std::mem::discriminant;
use std::time::{Duration, Instant};

use crate::event::ControlEvent;
use crate::event::parameter::Param;

/// Time within which a repeated value is not a new request: longer than any client's sending interval, and shorter than a
/// performer takes to request the same preset again.
const MIN_PAUSE: Duration = Duration::from_millis(500);
/// The same for the entries of a setlist, between which a performer may go back and forth quickly.
const MIN_PAUSE_BETWEEN_ENTRIES: Duration = Duration::from_millis(100);

/// Detects repeated requests for a preset, a scene or an entry of a setlist, immediate or for the next bar, and for the
/// timer. Every request would load it or start it again, so a value that a client sends continuously counts only once until the client pauses or sends another.
#[derive(Debug, Default)]
pub(super) struct RepeatFilter {
    /// The last requests, at most one per parameter and kind of event, and their times.
    last: Vec<(ControlEvent, Instant)>,
}

impl RepeatFilter {
    /// Returns whether an event merely repeats the previous request.
    pub(super) fn is_repeat(&mut self, event: &ControlEvent, now: Instant) -> bool {
        let Some(param) = loading_param(event) else { return false };
        let same_kind =
            |other: &ControlEvent| discriminant(other) == discriminant(event) && loading_param(other) == Some(param);
        match self.last.iter_mut().find(|(other, _)| same_kind(other)) {
            Some((last, at)) => {
                let min_pause = if param == Param::SetlistGo { MIN_PAUSE_BETWEEN_ENTRIES } else { MIN_PAUSE };
                let repeats = last == event && now.saturating_duration_since(*at) < min_pause;
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

/// Returns the parameter of an event that loads or starts something.
fn loading_param(event: &ControlEvent) -> Option<Param> {
    match event {
        ControlEvent::Set(param, _) | ControlEvent::NextBar(param, _) => Some(*param).filter(|param| {
            matches!(param, Param::Preset | Param::Scene | Param::Setlist | Param::SetlistGo | Param::Timer)
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parameter::Value;

    #[test]
    fn repeats_count_again_only_after_a_pause_or_a_change() {
        let text = |text: &str| Value::Text(text.to_owned());
        let preset = |name| ControlEvent::Set(Param::Preset, text(name));
        let (mut repeat_filter, mut now) = (RepeatFilter::default(), Instant::now());
        let mut count = |event: &ControlEvent, times: u32| {
            (0..times)
                .filter(|_| {
                    now += Duration::from_millis(16);
                    !repeat_filter.is_repeat(event, now)
                })
                .count()
        };
        assert_eq!(count(&preset("storm"), 180), 1);
        assert_eq!(count(&preset("calm"), 1), 1);
        assert_eq!(count(&preset("storm"), 2), 1);
        // Other parameters in between do not matter.
        assert_eq!(count(&ControlEvent::Set(Param::PresetNext, Value::Trigger), 60), 60);
        assert_eq!(count(&preset("storm"), 1), 1, "a second later");
        assert_eq!(count(&ControlEvent::Set(Param::Scene, text("storm")), 10), 1);
        assert_eq!(count(&ControlEvent::Set(Param::SetlistGo, Value::Number(1.0)), 60), 1);
        assert_eq!(count(&ControlEvent::Set(Param::Timer, Value::Number(3.0)), 60), 1);
        assert_eq!(count(&ControlEvent::NextBar(Param::Preset, text("storm")), 10), 1);
    }
}
