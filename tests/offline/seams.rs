//! At seams, the audio matches the same music decoded in one piece.

#[path = "../../benches/support/take.rs"]
mod take;

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
        let found = take::seams_of(emotion, 12.0, models);
        assert!(found.count > 130 && found.usual_step > 0.0, "{emotion:?}: {found:?}");
        assert!(found.largest_step <= found.usual_step, "{emotion:?}: {found:?}");
        assert!(found.added_step < 1e-4 && found.dip_db > -0.01, "{emotion:?}: {found:?}");
    }
}
