//! Tests that play through a running daemon or a real audio server. All but those in `untimed` depend on timing, so run them
//! one at a time: `cargo test --test live -- --test-threads=1`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic; helpers print measurements")]

mod checkpoints;
mod end_to_end;
mod engine_sync;
mod external_input;
mod faults;
mod flood;
mod jack_midi;
mod jack_midi_controller;
mod jack_midi_out;
mod jack_output;
mod late_device;
mod log_reader;
mod pulse_output;
mod show;
mod support;
mod take;
mod tempo_source;
mod untimed;
