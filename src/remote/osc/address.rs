//! OSC 1.0 address patterns.
//!
//! The pattern runs over the address once, carrying the set of places it may have got to, so matching takes
//! pattern × address steps whatever the pattern, and `*` may match nothing, as the specification says.

/// Longest address that can be matched: one bit per place.
const MAX_ADDRESS: usize = u64::BITS as usize - 1;

/// Whether an address holds pattern characters.
pub(super) fn is_pattern(address: &str) -> bool {
    address.contains(['*', '?', '[', '{'])
}

/// Whether `pattern` (OSC 1.0: `*`, `?`, `[a-z]`, `[!a-z]`, `{one,two}`; none of them matches `/`) matches `address`.
/// A pattern that is not well formed matches nothing.
pub(super) fn matches(pattern: &str, address: &str) -> bool {
    let (mut pattern, address) = (pattern.as_bytes(), address.as_bytes());
    if address.len() > MAX_ADDRESS {
        return false;
    }
    let mut places = 1u64;
    while let [head, rest @ ..] = pattern {
        pattern = rest;
        places = match head {
            b'*' => (0..address.len())
                .fold(places, |places, at| if address[at] == b'/' { places } else { places | (places & 1 << at) << 1 }),
            b'?' => step(places, address, |byte| byte != b'/'),
            b'[' => {
                let Some(end) = pattern.iter().position(|byte| *byte == b']') else { return false };
                let class = &pattern[..end];
                pattern = &pattern[end + 1..];
                step(places, address, |byte| byte != b'/' && in_class(class, byte))
            }
            b'{' => {
                let Some(end) = pattern.iter().position(|byte| *byte == b'}') else { return false };
                let words = pattern[..end].split(|byte| *byte == b',');
                pattern = &pattern[end + 1..];
                words.fold(0, |reached, word| {
                    reached | word.iter().fold(places, |places, wanted| step(places, address, |byte| byte == *wanted))
                })
            }
            wanted => step(places, address, |byte| byte == *wanted),
        };
    }
    places >> address.len() & 1 == 1
}

/// The places after one more byte that `accept`s.
fn step(places: u64, address: &[u8], accept: impl Fn(u8) -> bool) -> u64 {
    (0..address.len())
        .filter(|at| places >> at & 1 == 1 && accept(address[*at]))
        .fold(0, |places, at| places | 1 << (at + 1))
}

/// Whether a byte is in the class between `[` and `]`.
fn in_class(class: &[u8], byte: u8) -> bool {
    let (negated, mut class) = match class {
        [b'!', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    while let [first, rest @ ..] = class {
        if let [b'-', last, rest @ ..] = rest {
            found |= (*first..=*last).contains(&byte);
            class = rest;
        } else {
            found |= *first == byte;
            class = rest;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_osc_1_0_says() {
        for (pattern, address, expected) in [
            ("/melos/mute/*", "/melos/mute/pad", true),
            ("/melos/*", "/melos/mute/pad", false),
            ("/melos/*/pad", "/melos/level/pad", true),
            ("/*/*/*", "/melos/level/pad", true),
            ("/melos/valence*", "/melos/valence", true),
            ("/melos/*a*e*", "/melos/valence", true),
            ("/melos/*x*", "/melos/valence", false),
            ("/melos/level/???", "/melos/level/pad", true),
            ("/melos/level/???", "/melos/level/bass", false),
            ("/melos/level/{bass,pad}", "/melos/level/pad", true),
            ("/melos/level/{bass,pad}", "/melos/level/upper", false),
            ("/melos/{re,reverb}/size", "/melos/reverb/size", true),
            ("/melos/scene/[ab]", "/melos/scene/b", true),
            ("/melos/scene/[a-b]", "/melos/scene/b", true),
            ("/melos/scene/[!a]", "/melos/scene/a", false),
            ("/melos/scene/[!a]", "/melos/scene/b", true),
            ("/melos/scene[!x]a", "/melos/scene/a", false),
            ("/melos/[a-z]*", "/melos/tempo", true),
            ("/melos/[v", "/melos/v", false),
            ("/melos/{v", "/melos/v", false),
            ("/melos/valence", "/melos/valence", true),
        ] {
            assert_eq!(matches(pattern, address), expected, "{pattern} on {address}");
        }
    }

    #[test]
    fn hostile_patterns_are_cheap() {
        let pattern = format!("/{}b", "*a".repeat(4000));
        assert!(!matches(&pattern, &format!("/{}", "a".repeat(60))));
    }
}
