//! Parameter values given on the command line.

use anyhow::{anyhow, bail};
use clap::builder::RangedU64ValueParser;
use melos::event::parameter::{Input, Param, Value, key_and_mode};
use melos::files::document::parameter;
use melos::music::emotion::{Emotion, check_weights};

use super::complete;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct StartArgs {
    /// One emotion, or a blend such as calm=0.7,sad=0.3
    #[arg(long, conflicts_with_all = ["valence", "arousal"], add = complete::values_for(Param::Emotion))]
    emotion: Option<String>,
    /// Unpleasant (-1) to pleasant (1)
    #[arg(long, allow_negative_numbers = true)]
    valence: Option<f64>,
    /// Quiet (-1) to excited (1)
    #[arg(long, allow_negative_numbers = true)]
    arousal: Option<f64>,
    /// Creativity of the network and the harmony, 0.1 to 2
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Tonic, such as A or Eb; or tonic and scale, such as "A minor"
    #[arg(long, add = complete::values_for(Param::Key))]
    key: Option<String>,
    /// Fixed tempo, in beats per minute
    #[arg(long, allow_negative_numbers = true)]
    tempo: Option<f64>,
    /// Play the network alone
    #[arg(long, conflicts_with = "no_network")]
    no_harmony: bool,
    /// Play the harmony voices alone
    #[arg(long)]
    no_network: bool,
    /// Set any other parameter, such as reverb=0.4; can be given several times
    #[arg(long = "set", value_name = "PARAMETER=VALUE", add = complete::assignments())]
    set: Vec<String>,
}

impl StartArgs {
    /// Returns the given values in the order in which to set them.
    pub(crate) fn values(&self) -> anyhow::Result<Vec<(Param, Value)>> {
        let mut values = Vec::new();
        let mut set = |param: Param, input: Input<'_>| -> anyhow::Result<()> {
            values.extend(param.fit_within(input)?.map(|value| (param, value)));
            Ok(())
        };
        if let Some(text) = &self.emotion {
            for (param, weight) in blend(text)? {
                set(param, Input::Number(weight))?;
            }
        }
        let numbers = [
            (Param::Valence, self.valence),
            (Param::Arousal, self.arousal),
            (Param::Temperature, self.temperature),
            (Param::Tempo, self.tempo),
        ];
        for (param, value) in numbers {
            if let Some(value) = value {
                set(param, Input::Number(value))?;
            }
        }
        if self.no_harmony {
            set(Param::MuteHarmony, Input::Bool(true))?;
        }
        if self.no_network {
            set(Param::MuteNetwork, Input::Bool(true))?;
        }
        if let Some(key) = &self.key {
            let invalid_key = |_| anyhow!("--key {key:?} is not a key; try A, Eb or \"A minor\"");
            values.extend(settings_of(Param::Key, key).map_err(invalid_key)?);
        }
        for text in &self.set {
            let Some((id, value)) = text.split_once('=') else { bail!("--set {text}: expected PARAMETER=VALUE") };
            let param = parameter(id).map_err(|hint| anyhow!("--set {id}: {hint}"))?;
            if matches!(param, Param::Preset | Param::Seed) {
                bail!("--set {id}: use --{id} instead");
            }
            values.extend(settings_of(param, value)?);
        }
        Ok(values)
    }
}

/// Returns a parser of seeds in the range of the parameter.
pub(super) fn seed() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(..=16_777_215)
}

/// Returns the settings that an argument stands for: usually one, but two for a key with its scale (`A minor`), and
/// eight for a blend of emotions (`calm=0.7,sad=0.3`).
pub(super) fn settings_of(param: Param, text: &str) -> anyhow::Result<Vec<(Param, Value)>> {
    if let Some(settings) = key_and_mode(param, text) {
        return Ok(settings.to_vec());
    }
    let inputs = match param {
        Param::Emotion if text.contains(['=', ',']) => {
            blend(text)?.into_iter().map(|(param, weight)| (param, Input::Number(weight))).collect()
        }
        _ => vec![(param, param.input_from_text(text))],
    };
    let mut settings = Vec::new();
    for (param, input) in inputs {
        settings.extend(param.fit_within(input)?.map(|value| (param, value)));
    }
    Ok(settings)
}

