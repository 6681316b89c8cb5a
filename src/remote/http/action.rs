//! The actions on a take or a scene.

use serde::Deserialize;

/// What to do with a take or a scene.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "Fields")]
pub(super) enum Action {
    /// Rename it; a take keeps its extension.
    Rename(String),
    /// Delete it permanently; the value must be `true`.
    Delete(bool),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with rename or delete")]
struct Fields {
    rename: Option<String>,
    delete: Option<bool>,
}

impl TryFrom<Fields> for Action {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.rename, fields.delete) {
            (Some(name), None) => Ok(Self::Rename(name)),
            (None, Some(confirmed)) => Ok(Self::Delete(confirmed)),
            _ => Err("expected exactly one of rename and delete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_action_is_accepted() {
        let read = |json: &str| serde_json::from_str::<Action>(json);
        assert_eq!(read(r#"{"rename": "x"}"#).unwrap(), Action::Rename("x".to_owned()));
        assert_eq!(read(r#"{"delete": true}"#).unwrap(), Action::Delete(true));
        for (json, hint) in [
            (r#"{"rename": "x", "delete": true}"#, "exactly one of rename and delete"),
            ("{}", "exactly one of rename and delete"),
            (r#"{"rename": "x", "rename": "y"}"#, "duplicate field"),
            (r#"{"delete": "x"}"#, "expected a boolean"),
            (r#"{"remove": true}"#, "unknown field"),
            ("[]", "invalid length 0"),
        ] {
            let error = read(json).unwrap_err();
            // The HTTP API answers with 422.
            assert!(error.is_data() && error.to_string().contains(hint), "{json}: {error}");
        }
    }
}
