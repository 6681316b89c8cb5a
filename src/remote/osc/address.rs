//! OSC 1.0 address patterns.
//!
//! The pattern is read once, while the bits of one word hold the set of positions that the match may have reached in
//! the address. Therefore, most characters of a pattern cost only a few instructions, however long the address is. `*`
//! also matches the empty string, as OSC 1.0 requires.

use crate::event::parameter::TABLE;

/// Maximum length in bytes of an address that a pattern can match: a word has a bit for each byte and one for the end.
const MAX_MATCHABLE_ADDRESS: usize = u64::BITS as usize - 1;

/// Suffix of the second address of a method that contains others, such as `/melos/tempo/value`, for OSCQuery clients
/// that show containers without their own value.
pub(in crate::remote) const LEAF: &str = "/value";

/// Resolves the second address of a method to the first; returns any other address unchanged.
pub(super) fn resolve_leaf(address: &str) -> &str {
    let contains_others = |method: &&str| {
        let id = method.strip_prefix("/melos/").unwrap_or(method);
        TABLE.iter().any(|spec| spec.id.strip_prefix(id).is_some_and(|rest| rest.starts_with('/')))
    };
    address.strip_suffix(LEAF).filter(contains_others).unwrap_or(address)
}

/// Returns whether an address contains pattern characters.
pub(super) fn is_pattern(address: &str) -> bool {
    address.contains(['*', '?', '[', '{'])
}

/// Returns whether `pattern` matches `address`. As in OSC 1.0, `*`, `?`, `[a-z]` and `[!a-z]` never match `/`, and
/// `{one,two}` matches either text. A malformed pattern matches nothing.
pub(super) fn matches(pattern: &str, address: &str) -> bool {
    if address.len() > MAX_MATCHABLE_ADDRESS || !address.is_ascii() {
        return false;
    }
    let (mut pattern, bytes) = (pattern.as_bytes(), BytePositions::of(address));
    let mut positions = 1u64;
    while let [head, rest @ ..] = pattern {
        pattern = rest;
        positions = match head {
            b'*' => bytes.skip_any(positions),
            b'?' => step(positions, bytes.not_slash),
            b'[' => {
                let Some(end) = pattern.iter().position(|byte| *byte == b']') else { return false };
                let class = bytes.class(&pattern[..end]);
                pattern = &pattern[end + 1..];
                step(positions, class)
            }
            b'{' => {
                let Some(end) = pattern.iter().position(|byte| *byte == b'}') else { return false };
                let alternatives = pattern[..end].split(|byte| *byte == b',');
                pattern = &pattern[end + 1..];
                alternatives.fold(0, |reached, alternative| {
                    reached
                        | alternative
                            .iter()
                            .fold(positions, |positions, byte| step(positions, bytes.positions_of(*byte)))
                })
            }
            byte => step(positions, bytes.positions_of(*byte)),
        };
        if positions == 0 {
            return false;
        }
    }
    positions >> address.len() & 1 == 1
}

/// Returns the positions reached by matching one more byte, which must be at an `accepted` position.
const fn step(positions: u64, accepted: u64) -> u64 {
    (positions & accepted) << 1
}

/// The positions of each byte value in an address, as bit sets: bit n stands for byte n, counted from 0.
struct BytePositions {
    by_value: [u64; 128],
    /// All positions except those of slashes.
    not_slash: u64,
}

impl BytePositions {
    fn of(address: &str) -> Self {
        let mut by_value = [0; 128];
        for (index, byte) in address.bytes().enumerate() {
            by_value[usize::from(byte)] |= 1 << index;
        }
        let all = (1u64 << address.len()) - 1;
        Self { by_value, not_slash: all & !by_value[usize::from(b'/')] }
    }

    fn positions_of(&self, byte: u8) -> u64 {
        self.by_value.get(usize::from(byte)).copied().unwrap_or(0)
    }

    /// Returns the positions reached by skipping any number of bytes that are not slashes, including none.
    fn skip_any(&self, mut positions: u64) -> u64 {
        // The stride doubles, so six iterations cover a run of any length.
        let mut passable = self.not_slash;
        for stride in [1, 2, 4, 8, 16, 32] {
            positions |= (positions & passable) << stride;
            passable &= passable >> stride;
        }
        positions
    }

    /// Returns the positions of the bytes that belong to a class, given as the text between `[` and `]`.
    fn class(&self, class: &[u8]) -> u64 {
        let (negated, mut class) = match class {
            [b'!', rest @ ..] => (true, rest),
            _ => (false, class),
        };
        let mut members = 0;
        while let [first, rest @ ..] = class {
            let last = if let [b'-', last, rest @ ..] = rest {
                class = rest;
                last
            } else {
                class = rest;
                first
            };
            members |= (*first..=*last).fold(0, |positions, byte| positions | self.positions_of(byte));
        }
        self.not_slash & if negated { !members } else { members }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_osc_1_0() {
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

    /// Matches a pattern of `*`, `?` and literal characters by trying every possibility.
    fn matches_recursively(pattern: &[u8], address: &[u8]) -> bool {
        match (pattern, address) {
            ([], _) => address.is_empty(),
            ([b'*', rest @ ..], _) => {
                matches_recursively(rest, address)
                    || address
                        .split_first()
                        .is_some_and(|(byte, after)| *byte != b'/' && matches_recursively(pattern, after))
            }
            ([b'?', rest @ ..], [byte, after @ ..]) => *byte != b'/' && matches_recursively(rest, after),
            ([expected, rest @ ..], [byte, after @ ..]) => expected == byte && matches_recursively(rest, after),
            _ => false,
        }
    }

    #[test]
    fn the_fast_matcher_agrees_with_a_recursive_one() {
        let mut state = 1u64;
        let mut random = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut matched = 0;
        for _ in 0..20_000 {
            let pattern: String = (0..random(7)).map(|_| ['a', 'b', '/', '*', '?'][random(5) as usize]).collect();
            let address: String = (0..random(9)).map(|_| ['a', 'b', '/'][random(3) as usize]).collect();
            let expected = matches_recursively(pattern.as_bytes(), address.as_bytes());
            assert_eq!(matches(&pattern, &address), expected, "{pattern} on {address}");
            matched += u32::from(expected);
        }
        assert!(matched > 100, "only {matched} patterns matched");
    }

    #[test]
    fn hostile_patterns_terminate_without_a_match() {
        let address = format!("/{}", "a".repeat(60));
        for pattern in ["*a".repeat(100), "?*".repeat(100), format!("[{}]", "a-z".repeat(60)), "{a,b}".repeat(40)] {
            assert!(!matches(&format!("/{pattern}b"), &address), "{pattern}");
        }
    }
}
