//! The mood of a preset, a journey's step or a scene: one emotion, a blend, or valence and arousal.

use super::NamedParam;
use crate::event::parameter::{Param, Value};
use crate::files::document::Document;
use crate::music::emotion::Emotion;

/// Reports a mood that is set twice or incompletely, and a blend without any weight.
pub(super) fn check(document: &mut Document<'_>, named: &[NamedParam]) {
    let find = |param: Param| named.iter().find(|named| named.param == param);
    let point = [find(Param::Valence), find(Param::Arousal)];
    let blend = named.iter().filter(|named| named.param.weighted_emotion().is_some());
    if let [Some(coordinate), None] | [None, Some(coordinate)] = point {
        document.add(coordinate.span.clone(), &coordinate.key, "valence and arousal must be set together");
    }
    let settings = [find(Param::Emotion), point[0].or(point[1]), blend.clone().next()];
    for second in settings.into_iter().flatten().skip(1) {
        let hint = "the mood is set twice; choose an emotion, a blend, or valence and arousal";
        document.add(second.span.clone(), &second.key, hint);
    }
    if let Some(first) = blend.clone().next()
        && blend.clone().all(|named| named.value == Some(Value::Number(0.0)))
    {
        document.add(first.span.clone(), &first.key, "a blend needs at least one weight above 0");
    }
}

/// Returns settings in the order in which to set them: the complete mood last, after the glide time that it uses.
pub(in crate::files) fn mood_last(settings: Vec<(Param, Value)>) -> Vec<(Param, Value)> {
    let (mood, mut settings): (Vec<_>, Vec<_>) = settings.into_iter().partition(|(param, _)| param.is_mood());
    settings.extend(complete(&mood));
    settings
}

/// Returns the settings that produce a mood; for a blend, all eight weights.
fn complete(named: &[(Param, Value)]) -> Vec<(Param, Value)> {
    if !named.iter().any(|(param, _)| param.weighted_emotion().is_some()) {
        return named.to_vec();
    }
    let weight = |param: Param| named.iter().find(|(other, _)| *other == param).map(|(_, value)| value.clone());
    let weights = Emotion::ALL.map(Param::emotion_weight);
    weights.map(|param| (param, weight(param).unwrap_or(Value::Number(0.0)))).to_vec()
}
