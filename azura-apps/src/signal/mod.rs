//! The signal app: which class a series belongs to, such as whose voice it is or what a hand does.
//!
//! Series may have several channels and different lengths. The models are those of Wang, Yan & Oates (2017, arXiv:1611.06455); beside
//! their scores stand the most frequent class, and a logistic regression of the values.

mod config;
mod data;
mod model;
mod read;

pub use config::{
    SignalAugment, SignalConfig, SignalModel, SignalModelKind, SignalParts, SignalScale,
};
pub use data::{SignalData, SignalFitted};

use azura_core::{Scope, Tensor};
use azura_learner::app::{Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{Batch, Kind, Table};
use azura_learner::layers::Ctx;
use azura_learner::{App, Dataset, Model, Result, Source};

use model::Network;

/// Series that are predicted at a time.
const AT_ONCE: usize = 64;

/// The class of a series.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signal;

impl App for Signal {
    type Config = SignalConfig;
    type Fitted = SignalFitted;
    type Data = SignalData;

    fn name(&self) -> &'static str {
        "signal"
    }

    fn about(&self) -> &'static str {
        "The class of a series of one or several channels"
    }

    fn version(&self) -> u32 {
        1
    }

    fn prepare(
        &self,
        config: &SignalConfig,
        source: &Source,
    ) -> Result<Prepared<SignalFitted, SignalData>> {
        data::prepare(config, source)
    }

    fn open(
        &self,
        config: &SignalConfig,
        fitted: &SignalFitted,
        source: &Source,
    ) -> Result<SignalData> {
        data::open(config, fitted, source)
    }

    fn build(
        &self,
        config: &SignalConfig,
        fitted: &SignalFitted,
        p: &Scope,
    ) -> Result<Box<dyn Model>> {
        let (channels, classes) = (fitted.channels.len(), fitted.classes.names.len());
        Ok(Box::new(Network::new(&config.model, channels, classes, p)?))
    }

    fn score(
        &self,
        _: &SignalConfig,
        fitted: &SignalFitted,
        split: &ScoredSplit<'_, SignalData>,
    ) -> Result<Scores> {
        let data = split.data;
        if !split.full || data.is_empty() {
            return fitted.classes.score(&data.truth, split.outputs, None);
        }
        let points = data.points(fitted.points());
        let full = Some((data.named()?, points.as_slice()));
        fitted.classes.score(&data.truth, split.outputs, full)
    }

    fn signature(&self, _: &SignalConfig, fitted: &SignalFitted) -> Signature {
        let columns = fitted.columns.iter().flatten();
        let field = |name: &String| {
            Field::new(name, Kind::Number, "a value; may be empty behind the end").missing()
        };
        Signature {
            inputs: columns.map(field).collect(),
            rows: 1,
            outputs: fitted.classes.fields(),
            forecast: false,
            generate: false,
        }
    }

    fn table(&self, config: &SignalConfig, source: &Source) -> Result<Table> {
        let read = data::read(config, source)?;
        let longest = read.series.iter().map(|s| s[0].len()).max().unwrap_or(0);
        let columns = data::columns_of(&read, longest);
        let mut table = Table::new(source.to_string());
        for (c, names) in columns.into_iter().enumerate() {
            for (t, name) in names.into_iter().enumerate() {
                let value = |s: &Vec<Vec<f32>>| s[c].get(t).map_or(f64::NAN, |&x| f64::from(x));
                table.push(name, read.series.iter().map(value).collect::<Vec<f64>>())?;
            }
        }
        Ok(table)
    }

    fn predict(
        &self,
        config: &SignalConfig,
        fitted: &SignalFitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let mut series = read::from_table(input, &fitted.columns)?;
        for series in &mut series {
            data::scale(series, config.data.scale, &fitted.channels);
        }
        let mut outputs = Vec::new();
        for series in series.chunks(AT_ONCE) {
            let longest = series.iter().map(|s| s[0].len()).max().unwrap_or(0);
            let batch = Batch {
                tensors: data::tensors(series.iter(), longest)?,
                rows: (0..series.len()).collect(),
            };
            outputs.push(model.forward(&batch, &mut Ctx::eval())?);
        }
        let outputs: Vec<&Tensor> = outputs.iter().collect();
        let table = Table::new("predictions");
        fitted
            .classes
            .predictions(table, &Tensor::cat(&outputs, 0)?)
    }
}
