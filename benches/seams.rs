//! Measures steps and dips at the seams in `MELOS_SEAM_MINUTES` minutes (default 30) of music in each emotion, and
//! prints a Markdown table.
#![allow(clippy::print_stdout, reason = "the result is a printed table")]

#[path = "support/seam_measurement.rs"]
mod seam_measurement;

use melos::files::SearchPath;
use melos::files::config::find_data;
use melos::generator::model::{Models, find_model, runtime};
use melos::music::emotion::Emotion;

fn models() -> Models {
    let folder = find_data(None).expect("the data folder should exist");
    let folder = find_model(&SearchPath::new(&folder), "melos-piano").expect("the model should exist");
    Models::load(runtime().expect("the runtime should be installed"), &folder).expect("the model should be valid")
}

fn main() {
    let minutes = std::env::var("MELOS_SEAM_MINUTES")
        .map_or(30.0, |text| text.parse().expect("MELOS_SEAM_MINUTES should be a number"));
    println!(
        "| {minutes} min of | seams | 99.99th percentile of steps | largest step at a seam | steps above the percentile | largest increase of a step | deepest dip |"
    );
    println!("|---|---|---|---|---|---|---|");
    for emotion in Emotion::ALL {
        let seams = seam_measurement::seams_of(emotion, 60.0 * minutes, models);
        println!(
            "| {} | {} | {:.4} | {:.4} | {}, expected {:.1} | {:.1e} | {:.2} dB |",
            emotion.name(),
            seams.count,
            seams.usual_step,
            seams.largest_step,
            seams.above_usual,
            seams.count as f64 * 1e-4,
            seams.added_step,
            seams.dip_db
        );
    }
}
