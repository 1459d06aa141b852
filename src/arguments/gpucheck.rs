//! What `trueup gpucheck` can be told, and the words that this is to the program that measures.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::InputArgs;

/// What is asked of GPUs, and what is kept of the answer. What a word means is for the program that measures to say: here none is read.
#[derive(Debug, Args)]
pub(crate) struct GpucheckArgs {
    /// A machine that was made, by its address, and the blueprint's file [default: blueprint.yaml]. Without one: this machine
    #[arg(value_name = "ADDRESS | BLUEPRINT", num_args = 0..=2)]
    pub(crate) what: Vec<String>,

    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    /// How much is measured [default: quick]
    #[arg(long, value_name = "LEVEL", value_parser = levels())]
    level: Option<String>,

    /// How long to burn, with `--level burn` [default: 600]
    #[arg(long, value_name = "N")]
    seconds: Option<OsString>,

    /// How many GPUs there must be
    #[arg(long, value_name = "N")]
    count: Option<OsString>,

    /// The model that each must be, or the start of its name, such as `H100`
    #[arg(long, value_name = "NAME")]
    model: Option<OsString>,

    /// The fraction of what is expected that every figure must reach, from 0 to 1
    #[arg(long, value_name = "F")]
    minimum: Option<OsString>,

    /// What must have been looked at, by its names in the report with commas between them
    #[arg(long, value_name = "NAMES")]
    require: Vec<OsString>,

    /// The figures of a good node to hold these against, as `--store-baseline` wrote them
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Keep the figures of these GPUs, if they don't fail
    #[arg(long, value_name = "FILE")]
    store_baseline: Option<PathBuf>,

    /// Draw all GPUs side by side
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// The program that measures [default: `gpucheck` beside this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) gpucheck_program: Option<PathBuf>,
}

impl GpucheckArgs {
    /// The same for the program that measures. Each is one word with its value, so that a value which begins with `-` is one there too.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let measured = [("--level=", self.level.as_ref().map(OsString::from)), ("--seconds=", self.seconds.clone())];
        let measured =
            measured.into_iter().filter_map(|(name, value)| Some([name.into(), value?].into_iter().collect()));
        measured.chain(self.judging_words()).collect()
    }

    /// Those of the words that matter once the figures are there.
    pub(crate) fn judging_words(&self) -> Vec<OsString> {
        let file = |path: &Option<PathBuf>| path.clone().map(PathBuf::into_os_string);
        let once = [
            ("--count=", self.count.clone()),
            ("--model=", self.model.clone()),
            ("--minimum=", self.minimum.clone()),
            ("--baseline=", file(&self.baseline)),
            ("--store-baseline=", file(&self.store_baseline)),
            ("--svg=", file(&self.svg)),
        ];
        let once = once.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let required = self.require.iter().map(|names| ("--require=", names.clone()));
        once.chain(required).map(|(name, value)| [name.into(), value].into_iter().collect()).collect()
    }

    /// What is asked of a machine that was made, over what its `validate` asks: an error where a value makes no sense.
    pub(crate) fn over(&self, validate: &mut serde_json::Map<String, serde_json::Value>) -> Result<(), String> {
        let number = |name: &str, text: &OsString| {
            let number = text.to_str().and_then(|text| serde_json::from_str::<serde_json::Number>(text).ok());
            number.ok_or_else(|| format!("`{name}` takes a number, and not `{}`", text.display()))
        };
        if let Some(level) = &self.level {
            validate.insert("level".to_owned(), level.as_str().into());
        }
        for (name, said) in [("seconds", &self.seconds), ("minimum", &self.minimum)] {
            if let Some(text) = said {
                validate.insert(name.to_owned(), number(&format!("--{name}"), text)?.into());
            }
        }
        if !self.require.is_empty() {
            let names = self.require.iter().flat_map(|names| names.to_str().unwrap_or_default().split(','));
            validate.insert("require".to_owned(), names.filter(|name| !name.is_empty()).collect());
        }
        Ok(())
    }
}

fn levels() -> PossibleValuesParser {
    PossibleValuesParser::new([
        PossibleValue::new("quick").help("All but a burn"),
        PossibleValue::new("standard").help("More of it, and a burn of 90 s"),
        PossibleValue::new("burn").help("As standard, with a burn as long as is asked for"),
    ])
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Command};

    fn words(line: &str) -> Vec<String> {
        let asked = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Gpucheck(arguments) = asked.command else { panic!("{asked:?}") };
        arguments.words().into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_not_said_is_not_handed_on() {
        assert_eq!(words("trueup gpucheck --json --gpucheck-program ./gpucheck"), Vec::<String>::new());
    }

    #[test]
    fn each_is_handed_on_as_it_is() {
        let line = "--level=burn --seconds=07 --count=many --model=H1 --minimum=-0.5 --baseline=-b.json \
            --store-baseline=a/../b.json --svg=x=y.svg --require=ecc,,nvlink --require=xid";
        assert_eq!(words(&format!("trueup gpucheck {line}")).join(" "), line);
    }
}
