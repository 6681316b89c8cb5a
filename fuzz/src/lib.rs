//! The fuzz targets as plain functions, so that the tests can run them on the seeds with a stable compiler.

pub mod daemon;
pub mod sound;
