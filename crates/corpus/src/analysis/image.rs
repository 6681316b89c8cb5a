//! Renders a mel spectrogram as a PNG image.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use melos::mel::{BANDS, MelFrame};

const ROWS_PER_BAND: usize = 2;
/// Maximum width in pixels; for longer signals, each column shows the maximum of several frames.
const MAX_WIDTH: usize = 4000;
/// Range between black and the brightest pixel: 60 dB, in nepers.
const RANGE: f32 = 6.9;

/// The colours from quiet to loud: black, violet, red, yellow, white. They grow steadily brighter, so that the image is
/// also legible in greyscale.
const COLOURS: [[f32; 3]; 5] =
    [[0.0, 0.0, 0.0], [80.0, 18.0, 123.0], [214.0, 69.0, 78.0], [253.0, 180.0, 70.0], [255.0, 255.0, 240.0]];

/// Writes mel frames as an image: time runs to the right, low bands are at the bottom, and brighter is louder.
///
/// # Errors
/// If the file cannot be written.
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

/// Returns the width in pixels and the RGB pixels, starting at the top left.
fn paint(frames: &[MelFrame]) -> (usize, Vec<u8>) {
    let frames_per_column = frames.len().div_ceil(MAX_WIDTH).max(1);
    let columns: Vec<&[MelFrame]> = frames.chunks(frames_per_column).collect();
    let loudest = frames.iter().flatten().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut pixels = Vec::with_capacity(3 * columns.len() * BANDS * ROWS_PER_BAND);
    for row in 0..BANDS * ROWS_PER_BAND {
        let band = BANDS - 1 - row / ROWS_PER_BAND;
        for column in &columns {
            let value = column.iter().map(|frame| frame[band]).fold(f32::NEG_INFINITY, f32::max);
            pixels.extend(colour(1.0 + (value - loudest) / RANGE));
        }
    }
    (columns.len(), pixels)
}

fn colour(brightness: f32) -> [u8; 3] {
    let position = brightness.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f32;
    let index = (position as usize).min(COLOURS.len() - 2);
    let fraction = position - index as f32;
    std::array::from_fn(|i| (COLOURS[index][i] + fraction * (COLOURS[index + 1][i] - COLOURS[index][i])).round() as u8)
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
