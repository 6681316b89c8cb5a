//! Checks that `docs/losses.md` matches the table of losses. `MELOS_BLESS=1 cargo test --test offline loss_docs`
//! regenerates the document.

use std::fmt::Write as _;

use melos::event::health::{Loss, counted};

const PATH: &str = "docs/losses.md";

fn document() -> String {
    let mut text = String::from(
        "# Losses\n\nGenerated from the table of losses (`src/event/health.rs`). No loss is silent: `melos status` lists what was lost, \
         `GET /status` has all counters in `losses`, `/melos/health` sends them after state and load, in the order of this table, and \
         the log reports increases at most once a minute. The counters start at 0 whenever Melos starts, and only increase; new rows are \
         added at the end.\n\n| name | counts | meaning |\n|---|---|---|\n",
    );
    for loss in Loss::ALL {
        writeln!(text, "| `{}` | {} | {} |", loss.id(), counted(loss), loss.help()).unwrap();
    }
    text
}

#[test]
fn the_document_is_up_to_date() {
    let fresh = document();
    if std::env::var_os("MELOS_BLESS").is_some() {
        std::fs::write(PATH, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(stored == fresh, "{PATH} is stale: run MELOS_BLESS=1 cargo test --test offline loss_docs");
}
