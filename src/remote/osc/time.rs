//! OSC time tags: NTP time, seconds since 1900 in 32.32 fixed point.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rosc::OscTime;

use super::fault::Fault;

/// How far ahead a bundle may be scheduled; beyond that, the sender's clock is assumed to be wrong.
pub(super) const MAX_AHEAD: Duration = Duration::from_secs(3600);

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970); RFC 5905.
const UNIX_OFFSET_SECONDS: u64 = 2_208_988_800;

/// The current time on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The clock used for scheduling.
    pub monotonic: Instant,
    /// The clock used by time tags.
    pub wall: SystemTime,
}

impl Now {
    /// Reads both clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }
}

/// When to apply a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Marked "immediately".
    AtOnce,
    /// Its time has passed: apply at once, and count it as late.
    Late,
    /// At this time.
    At(Instant),
}

/// Interprets a time tag.
///
/// NTP counts seconds in 32 bits and wraps every 136 years, next in February 2036; a tag is taken to mean the
/// nearest of its possible times.
pub(super) fn when(tag: OscTime, now: Now) -> Result<When, Fault> {
    match (tag.seconds, tag.fractional) {
        (0, 1) => return Ok(When::AtOnce),
        // Clients without a clock send this tag.
        (0, 0) => return Ok(When::Late),
        _ => {}
    }
    let since_unix = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = (UNIX_OFFSET_SECONDS + since_unix.as_secs()) as u32;
    let ahead_seconds = i64::from(tag.seconds.wrapping_sub(seconds) as i32);
    let nanoseconds = (u64::from(tag.fractional) * 1_000_000_000) >> 32;
    let ahead = ahead_seconds * 1_000_000_000 + nanoseconds as i64 - i64::from(since_unix.subsec_nanos());
    match u64::try_from(ahead).map(Duration::from_nanos) {
        Err(_) | Ok(Duration::ZERO) => Ok(When::Late),
        Ok(ahead) if ahead > MAX_AHEAD => Err(Fault::TooFarAhead(ahead.as_secs())),
        Ok(ahead) => Ok(When::At(now.monotonic + ahead)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(now: Now, milliseconds: i128) -> OscTime {
        let unix = now.wall.duration_since(UNIX_EPOCH).unwrap().as_nanos() as i128;
        let nanoseconds = (unix + UNIX_OFFSET_SECONDS as i128 * 1_000_000_000 + milliseconds * 1_000_000) as u128;
        let fractional = ((nanoseconds % 1_000_000_000) << 32) / 1_000_000_000;
        OscTime { seconds: (nanoseconds / 1_000_000_000) as u32, fractional: fractional as u32 }
    }

    #[test]
    fn time_tags_work_across_the_ntp_rollover() {
        // The seconds wrap at 2036-02-07 06:28:16 UTC.
        let rollover = UNIX_EPOCH + Duration::from_secs((1 << 32) - UNIX_OFFSET_SECONDS);
        for seconds_after in [-30, -1, 0, 30, 3_600 * 24 * 400] {
            let wall = if seconds_after < 0 {
                rollover - Duration::from_secs(u64::from(i32::unsigned_abs(seconds_after)))
            } else {
                rollover + Duration::from_secs(seconds_after as u64)
            };
            let now = Now { monotonic: Instant::now(), wall };
            let Ok(When::At(at)) = when(tag(now, 1_500), now) else {
                panic!("{seconds_after}: the tag should be in the future")
            };
            assert!((at - now.monotonic).abs_diff(Duration::from_millis(1_500)) < Duration::from_micros(1));
            assert_eq!(when(tag(now, -1_500), now), Ok(When::Late), "{seconds_after}");
        }
        // Today, such a tag is years ahead, not in the past.
        assert!(matches!(when(OscTime { seconds: 5, fractional: 0 }, Now::read()), Err(Fault::TooFarAhead(_))));
    }

    #[test]
    fn time_tags_are_converted_to_the_monotonic_clock() {
        let now = Now::read();
        let Ok(When::At(at)) = when(tag(now, 250), now) else { panic!("the tag should be in the future") };
        let ahead = at - now.monotonic;
        assert!(ahead.abs_diff(Duration::from_millis(250)) < Duration::from_micros(1), "{ahead:?}");
        assert_eq!(when(tag(now, -1), now), Ok(When::Late));
        assert_eq!(when(OscTime { seconds: 0, fractional: 1 }, now), Ok(When::AtOnce));
        assert_eq!(when(OscTime { seconds: 0, fractional: 0 }, now), Ok(When::Late));
        assert!(matches!(when(tag(now, 86_400_000), now), Err(Fault::TooFarAhead(86_399 | 86_400))));
    }
}
