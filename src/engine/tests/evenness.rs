//! Evenness beside the rest of the engine: what comes after it still works, and nothing is raised that fades or is held.

use super::*;

impl TestRig {
    /// Creates a rig with full evenness and without reverb, whose modulation changes the level of steady tones.
    fn even() -> Self {
        let mut rig = Self::new();
        rig.send(0, EngineCommand::Number(Param::Evenness, 1.0));
        rig.send(0, EngineCommand::Number(Param::Reverb, 0.0));
        rig
    }

    fn send_now(&mut self, command: EngineCommand) {
        self.send(self.engine.state.frame, command);
    }

    /// Plays for a number of seconds and returns the level of the last one in decibels.
    fn level_after(&mut self, seconds: usize) -> f32 {
        let out = self.perform(48_000 * seconds);
        20.0 * level(&out[out.len() - 96_000..]).log10()
    }
}

#[test]
fn the_master_level_acts_in_full() {
    let mut rig = TestRig::even();
    rig.send(0, EngineCommand::Number(Param::LevelNetwork, -12.0));
    let before = rig.level_after(30);
    rig.send_now(EngineCommand::Number(Param::LevelMaster, -20.0));
    let after = rig.level_after(30);
    assert!((before - after - 20.0).abs() < 0.1, "{before}, then {after} dB");
}

#[test]
fn layer_levels_are_evened_out() {
    let levels = [0.0, -9.0].map(|level_db| {
        let mut rig = TestRig::even();
        rig.send(0, EngineCommand::Number(Param::LevelNetwork, level_db));
        rig.level_after(40)
    });
    assert!((levels[0] - levels[1]).abs() < 0.3, "{levels:?}");
}

#[test]
fn a_pause_or_a_held_sound_raises_nothing() {
    for param in [Param::Play, Param::Hold] {
        let mut rig = TestRig::even();
        let before = rig.level_after(20);
        rig.send_now(EngineCommand::Toggle(param, param == Param::Hold));
        rig.perform(9600);
        // The music becomes softer underneath.
        rig.send_now(EngineCommand::Number(Param::LevelNetwork, -9.0));
        rig.perform(30 * 48_000);
        rig.send_now(EngineCommand::Toggle(param, param != Param::Hold));
        rig.perform(48_000);
        let after = rig.level_after(1);
        assert!((-9.5..-7.5).contains(&(after - before)), "{param:?}: {before}, then {after} dB");
    }
}

#[test]
fn samples_that_are_not_finite_do_not_disturb_the_gain() {
    let mut rig = TestRig::even();
    let before = rig.level_after(20);
    let bad = rig.pushed;
    rig.ends.hops.try_push(hop(bad, 0, |frame| if frame % 3 == 0 { f32::NAN } else { music(frame) })).unwrap();
    rig.pushed += 1;
    rig.perform(48_000);
    let after = rig.level_after(1);
    assert!(rig.engine.status().losses().count(Loss::NotFinite) > 100);
    assert!((after - before).abs() < 1.0, "{before}, then {after} dB");
}
