//! `docs/losses.md` is made from the table of losses; `MELOS_BLESS=1 cargo test --test loss_docs` writes it anew.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::fmt::Write as _;

use melos::event::health::Loss;

const PATH: &str = "docs/losses.md";

fn document() -> String {
    let mut text = String::from(
        "# What can be lost\n\nMade from the table of losses (`src/event/health.rs`). Nothing is lost in silence: `melos status` \
         names what was, `GET /status` has every count in `losses`, `/melos/health` sends them after state and load in the order of \
         this table, and the log says at most once a minute what grew. Counts begin at 0 with every start and only grow; new rows \
         come at the end.\n\n| name | counts | what it means |\n|---|---|---|\n",
    );
    for loss in Loss::ALL {
        writeln!(text, "| `{}` | {}s {} | {} |", loss.id(), loss.unit(), loss.happened(), loss.help()).unwrap();
    }
    text
}

#[test]
fn the_document_is_fresh() {
    let fresh = document();
    if std::env::var_os("MELOS_BLESS").is_some() {
        std::fs::write(PATH, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(stored == fresh, "{PATH} is stale: run MELOS_BLESS=1 cargo test --test loss_docs");
}
