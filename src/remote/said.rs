//! Complaints about what others sent: said, but never more often than somebody can read, and never the same one twice in a row.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Complaints of one kind that are said at once; after that one every [`PAUSE`].
const BURST: u32 = 4;
/// How long it takes until one more of a kind is said.
const PAUSE: Duration = Duration::from_secs(30);
/// Texts that are remembered, so that the same one is not said again.
const REMEMBERED: usize = 64;
/// Most kinds that are told apart; the rest share one.
const KINDS: usize = 100;

/// What has been complained about.
#[derive(Debug, Default)]
pub(crate) struct Said {
    kinds: BTreeMap<String, Kind>,
    texts: VecDeque<String>,
}

#[derive(Debug)]
struct Kind {
    left: u32,
    since: Instant,
    unsaid: u64,
}

impl Said {
    /// Whether a complaint of a kind is to be said now, and then how many of its kind were left out before it.
    pub(crate) fn say(&mut self, kind: &str, text: &str, now: Instant) -> Option<u64> {
        let kind = if self.kinds.len() < KINDS || self.kinds.contains_key(kind) { kind } else { "" };
        let kind = self.kinds.entry(kind.to_owned()).or_insert(Kind { left: BURST, since: now, unsaid: 0 });
        let gained = (now.saturating_duration_since(kind.since).as_secs() / PAUSE.as_secs()) as u32;
        if gained > 0 {
            (kind.left, kind.since) = (kind.left.saturating_add(gained).min(BURST), now);
        }
        if kind.left == 0 || self.texts.iter().any(|said| said == text) {
            kind.unsaid += 1;
            return None;
        }
        kind.left -= 1;
        if self.texts.len() == REMEMBERED {
            self.texts.pop_front();
        }
        self.texts.push_back(text.to_owned());
        Some(std::mem::take(&mut kind.unsaid))
    }
}

/// What a complaint ends with, given how many of its kind were left out before it.
pub(crate) fn and_more(unsaid: u64) -> String {
    match unsaid {
        0 => String::new(),
        1 => " (1 similar suppressed)".to_owned(),
        _ => format!(" ({unsaid} similar suppressed)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_complaints_is_a_few_lines() {
        let (mut said, start) = (Said::default(), Instant::now());
        let mut lines = 0;
        for number in 0..10_000u32 {
            let now = start + Duration::from_millis(u64::from(number));
            lines += u32::from(said.say("scene", &format!("no scene {number}"), now).is_some());
        }
        assert_eq!(lines, BURST, "10 s of them");
        let later = said.say("scene", "no scene", start + Duration::from_secs(60));
        assert_eq!(later, Some(10_000 - u64::from(BURST)), "and what was left out is told");
    }

    #[test]
    fn the_same_is_not_said_again_but_other_kinds_are() {
        let (mut said, now) = (Said::default(), Instant::now());
        assert_eq!(said.say("chord", "Hm", now), Some(0));
        assert_eq!(said.say("chord", "Hm", now), None);
        assert_eq!(said.say("preset", "dawm", now), Some(0));
        assert_eq!(said.say("chord", "Xm", now), Some(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut said, now) = (Said::default(), Instant::now());
        for number in 0..10_000 {
            said.say(&format!("kind {number}"), &format!("text {number}"), now);
        }
        assert!(said.kinds.len() <= KINDS + 1 && said.texts.len() <= REMEMBERED);
    }
}
