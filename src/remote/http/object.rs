//! Bodies of requests.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A JSON object. Without it, an array would be accepted too, with the values of the fields in order: `[true]` would
/// delete a piece.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Deletion {
        delete: bool,
    }

    #[test]
    fn only_objects_are_accepted() {
        let read = |json: &str| serde_json::from_str::<Object<Deletion>>(json).map(|Object(deletion)| deletion);
        assert_eq!(read(r#"{"delete": true}"#).unwrap(), Deletion { delete: true });
        for (json, hint) in [
            ("[true]", "expected an object"),
            ("true", "expected an object"),
            ("null", "expected an object"),
            (r#"{"delete": true, "delete": true}"#, "duplicate field"),
            (r#"{"remove": true}"#, "unknown field"),
            ("{}", "missing field"),
        ] {
            let error = read(json).unwrap_err();
            // The HTTP API answers with 422.
            assert!(error.is_data() && error.to_string().contains(hint), "{json}: {error}");
        }
    }
}
