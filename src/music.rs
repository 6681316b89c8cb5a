//! What is requested of the music: emotion, harmony vocabulary, beats and bars, and the plan for the network.

pub mod clock;
pub mod conditions;
pub mod emotion;
pub mod glide;
pub mod plan;
pub mod profile;
pub mod temperature;
pub mod theory;
