//! Serializes arrays of numbers as bytes, for checkpoints: `#[serde(with = "bytes")]` copies a whole array at once
//! instead of number by number, so it is fast enough for the audio callback.

use bytemuck::Pod;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Serializes an array by copying its memory. Does not allocate.
///
/// # Errors
/// When the serializer fails.
pub fn serialize<T: Pod, A: AsRef<[T]>, S: Serializer>(array: &A, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytemuck::cast_slice(array.as_ref()))
}

/// Deserializes an array.
///
/// # Errors
/// When the number of bytes does not match the array.
pub fn deserialize<'de, T: Pod, A: TryFrom<Vec<T>>, D: Deserializer<'de>>(deserializer: D) -> Result<A, D::Error> {
    let values = deserializer.deserialize_bytes(Bytes)?;
    if !values.len().is_multiple_of(size_of::<T>()) {
        return Err(Error::invalid_length(values.len(), &Bytes));
    }
    let array: Vec<T> = values.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect();
    A::try_from(array).map_err(|_| Error::invalid_length(values.len(), &Bytes))
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = &'de [u8];

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the bytes of a complete array")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<&'de [u8], E> {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Arrays {
        #[serde(with = "super")]
        fixed: [f32; 100],
        #[serde(with = "super")]
        boxed: Box<[f32]>,
    }

    #[test]
    fn arrays_round_trip_bit_for_bit_and_wrong_lengths_are_errors() {
        let arrays =
            Arrays { fixed: std::array::from_fn(|n| 1.0 / n as f32), boxed: Box::new([-0.0, f32::MIN_POSITIVE]) };
        let bytes = postcard::to_allocvec(&arrays).unwrap();
        assert_eq!(bytes.len(), 2 + 400 + 1 + 8);
        assert_eq!(postcard::from_bytes::<Arrays>(&bytes).unwrap(), arrays);
        for (index, wrong) in [(0, 0x8c), (402, 7)] {
            let mut damaged = bytes.clone();
            damaged[index] = wrong;
            assert!(postcard::from_bytes::<Arrays>(&damaged).is_err(), "{index}");
        }
    }
}
