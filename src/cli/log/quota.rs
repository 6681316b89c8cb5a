//! Limits each call site to a burst of lines and then a low rate; counts and summarises the rest.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Target of the log's messages about itself, which are exempt from the limit because they are rare by design.
pub(super) const OWN_TARGET: &str = "melos::log";

/// Number of lines that a call site may write in a burst.
const BURST: u32 = 20;
/// Time after which a call site may write one more line.
const REFILL: Duration = Duration::from_secs(10);
/// Maximum number of characters quoted from a suppressed line.
const MAX_SAMPLE_CHARS: usize = 120;

/// Limits the lines from each call site; clones share their counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Quota {
    call_sites: Arc<Mutex<HashMap<Identifier, CallSite>>>,
}

/// The lines from one call site.
#[derive(Debug)]
struct CallSite {
    /// Number of lines that may be written before the next refill.
    remaining: u32,
    last_refill: Instant,
    suppressed: u64,
    /// The first message suppressed since the last report, if any.
    sample: String,
    reported: Option<Instant>,
}

impl CallSite {
    fn new(now: Instant) -> Self {
        Self { remaining: BURST, last_refill: now, suppressed: 0, sample: String::new(), reported: None }
    }

    /// Counts a line, and returns whether it may be written.
    fn admit(&mut self, now: Instant) -> bool {
        let refilled = now.saturating_duration_since(self.last_refill).as_secs() / REFILL.as_secs();
        if refilled > 0 {
            self.remaining = BURST.min(self.remaining.saturating_add(u32::try_from(refilled).unwrap_or(BURST)));
            self.last_refill = now;
        }
        let admitted = self.remaining > 0;
        self.remaining = self.remaining.saturating_sub(1);
        self.suppressed += u64::from(!admitted);
        admitted
    }

    /// If a report is due, returns the number of lines suppressed since the last one, and a sample.
    fn report(&mut self, now: Instant) -> Option<(u64, String)> {
        let due = self.reported.is_none_or(|reported| now.saturating_duration_since(reported) >= REFILL);
        if self.suppressed == 0 || !due {
            return None;
        }
        self.reported = Some(now);
        Some((std::mem::take(&mut self.suppressed), std::mem::take(&mut self.sample)))
    }
}

impl Quota {
    /// Logs how many lines were suppressed, per call site.
    pub(super) fn report(&self) {
        let now = Instant::now();
        let reports: Vec<_> = self.call_sites().values_mut().filter_map(|call_site| call_site.report(now)).collect();
        for (lines, sample) in reports {
            tracing::warn!(target: OWN_TARGET, lines, sample, "similar lines were suppressed");
        }
    }

    fn call_sites(&self) -> MutexGuard<'_, HashMap<Identifier, CallSite>> {
        // The counts stay usable if a thread panics while counting.
        self.call_sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Filter<S> for Quota {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if metadata.target() == OWN_TARGET {
            return true;
        }
        let now = Instant::now();
        let mut call_sites = self.call_sites();
        let call_site = call_sites.entry(metadata.callsite()).or_insert_with(|| CallSite::new(now));
        let admitted = call_site.admit(now);
        if !admitted && call_site.sample.is_empty() {
            event.record(&mut Sample(&mut call_site.sample));
        }
        admitted
    }
}

/// Keeps the start of an event's message.
struct Sample<'a>(&'a mut String);

impl Visit for Sample<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing fails once the sample is full, which stops the formatting.
            let _ = fmt::write(self, format_args!("{value:?}"));
        }
    }
}

impl fmt::Write for Sample<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.chars().take(MAX_SAMPLE_CHARS.saturating_sub(self.0.chars().count())));
        if self.0.chars().count() < MAX_SAMPLE_CHARS { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_after_a_burst_are_limited_and_counted() {
        let start = Instant::now();
        let mut call_site = CallSite::new(start);
        let admitted = (0..2000).filter(|_| call_site.admit(start)).count();
        assert_eq!(admitted, BURST as usize);
        assert_eq!(call_site.report(start), Some((1980, String::new())));
        assert_eq!(call_site.report(start + REFILL), None, "nothing has been suppressed since");
        let mut written = 0;
        for tenth in 0..600u32 {
            let now = start + Duration::from_millis(100) * tenth;
            written += (0..10).filter(|_| call_site.admit(now)).count();
        }
        assert!((5..=6).contains(&written), "{written} lines in a minute");
        assert_eq!(call_site.report(start + REFILL * 6).unwrap().0, 6000 - written as u64);
    }
}
