//! Scores of a model that says which class something belongs to, beside what it must beat. The sound app and the app of series
//! share it.

use std::collections::BTreeMap;

use azura_core::Tensor;
use azura_learner::app::{Field, Metrics, Scores};
use azura_learner::baselines::{Logistic, majority_class};
use azura_learner::data::{DataError, DataErrorKind, Kind, Table, nearest, quoted};
use azura_learner::metrics::{self, Average, Confusion};
use azura_learner::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::probability::{most_probable, of_class, probabilities};

/// The penalty of the logistic regression: scikit-learn's default.
const PENALTY: f64 = 1.0;

/// The classes, and the models that must be beaten, as the training rows make them; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Classes {
    /// The names, in order.
    pub names: Vec<String>,
    /// The most frequent class.
    majority: usize,
    /// How frequent each is, with one row more of each.
    shares: Vec<f64>,
    /// A linear model of a few features of each row.
    logistic: Logistic,
}

/// The names of the classes of some rows in order, and the class of each row.
///
/// # Errors
/// [`DataErrorKind::Other`] if there is only one: nothing can be told apart.
pub(crate) fn number(labels: &[String], source: &str) -> Result<(Vec<String>, Vec<usize>)> {
    let mut names: Vec<String> = labels.to_vec();
    names.sort();
    names.dedup();
    // Numbers in their own order.
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        let value = |name: &String| name.parse().unwrap_or(f64::NAN);
        names.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
    if let [only] = names.as_slice() {
        let what = format!(
            "everything is {}: there is nothing to tell apart",
            quoted(only)
        );
        let error = DataError::new(DataErrorKind::Other, what).in_file(source);
        return Err(error.remedy("give at least two classes").into());
    }
    let place = |label: &String| names.iter().position(|name| name == label).unwrap_or(0);
    let classes = labels.iter().map(place).collect();
    Ok((names, classes))
}

impl Classes {
    /// Fits the baselines to training rows with `features` numbers each.
    ///
    /// # Errors
    /// [`DataErrorKind::Split`] if a class has no training row.
    pub fn fit(
        names: Vec<String>,
        classes: &[usize],
        features: &[f64],
        source: &str,
    ) -> Result<Self> {
        let mut shares = vec![1.0; names.len()];
        for &class in classes {
            shares[class] += 1.0;
        }
        if let Some(absent) = shares.iter().position(|&share| share == 1.0) {
            let what = format!("no training row is {}", quoted(&names[absent]));
            let error = DataError::new(DataErrorKind::Split, what).in_file(source);
            return Err(error
                .remedy("give more rows of this class, or divide them otherwise")
                .into());
        }
        let sum: f64 = shares.iter().sum();
        let width = features.len() / classes.len();
        let row = |i: usize, out: &mut [f64]| {
            out.copy_from_slice(&features[i * width..(i + 1) * width]);
        };
        Ok(Classes {
            majority: majority_class(classes)?,
            shares: shares.into_iter().map(|share| share / sum).collect(),
            logistic: Logistic::fit(classes.len(), width, row, classes, names.len(), PENALTY)?,
            names,
        })
    }

    /// The classes of rows by the names that training knew.
    ///
    /// # Errors
    /// [`DataErrorKind::Other`] with the first that it did not know.
    pub fn of(&self, labels: &[String], source: &str) -> Result<Vec<usize>> {
        let class = |label: &String| {
            self.names
                .iter()
                .position(|name| name == label)
                .ok_or_else(|| {
                    let what = format!("{} was no class in training", quoted(label));
                    let names = self.names.iter().map(String::as_str);
                    let remedy = match nearest(label, names) {
                        Some(near) => format!("did you mean {near}?"),
                        None => format!("the classes are {}", self.names.join(", ")),
                    };
                    let error = DataError::new(DataErrorKind::Other, what).in_file(source);
                    Error::from(error.remedy(remedy))
                })
        };
        labels.iter().map(class).collect()
    }

    /// The output columns of a signature.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::new("prediction", Kind::Text, "the most probable class"),
            Field::new("probability", Kind::Number, "how probable it is"),
        ];
        fields.extend(self.names.iter().map(|name| {
            let about = format!("the probability of {name}");
            Field::new(format!("p_{name}"), Kind::Number, about)
        }));
        fields
    }

    /// These columns, added to a table that names the rows.
    pub fn predictions(&self, mut table: Table, outputs: &Tensor) -> Result<Table> {
        let count = self.names.len();
        let p = probabilities(outputs)?;
        let best = most_probable(&p, count);
        table.push("prediction", self.texts(&best))?;
        table.push("probability", of_class(&p, &best, count))?;
        for (class, name) in self.names.iter().enumerate() {
            let column: Vec<f64> = p.iter().skip(class).step_by(count).copied().collect();
            table.push(format!("p_{name}"), column)?;
        }
        Ok(table)
    }

    /// Accuracy, F1 (the mean over classes), log-loss and, for two classes, the area under the ROC curve.
    fn measure(&self, truth: &[usize], p: &[f64]) -> Result<Metrics> {
        let count = self.names.len();
        let predicted = most_probable(p, count);
        let [_, _, f1] = Confusion::of(truth, &predicted, count)?.average(Average::Macro);
        let accuracy = metrics::accuracy(truth, &predicted)?;
        let mut measured = Metrics::from([
            ("accuracy".to_string(), accuracy),
            ("f1".to_string(), f1),
            ("log_loss".to_string(), metrics::log_loss(truth, p, count)?),
        ]);
        let second: Vec<bool> = truth.iter().map(|&class| class == 1).collect();
        if count == 2 && second.contains(&true) && second.contains(&false) {
            let score: Vec<f64> = p.chunks_exact(2).map(|p| p[1]).collect();
            measured.insert("roc_auc".to_string(), metrics::roc_auc(&second, &score)?);
        }
        Ok(measured)
    }

    /// Scores of outputs `[rows, K]`; with `rows`, which names each row, those of the baselines on `features` too.
    pub fn score(
        &self,
        truth: &[usize],
        outputs: &Tensor,
        full: Option<(Table, &[f64])>,
    ) -> Result<Scores> {
        let p = probabilities(outputs)?;
        let mut scores = Scores {
            metrics: self.measure(truth, &p)?,
            ..Scores::default()
        };
        let Some((mut rows, features)) = full else {
            return Ok(scores);
        };
        let count = self.names.len();
        let best = most_probable(&p, count);
        rows.push("truth", self.texts(truth))?;
        rows.push("prediction", self.texts(&best))?;
        rows.push("probability", of_class(&p, &best, count))?;
        let naive: Vec<f64> = truth.iter().flat_map(|_| &self.shares).copied().collect();
        let width = features.len() / truth.len();
        let linear: Vec<f64> = features
            .chunks_exact(width)
            .flat_map(|row| self.logistic.predict(row))
            .collect();
        rows.push("majority", self.texts(&vec![self.majority; truth.len()]))?;
        rows.push(
            "logistic regression",
            self.texts(&most_probable(&linear, count)),
        )?;
        scores.baselines = BTreeMap::from([
            ("majority".to_string(), self.measure(truth, &naive)?),
            (
                "logistic regression".to_string(),
                self.measure(truth, &linear)?,
            ),
        ]);
        scores.rows = Some(rows);
        Ok(scores)
    }

    fn texts(&self, classes: &[usize]) -> Vec<String> {
        let name = |&class: &usize| self.names[class].clone();
        classes.iter().map(name).collect()
    }
}