/// Parses `calm` or `calm=0.7,sad=0.3` into eight weights, which are 0 for emotions that are not named.
fn blend(text: &str) -> anyhow::Result<Vec<(Param, f64)>> {
    let mut given = [None; Emotion::COUNT];
    for part in text.split(',') {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let emotion = Emotion::from_name(name.trim())
            .ok_or_else(|| anyhow!("emotion {name}: expected one of {}", Emotion::ALL.map(Emotion::name).join(", ")))?;
        let weight: f64 = weight
            .trim()
            .parse()
            .map_err(|_| anyhow!("emotion {part}: {weight:?} is not a weight; try calm=0.7,sad=0.3"))?;
        if given[emotion as usize].replace(weight).is_some() {
            bail!("emotion {text}: {} is given twice", emotion.name());
        }
    }
    let weights = given.map(Option::unwrap_or_default);
    check_weights(&weights).map_err(|reason| anyhow!("emotion {text}: {reason}"))?;
    Ok(Emotion::ALL
        .into_iter()
        .zip(weights)
        .map(|(emotion, weight)| (Param::emotion_weight(emotion), weight))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blends_are_parsed() {
        let weights = blend("calm=0.7, sad=0.3").unwrap();
        assert_eq!(weights[Emotion::Calm as usize], (Param::Calm, 0.7));
        assert_eq!(weights[Emotion::Sad as usize], (Param::Sad, 0.3));
        assert_eq!(weights.iter().map(|(_, weight)| weight).sum::<f64>(), 1.0);
        assert!(blend("bored").unwrap_err().to_string().contains("nostalgic"));
        for (invalid, hint) in [
            ("calm=much", "\"much\" is not a weight"),
            ("calm=0,sad=0", "at least one above 0"),
            ("calm=2", "from 0 to 1"),
            ("calm=0.5,calm=0.3", "calm is given twice"),
            ("calm=0.5,sad=0.3,peaceful=0.1", "calm is given twice"),
        ] {
            let error = blend(invalid).unwrap_err().to_string();
            assert!(error.contains(hint), "{invalid}: {error}");
        }
    }

    #[test]
    fn keys_with_a_scale_and_blends_set_several_parameters() {
        let minor = [(Param::Key, Value::Choice(9)), (Param::Mode, Value::Choice(2))];
        assert_eq!(settings_of(Param::Key, "A minor").unwrap(), minor);
        assert_eq!(settings_of(Param::Key, "Eb").unwrap(), [(Param::Key, Value::Choice(3))]);
        let args =
            StartArgs { key: Some("a-minor".to_owned()), set: vec!["key=Eb".to_owned()], ..StartArgs::default() };
        assert_eq!(args.values().unwrap(), [&minor[..], &[(Param::Key, Value::Choice(3))]].concat());
        assert_eq!(settings_of(Param::Emotion, "calm=0.7,sad=0.3").unwrap().len(), Emotion::COUNT);
        assert_eq!(settings_of(Param::Emotion, "calm").unwrap().len(), 1);
        for (param, invalid) in [(Param::Key, "X minor"), (Param::Emotion, "calm=2,sad"), (Param::Emotion, "calm,glum")]
        {
            assert!(settings_of(param, invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn invalid_values_are_reported() {
        for (args, hint) in [
            (StartArgs { tempo: Some(9000.0), ..StartArgs::default() }, "expected a number from 40 to 200"),
            (StartArgs { set: vec!["revreb=1".to_owned()], ..StartArgs::default() }, "did you mean \"reverb\""),
            (StartArgs { set: vec!["preset=slow-dawn".to_owned()], ..StartArgs::default() }, "use --preset"),
            (StartArgs { set: vec!["seed=7".to_owned()], ..StartArgs::default() }, "use --seed"),
        ] {
            let message = args.values().unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
    }
}
