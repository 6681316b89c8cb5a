//! Renders a mel spectrogram as a PNG image.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use melos::mel::{BANDS, MelFrame};

/// Pixel rows per band, and maximum width in frames; longer signals are reduced to the loudest frame of each column.
const ROWS_PER_BAND: usize = 2;
const WIDEST: usize = 4000;
/// Nepers (60 dB) between the brightest and black.
const DEPTH: f32 = 6.9;

/// Black, violet, red, yellow, white: increasing in brightness, so that the image is also legible in greyscale.
const COLOURS: [[f32; 3]; 5] =
    [[0.0, 0.0, 0.0], [80.0, 18.0, 123.0], [214.0, 69.0, 78.0], [253.0, 180.0, 70.0], [255.0, 255.0, 240.0]];

/// Writes mel frames as an image: time to the right, low bands at the bottom, louder is brighter.
///
/// # Errors
/// When the file cannot be written.
pub fn write(frames: &[MelFrame], path: &Path) -> std::io::Result<()> {
    let (width, pixels) = paint(frames);
    let height = (BANDS * ROWS_PER_BAND) as u32;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width as u32, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(())
}

/// Width in pixels, and RGB from the top left.
fn paint(frames: &[MelFrame]) -> (usize, Vec<u8>) {
    let thin = frames.len().div_ceil(WIDEST).max(1);
    let columns: Vec<&[MelFrame]> = frames.chunks(thin).collect();
    let loudest = frames.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut pixels = Vec::with_capacity(3 * columns.len() * BANDS * ROWS_PER_BAND);
    for row in 0..BANDS * ROWS_PER_BAND {
        let band = BANDS - 1 - row / ROWS_PER_BAND;
        for column in &columns {
            let value = column.iter().map(|frame| frame[band]).fold(f32::NEG_INFINITY, f32::max);
            pixels.extend(colour(1.0 + (value - loudest) / DEPTH));
        }
    }
    (columns.len(), pixels)
}

fn colour(brightness: f32) -> [u8; 3] {
    let place = brightness.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let below = (place as usize).min(COLOURS.len() - 2);
    let share = place - below as f32;
    std::array::from_fn(|i| (COLOURS[below][i] + share * (COLOURS[below + 1][i] - COLOURS[below][i])).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_band_is_the_brightest_row() {
        let mut frame = [-11.0; BANDS];
        frame[0] = 0.0;
        let (width, pixels) = paint(&[frame; 3]);
        assert_eq!(width, 3);
        let rows: Vec<&[u8]> = pixels.chunks(9).collect();
        assert_eq!(rows.len(), BANDS * ROWS_PER_BAND);
        assert_eq!(rows[rows.len() - 1], [255, 255, 240].repeat(3));
        assert_eq!(rows[0], [0; 9]);
    }
}
