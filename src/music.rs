//! The musical vocabulary: emotions, harmony, beats and bars, and the plan for the networks.

pub mod clock;
pub mod conditions;
pub mod emotion;
pub mod form;
pub mod glide;
pub mod plan;
pub mod profile;
pub mod spelling;
pub mod temperature;
pub mod theory;
