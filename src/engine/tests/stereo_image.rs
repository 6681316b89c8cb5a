//! The stereo image: width, and compatibility with mono.

use super::*;

#[test]
fn the_stereo_image_is_wide_and_mono_compatible() {
    let mut rig = TestRig::new();
    rig.send(0, EngineCommand::Number(Param::Width, 1.0));
    rig.send(0, EngineCommand::Number(Param::Reverb, 1.0));
    let mut seed = 9u32;
    let noise: Vec<f32> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.2 * (seed as f32 / u32::MAX as f32 - 0.5)
    })
    .take(120 * HOP)
    .collect();
    for index in 0..120 {
        rig.ends.hops.try_push(hop(index, 0, |frame| noise[frame as usize])).unwrap();
    }
    let out = rig.play(110 * HOP);
    let side: Vec<f32> = out.chunks_exact(2).map(|frame| 0.5 * (frame[0] - frame[1])).collect();
    let ratio = level(&side) / level(&mono(&out));
    assert!((0.15..0.9).contains(&ratio), "{ratio}");
    // The mono mix should lose little power in any third-octave band.
    for band in 0..24 {
        let hz = 63.0 * 2f32.powf(band as f32 / 3.0);
        let [left, right, mid] = [
            band_energy(&out.iter().step_by(2).copied().collect::<Vec<_>>(), hz),
            band_energy(&out.iter().skip(1).step_by(2).copied().collect::<Vec<_>>(), hz),
            band_energy(&mono(&out), hz),
        ];
        let gain_db = 10.0 * (mid / (0.5 * (left + right))).log10();
        assert!(gain_db > -4.0, "{gain_db} dB at {hz} Hz");
    }
}

/// Returns the energy in the third-octave band around `hz`, measured with a two-pole resonator.
fn band_energy(samples: &[f32], hz: f32) -> f32 {
    let omega = f64::from(hz) * std::f64::consts::TAU / 48_000.0;
    let radius = 1.0 - 0.115 * omega / 2.0;
    let (a, b) = (2.0 * radius * omega.cos(), radius * radius);
    let (mut y1, mut y2, mut energy) = (0.0, 0.0, 0.0);
    for sample in samples {
        let y0 = f64::from(*sample) + a * y1 - b * y2;
        (y2, y1) = (y1, y0);
        energy += y0 * y0;
    }
    energy as f32
}
