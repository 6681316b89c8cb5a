//! The password, and the cookie that stands for it.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Name of the cookie that is accepted instead of the password.
pub(super) const COOKIE: &str = "melos-key";

/// The password's hash and the cookie's value.
pub(super) struct Password {
    hash: [u8; 32],
    pub(super) key: String,
}

impl Password {
    pub(super) fn new(password: &str) -> Self {
        Self { hash: digest(password), key: random_key() }
    }

    /// Returns whether a given password is the right one.
    pub(super) fn is(&self, given: &str) -> bool {
        equal(&digest(given), &self.hash)
    }

    /// Returns whether a request has the cookie, which only clients that have supplied the password know.
    pub(super) fn is_in_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        pairs.any(|(name, value)| name == COOKIE && equal(&digest(value), &digest(&self.key)))
    }

    /// Returns the header that sets the cookie.
    pub(super) fn set_cookie(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", self.key)).ok()
    }
}

/// Returns the password that a request supplies in `Authorization: Basic`.
pub(super) fn given(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

pub(super) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Returns whether two hashes are equal; takes the same time wherever they differ.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Returns an unguessable value for the cookie.
fn random_key() -> String {
    // The keys of every hasher are derived from the system's random numbers.
    let mut words = [0, 0].map(|_: i32| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ()));
    words[1] ^= std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), words[0]);
    words.iter().map(|word| format!("{word:016x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_keys_differ() {
        let keys: std::collections::BTreeSet<_> = (0..100).map(|_| random_key()).collect();
        assert!(keys.len() == 100 && keys.iter().all(|key| key.len() == 32));
    }
}
