//! Tests that need no audio server and may run in parallel.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod architecture;
mod check;
mod contract;
mod economy;
mod evenness;
mod fuzz_seeds;
mod generator;
mod golden;
mod harmony;
mod hostile_clients;
mod install;
mod loss_docs;
mod model_files;
mod noise;
mod parameter_docs;
mod printed_text;
mod render;
mod seams;
mod shipped;
mod start;
mod units;
mod worker;
