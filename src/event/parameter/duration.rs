//! Durations as people write them.

/// Units, in lower case, and their lengths in seconds.
pub(super) const UNITS: [(&str, f64); 12] = [
    ("h", 3600.0),
    ("min", 60.0),
    ("m", 60.0),
    ("'", 60.0),
    ("’", 60.0),
    ("′", 60.0),
    ("s", 1.0),
    ("sec", 1.0),
    ("\"", 1.0),
    ("”", 1.0),
    ("″", 1.0),
    ("ms", 0.001),
];

/// Parses a duration in lower case, as on a clock (`1:30`, `1:02:03`) or in several units (`1 h 30 min`, `1m30s`, `1'30"`), and
/// returns it in seconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    on_a_clock(text).or_else(|| in_units(text))
}

/// Parses minutes and seconds, or hours, minutes and seconds. A unit at the end is that of the first number, so `1:30 h` are
/// hours and minutes.
fn on_a_clock(text: &str) -> Option<f64> {
    let clock = text.trim_end_matches(char::is_alphabetic);
    let fields: Vec<&str> = clock.trim_end().split(':').collect();
    let unit = match (fields.len(), &text[clock.len()..]) {
        (2, "" | "m" | "min") | (3, "" | "h") => 1.0,
        (2, "h") => 60.0,
        _ => return None,
    };
    let (first, others) = fields.split_first()?;
    let first = Some(*first).filter(|first| is_digits(first))?.parse::<f64>().ok()?;
    let sum = others.iter().try_fold(first, |sum, field| {
        let whole = field.split_once('.').map_or(*field, |(whole, _)| whole);
        let number: f64 = field.parse().ok().filter(|number| whole.len() == 2 && is_digits(whole) && *number < 60.0)?;
        Some(sum * 60.0 + number)
    })?;
    // Only the last number may have a fraction.
    let are_whole = others.iter().rev().skip(1).all(|field| is_digits(field));
    are_whole.then_some(sum * unit)
}

/// Parses numbers with ever smaller units. The last may lack its unit, which is then the next smaller one, as in `1h30`.
fn in_units(text: &str) -> Option<f64> {
    let (mut rest, mut sum, mut smallest) = (text, 0.0, f64::INFINITY);
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let after = after.trim_start();
        let (unit, after) = after.split_at(after.find(|c: char| is_digit(c) || c == ' ').unwrap_or(after.len()));
        let length = match unit {
            "" if smallest.is_finite() && smallest >= 60.0 && after.is_empty() => smallest / 60.0,
            _ => UNITS.iter().find(|(name, _)| *name == unit)?.1,
        };
        if length >= smallest {
            return None;
        }
        sum += number.parse::<f64>().ok()? * length;
        (rest, smallest) = (after.trim_start(), length);
    }
    smallest.is_finite().then_some(sum)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_on_a_clock_and_in_units() {
        for (text, expected) in [
            ("1:30", 90.0),
            ("0:05", 5.0),
            ("90:00", 5400.0),
            ("1:02:03", 3723.0),
            ("00:00:10", 10.0),
            ("1:30.5", 90.5),
            ("1:30 min", 90.0),
            ("1:30 h", 5400.0),
            ("1:02:03h", 3723.0),
            ("1 h 30 min", 5400.0),
            ("1h30m", 5400.0),
            ("1h30", 5400.0),
            ("1m30s", 90.0),
            ("4'33\"", 273.0),
            ("4′33″", 273.0),
            ("4'33", 273.0),
            ("1.5 min", 90.0),
            ("250ms", 0.25),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for invalid in [
            "",
            ":",
            "1:",
            ":30",
            "1:5",
            "1:60",
            "1:300",
            "1:-1",
            "-1:30",
            "1:2:03",
            "1:60:00",
            "1:02:03:04",
            "1.5:30",
            "1:30.5:00",
            "1:+5",
            "1:30 s",
            "1:30 ms",
            "1:02:03 min",
            "1 min 2 h",
            "1m 1m",
            "30 s 5",
            "1 h 5 x",
            "h",
            "5",
            "1e3s2",
            "1:1e",
        ] {
            assert_eq!(seconds(invalid), None, "{invalid}");
        }
    }
}
