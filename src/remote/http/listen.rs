//! The live output as an endless WAV file.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use crate::output::record::Listeners;
use crate::units::SAMPLE_RATE;

/// Serves `GET /listen.wav`.
pub(super) async fn listen(State(listeners): State<Listeners>) -> Response {
    let Some(mut chunks) = listeners.join() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let samples = stream::poll_fn(move |context| chunks.poll_recv(context)).map(|chunk| pcm(&chunk));
    let wav = stream::iter([Bytes::from_owner(wav_header())]).chain(samples).map(Ok::<_, std::convert::Infallible>);
    let headers = [(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(wav)).into_response()
}

/// Returns the WAV header of a stream of unknown length: its length fields hold the maximum value.
fn wav_header() -> [u8; 44] {
    const BYTES_PER_FRAME: u32 = 4;
    let mut header = *b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0........\x04\0\x10\0data\xff\xff\xff\xff";
    header[24..28].copy_from_slice(&SAMPLE_RATE.to_le_bytes());
    header[28..32].copy_from_slice(&(SAMPLE_RATE * BYTES_PER_FRAME).to_le_bytes());
    header
}

/// Converts frames to interleaved 16-bit little-endian samples.
fn pcm(frames: &[[f32; 2]]) -> Bytes {
    let sample = |x: &f32| (x * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    frames.iter().flatten().flat_map(|x| sample(x).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_a_valid_wav_file() {
        let mut file = wav_header().to_vec();
        file[4..8].copy_from_slice(&44u32.to_le_bytes());
        file[40..44].copy_from_slice(&8u32.to_le_bytes());
        file.extend(pcm(&[[0.5, -0.5], [1.0, -2.0]]));
        let mut wav = hound::WavReader::new(file.as_slice()).unwrap();
        let spec = wav.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, SAMPLE_RATE, 16));
        let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [16_384, -16_384, 32_767, -32_768]);
    }
}
