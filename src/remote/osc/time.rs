//! OSC time tags: NTP time, seconds since 1900 in 32.32 fixed point.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rosc::OscTime;

use super::fault::Fault;

/// Furthest a bundle may be scheduled; more is a clock set wrong.
pub(super) const MAX_AHEAD: Duration = Duration::from_secs(3600);

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970); RFC 5905.
const UNIX_OFFSET_SECONDS: u128 = 2_208_988_800;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The clock that events are timed by.
    pub monotonic: Instant,
    /// The clock that time tags are written by.
    pub wall: SystemTime,
}

impl Now {
    /// Reads both clocks.
    #[must_use]
    pub fn take() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }
}

/// When a bundle shall be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Marked "immediately".
    AtOnce,
    /// Its moment has passed: also at once, but counted.
    Late,
    /// At this moment.
    At(Instant),
}

/// What a time tag means now.
pub(super) fn when(tag: OscTime, now: Now) -> Result<When, Fault> {
    if (tag.seconds, tag.fractional) == (0, 1) {
        return Ok(When::AtOnce);
    }
    let nanoseconds = (u128::from(tag.fractional) * 1_000_000_000) >> 32;
    let wanted = u128::from(tag.seconds) * 1_000_000_000 + nanoseconds;
    let since_unix = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let current = UNIX_OFFSET_SECONDS * 1_000_000_000 + since_unix.as_nanos();
    match wanted.checked_sub(current) {
        None | Some(0) => Ok(When::Late),
        Some(ahead) if ahead > MAX_AHEAD.as_nanos() => Err(Fault::TooEarly((ahead / 1_000_000_000) as u64)),
        Some(ahead) => Ok(When::At(now.monotonic + Duration::from_nanos(ahead as u64))),
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
    fn tags_are_placed_on_the_monotonic_clock() {
        let now = Now::take();
        let Ok(When::At(at)) = when(tag(now, 250), now) else { panic!("lies ahead") };
        let ahead = at - now.monotonic;
        assert!(ahead.abs_diff(Duration::from_millis(250)) < Duration::from_micros(1), "{ahead:?}");
        assert_eq!(when(tag(now, -1), now), Ok(When::Late));
        assert_eq!(when(OscTime { seconds: 0, fractional: 1 }, now), Ok(When::AtOnce));
        assert_eq!(when(OscTime { seconds: 0, fractional: 0 }, now), Ok(When::Late));
        assert!(matches!(when(tag(now, 86_400_000), now), Err(Fault::TooEarly(86_399 | 86_400))));
    }
}
