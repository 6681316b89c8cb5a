//! Checks that `docs/parameters.md` matches the parameter table. `MELOS_BLESS=1 cargo test --test offline
//! parameter_docs` regenerates the document.

use std::fmt::Write as _;

use melos::event::parameter::{AUTO, Kind, Lane, TABLE};

const PATH: &str = "docs/parameters.md";

fn latency(lane: Lane) -> &'static str {
    match lane {
        Lane::Fast => "next block (about 10 ms)",
        Lane::Slow => "new plan (about 100 ms)",
        Lane::Daemon => "immediately",
    }
}

fn document() -> String {
    let mut text = String::from(
        "# Parameters\n\nGenerated from the parameter table (`src/event/parameter.rs`). The OSC address is `/melos/` plus the name; mappings and presets use \
         the name alone. Send an address without arguments to query its value (a trigger fires instead).\n\n\
         | name | values | unit | default | lane | takes effect | description |\n|---|---|---|---|---|---|---|\n",
    );
    for spec in TABLE {
        let (values, default) = match spec.kind {
            Kind::Number { min, max, default } => (format!("{min} to {max}"), default.to_string()),
            Kind::Toggle { default } => ("0, 1".to_owned(), u8::from(default).to_string()),
            Kind::Choice { names, default } => (names.join(", "), names[usize::from(default)].to_owned()),
            Kind::Chord => ("chord symbol, auto".to_owned(), AUTO.to_owned()),
            Kind::Text { default } => ("text".to_owned(), default.to_owned()),
            Kind::Trigger => ("trigger".to_owned(), String::new()),
        };
        writeln!(
            text,
            "| `{}` | {values} | {} | {default} | {} | {} | {} |",
            spec.id,
            spec.unit,
            spec.lane().name(),
            latency(spec.lane()),
            spec.description
        )
        .expect("writing to a string cannot fail");
    }
    text
}

#[test]
fn the_document_is_up_to_date() {
    let fresh = document();
    if std::env::var_os("MELOS_BLESS").is_some() {
        std::fs::create_dir_all("docs").unwrap();
        std::fs::write(PATH, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(stored == fresh, "{PATH} is stale: run MELOS_BLESS=1 cargo test --test offline parameter_docs");
}
