//! The gain over time for quanta of noise at given levels.

use super::*;
use crate::engine::loudness::QUANTA_PER_STEP;

/// Number of quanta in a second.
const SECOND: usize = 10 * QUANTA_PER_STEP as usize;

/// A leveller, and a source of noise for it.
struct TestRig {
    leveller: Leveller,
    noise: u32,
}

impl TestRig {
    /// Creates a rig whose evenness has reached its value.
    fn new(evenness: f32) -> Self {
        let mut leveller = Leveller::new();
        leveller.evenness.jump(evenness);
        Self { leveller, noise: 7 }
    }

    /// Plays noise of a level in dBFS. Returns the gain in decibels at the end of each quantum.
    fn play_while(&mut self, may_rise: bool, level_db: f32, quanta: usize) -> Vec<f32> {
        // The peak of uniform noise is √3 times its RMS level.
        let peak = 3f32.sqrt() * db_to_gain(level_db);
        let play_quantum = |_| {
            let mut bus = Bus::SILENT;
            for sample in &mut bus.mid {
                self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = peak * (self.noise as f32 / u32::MAX as f32 * 2.0 - 1.0);
            }
            let gain = self.leveller.step(may_rise);
            self.leveller.measure(&bus);
            20.0 * gain.to.log10()
        };
        (0..quanta).map(play_quantum).collect()
    }

    fn play(&mut self, level_db: f32, seconds: usize) -> Vec<f32> {
        self.play_while(true, level_db, seconds * SECOND)
    }

    /// Returns the loudness of noise at 0 dBFS, from the meter itself; `loudness.rs` compares it with a reference.
    fn loudness_at_0_db() -> f32 {
        let mut rig = Self::new(0.0);
        rig.play(-20.0, 40);
        TARGET_LUFS - rig.leveller.correction_db.value() + 20.0
    }
}

#[test]
fn without_evenness_the_gain_is_exactly_1() {
    let mut rig = TestRig::new(0.0);
    for level_db in [-50.0, 0.0, -30.0] {
        rig.play(level_db, 2);
        assert_eq!(rig.leveller.step(true), Span { from: 1.0, to: 1.0 });
    }
    assert!(rig.leveller.correction_db.value() != 0.0, "the leveller should measure while it is off");
}

#[test]
fn full_evenness_brings_all_music_to_the_target() {
    let offset = TestRig::loudness_at_0_db();
    for level_db in [-40.0, -34.0, -28.0, -20.0] {
        let gains = TestRig::new(1.0).play(level_db, 40);
        let lufs = level_db + offset + gains.last().unwrap();
        assert!((lufs - TARGET_LUFS).abs() < 0.2, "{lufs} LUFS at {level_db} dBFS");
    }
}

#[test]
fn half_evenness_halves_the_differences() {
    let [soft, loud] = [-40.0, -20.0].map(|level_db| *TestRig::new(0.5).play(level_db, 40).last().unwrap());
    assert!((soft - loud - 10.0).abs() < 0.2, "{soft} and {loud} dB");
}

#[test]
fn the_gain_is_bounded_and_slow() {
    let mut rig = TestRig::new(1.0);
    let mut gains = rig.play(-55.0, 40);
    assert!((gains.last().unwrap() - RANGE_DB).abs() < 0.01, "{:?}", gains.last());
    gains.extend(rig.play(0.0, 20));
    assert!((gains.last().unwrap() + RANGE_DB).abs() < 0.01, "{:?}", gains.last());
    gains.extend(rig.play(-55.0, 20));
    for pair in gains.windows(2) {
        let speed = (pair[1] - pair[0]) * SECOND as f32;
        assert!((-1.01 * FALL..1.01 * RISE).contains(&speed), "{speed} dB/s");
    }
}

#[test]
fn the_gain_does_not_rise_in_silence_or_in_a_tail() {
    let mut rig = TestRig::new(1.0);
    let before = *rig.play(-24.0, 20).last().unwrap();
    // A tail of 20 dB a second, then silence.
    let highest = |gains: Vec<f32>| gains.into_iter().fold(f32::MIN, f32::max);
    let tail = (0..4 * SECOND).map(|n| highest(rig.play_while(true, -24.0 - 20.0 * n as f32 / SECOND as f32, 1)));
    let tail = tail.fold(f32::MIN, f32::max);
    let silence = highest(rig.play(f32::NEG_INFINITY, 60));
    assert!(tail < before + 1.0 && silence < tail + 0.1, "{before}, then {tail}, then {silence} dB");
}

#[test]
fn the_gain_may_fall_but_not_rise_while_the_music_is_not_fully_live() {
    let mut rig = TestRig::new(1.0);
    let before = *rig.play(-30.0, 20).last().unwrap();
    let softer = *rig.play_while(false, -45.0, 20 * SECOND).last().unwrap();
    assert_eq!(softer, before);
    let louder = *rig.play_while(false, -18.0, 20 * SECOND).last().unwrap();
    assert!(louder < before - 9.0, "{louder} dB");
    // A rise that has begun ends at once.
    rig.play(-40.0, 20);
    let gains = rig.play_while(false, -40.0, SECOND);
    assert!(gains.windows(2).all(|pair| pair[1] <= pair[0]));
}

#[test]
fn a_change_of_the_parameter_is_smooth() {
    let mut rig = TestRig::new(0.0);
    rig.play(-50.0, 40);
    rig.leveller.set_number(Param::Evenness, 1.0);
    let gains = rig.play(-50.0, 3);
    assert!((gains.last().unwrap() - RANGE_DB).abs() < 0.01);
    let largest = gains.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f32::max);
    assert!(largest < 0.01, "{largest} dB in a quantum");
}

#[test]
fn clearing_keeps_the_gain() {
    let mut rig = TestRig::new(1.0);
    let before = *rig.play(-10.0, 20).last().unwrap();
    rig.leveller.clear();
    let after = *rig.play(f32::NEG_INFINITY, 1).last().unwrap();
    assert!((after - before).abs() < 0.01, "{before}, then {after} dB");
}

#[test]
fn a_saved_leveller_continues_exactly() {
    let mut rig = TestRig::new(0.7);
    rig.play(-35.0, 3);
    rig.play_while(true, -12.0, 40);
    let bytes = postcard::to_allocvec(&rig.leveller).unwrap();
    let mut restored = TestRig { leveller: postcard::from_bytes(&bytes).unwrap(), noise: rig.noise };
    assert_eq!(restored.play(-12.0, 5), rig.play(-12.0, 5));
}
