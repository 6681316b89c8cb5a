//! Writes the plan of a render to a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use melos::music::emotion::Emotion;
use melos::music::plan::Plan;
use serde_json::{Value, json};

/// A JSON Lines file with one line for each frame at which the plan is sampled.
#[derive(Debug)]
pub(super) struct PlanFile {
    file: BufWriter<File>,
    path: PathBuf,
}

impl PlanFile {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned() })
    }

    /// Writes a line that says what the plan requests at a frame.
    pub(super) fn write(&mut self, plan: &Plan, frame: u64) -> anyhow::Result<()> {
        writeln!(self.file, "{}", line(plan, frame)).with_context(|| format!("cannot write {}", self.path.display()))
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().with_context(|| format!("cannot finish {}", self.path.display()))
    }
}

/// Returns what the plan requests at a frame. `beat` counts from 0, and is an integer exactly on a beat.
fn line(plan: &Plan, frame: u64) -> Value {
    let conditions = plan.conditions(frame);
    let mood = plan.steering.mood.at(frame, &plan.clock);
    let chord = plan.chord_at(frame);
    let weights: serde_json::Map<_, _> = Emotion::ALL
        .into_iter()
        .zip(mood.weights())
        .map(|(emotion, weight)| (emotion.name().to_owned(), json!(weight)))
        .collect();
    json!({
        "frame": frame,
        "emotion": weights,
        "valence": mood.affect().valence,
        "arousal": mood.affect().arousal,
        "chord": chord.to_string(),
        "pitch_classes": chord.pitch_classes().collect::<Vec<_>>(),
        "bass": chord.bass,
        "beat": plan.clock.beat_at(frame),
        "beats_per_bar": plan.clock.beats_per_bar(),
        "tempo_bpm": plan.clock.tempo_at(frame),
        "density": conditions.density,
        "loudness": conditions.loudness,
        "register": conditions.register,
        "temperature": plan.temperature(frame),
        "guidance": plan.guidance(frame),
    })
}

#[cfg(test)]
mod tests {
    use melos::music::emotion::Mood;
    use melos::music::theory::Chord;

    use super::*;

    #[test]
    fn a_line_describes_the_plan_at_its_frame() {
        let plan = Plan::steady(1, Mood::pure(Emotion::Angry), Chord::parse("Am").unwrap(), 120.0);
        let line = line(&plan, 36_000);
        assert_eq!((&line["chord"], &line["bass"]), (&json!("Am"), &json!(9)));
        assert_eq!(line["pitch_classes"], json!([9, 0, 4]));
        assert_eq!((&line["beat"], &line["tempo_bpm"]), (&json!(1.5), &json!(120.0)));
        assert_eq!((&line["emotion"]["angry"], &line["emotion"]["calm"]), (&json!(1.0), &json!(0.0)));
    }
}
