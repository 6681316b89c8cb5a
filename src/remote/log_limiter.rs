//! Limits the rate of log lines about external input, and suppresses repeats of recent lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Number of lines of one kind that may be logged in a burst; after that, one every [`REFILL`].
const BURST: u32 = 4;
/// Time until one more line of a kind may be logged.
const REFILL: Duration = Duration::from_secs(30);
/// Maximum number of logged texts that are remembered, so that they are not logged again.
const MAX_TEXTS: usize = 64;
/// Maximum number of kinds limited separately; all further ones share one limit.
const MAX_KINDS: usize = 100;

/// Limits log lines by kind and text.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter {
    kinds: BTreeMap<String, Kind>,
    texts: VecDeque<String>,
}

#[derive(Debug)]
struct Kind {
    remaining: u32,
    refilled: Instant,
    suppressed: u64,
}

impl LogLimiter {
    /// Decides whether to log a text. Returns `None` if not, otherwise the number of lines of its kind suppressed since
    /// the last one logged.
    pub(crate) fn admit(&mut self, kind: &str, text: &str, now: Instant) -> Option<u64> {
        let kind = if self.kinds.len() < MAX_KINDS || self.kinds.contains_key(kind) { kind } else { "" };
        let kind = self.kinds.entry(kind.to_owned()).or_insert(Kind { remaining: BURST, refilled: now, suppressed: 0 });
        let refills = (now.saturating_duration_since(kind.refilled).as_secs() / REFILL.as_secs()) as u32;
        kind.remaining = kind.remaining.saturating_add(refills).min(BURST);
        kind.refilled += refills * REFILL;
        if kind.remaining == 0 || self.texts.iter().any(|logged| logged == text) {
            kind.suppressed += 1;
            return None;
        }
        kind.remaining -= 1;
        if self.texts.len() == MAX_TEXTS {
            self.texts.pop_front();
        }
        self.texts.push_back(text.to_owned());
        Some(std::mem::take(&mut kind.suppressed))
    }
}

/// Formats the number of suppressed lines as a suffix of a log line.
pub(crate) fn suppressed_suffix(suppressed: u64) -> String {
    match suppressed {
        0 => String::new(),
        1 => " (1 similar line suppressed)".to_owned(),
        _ => format!(" ({suppressed} similar lines suppressed)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_of_warnings_are_limited() {
        let (mut limiter, start) = (LogLimiter::default(), Instant::now());
        let mut lines = 0;
        for number in 0..10_000u32 {
            let now = start + Duration::from_millis(u64::from(number));
            lines += u32::from(limiter.admit("scene", &format!("no scene {number}"), now).is_some());
        }
        assert_eq!(lines, BURST, "number of lines logged in 10 s");
        let later = limiter.admit("scene", "no scene", start + Duration::from_secs(60));
        assert_eq!(later, Some(10_000 - u64::from(BURST)), "number of suppressed lines");
    }

    #[test]
    fn repeats_are_suppressed_but_other_kinds_are_logged() {
        let (mut limiter, now) = (LogLimiter::default(), Instant::now());
        assert_eq!(limiter.admit("chord", "Xm", now), Some(0));
        assert_eq!(limiter.admit("chord", "Xm", now), None);
        assert_eq!(limiter.admit("preset", "dawm", now), Some(0));
        assert_eq!(limiter.admit("chord", "Ym", now), Some(1));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut limiter, now) = (LogLimiter::default(), Instant::now());
        for number in 0..10_000 {
            limiter.admit(&format!("kind {number}"), &format!("text {number}"), now);
        }
        assert!(limiter.kinds.len() <= MAX_KINDS + 1 && limiter.texts.len() <= MAX_TEXTS);
    }
}
