//! At seams, the audio matches the same music decoded in one piece.

#[path = "../../benches/support/seam_measurement.rs"]
mod seam_measurement;

use std::path::Path;

use melos::generator::model::{Models, runtime};
use melos::music::emotion::Emotion;

fn models() -> Models {
    let runtime = runtime().unwrap_or_else(|error| panic!("{error}"));
    Models::load(runtime, Path::new("tests/fixtures/tiny-model")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn no_seam_has_a_step_or_dip_for_any_emotion() {
    for emotion in Emotion::ALL {
        let seams = seam_measurement::seams_of(emotion, 12.0, models);
        assert!(seams.count > 130 && seams.usual_step > 0.0, "{emotion:?}: {seams:?}");
        assert!(seams.largest_step <= seams.usual_step, "{emotion:?}: {seams:?}");
        assert!(seams.added_step < 1e-4 && seams.dip_db > -0.01, "{emotion:?}: {seams:?}");
    }
}
