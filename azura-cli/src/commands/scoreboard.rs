//! Scores for a person: the table of the model and its baselines, and whether it is better than they are.

use azura_learner::app::Scores;
use serde_json::Value;

use crate::output;
use crate::progress::text;

/// Metrics in rows; the model and each baseline in columns. What is wider than the terminal goes on in a second block.
pub fn table(model: &Value, baselines: &Value) -> String {
    table_within(output::width(), model, baselines)
}

fn table_within(width: usize, model: &Value, baselines: &Value) -> String {
    let mut columns: Vec<(&str, &Value)> = vec![("model", model)];
    let others = baselines.as_object().into_iter().flatten();
    columns.extend(others.map(|(name, value)| (name.as_str(), value)));
    let names: Vec<&str> = model
        .as_object()
        .into_iter()
        .flat_map(|m| m.keys().map(String::as_str))
        .collect();
    let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let first = longest.max("test".len());
    let wide = |name: &str| name.len().max(9);
    let mut text = String::new();
    let mut rest = columns.as_slice();
    while !rest.is_empty() {
        let mut used = 2 + first;
        let fits = rest.iter().take_while(|(name, _)| {
            used += 2 + wide(name);
            used <= width
        });
        // A terminal that holds no column at all gets one all the same.
        let (block, after) = rest.split_at(fits.count().max(1));
        rest = after;
        text += &format!("  {:<first$}", "test");
        for (name, _) in block {
            text += &format!("  {:>width$}", name.replace('_', " "), width = wide(name));
        }
        text.push('\n');
        for metric in &names {
            text += &format!("  {metric:<first$}");
            for (name, values) in block {
                let value = values.get(metric).and_then(Value::as_f64);
                let value = text::number(value.unwrap_or(f64::NAN));
                text += &format!("  {value:>width$}", width = wide(name));
            }
            text.push('\n');
        }
    }
    text.trim_end().to_string()
}

/// How much better than a baseline the model must be for the difference to count.
const MARGIN: f64 = 0.01;

/// Whether the model is better than its baselines, by the metric that a person looks at first: a
/// sentence that names those it does not beat by more than 1 %, or the nearest one.
pub fn verdict(scores: &Scores) -> Option<String> {
    let (metric, lower) = [("mae", true), ("accuracy", false)]
        .into_iter()
        .find(|(metric, _)| scores.metrics.contains_key(*metric))?;
    let model = *scores.metrics.get(metric)?;
    // The share of the baseline's error (or of its accuracy) that the model gains.
    let gain = |baseline: f64| {
        if model == baseline {
            // Also where both are 0.
            0.0
        } else if lower {
            1.0 - model / baseline
        } else {
            model / baseline - 1.0
        }
    };
    let mut gains: Vec<(String, f64, f64)> = scores
        .baselines
        .iter()
        .filter_map(|(name, m)| {
            Some((
                name.replace('_', " "),
                *m.get(metric)?,
                gain(*m.get(metric)?),
            ))
        })
        .collect();
    gains.sort_by(|a, b| a.2.total_cmp(&b.2));
    let (nearest, value, share) = gains.first()?;
    let unbeaten: Vec<&str> = gains
        .iter()
        .filter(|g| g.2 <= MARGIN)
        .map(|g| g.0.as_str())
        .collect();
    Some(if unbeaten.is_empty() {
        let side = if lower { "below" } else { "above" };
        // A share of nothing has no number.
        let far = match share.is_finite() {
            true => format!("{:.1} % {side}", share.abs() * 100.0),
            false => side.to_string(),
        };
        format!(
            "better than every baseline: {metric} {}, {far} the nearest ({nearest}, {})",
            text::number(model),
            text::number(*value)
        )
    } else {
        let how = match *share > 0.0 {
            true => "not even 1 % better than",
            false => "no better than",
        };
        format!(
            "{how} {}: {metric} {} against {}",
            unbeaten.join(", "),
            text::number(model),
            text::number(*value)
        )
    })
}

#[cfg(test)]
mod tests {
    use azura_learner::app::Metrics;
    use serde_json::json;

    use super::*;

    fn scores(metric: &str, model: f64, baselines: &[(&str, f64)]) -> Scores {
        let metrics = |value: f64| Metrics::from([(metric.to_string(), value)]);
        let baselines = baselines
            .iter()
            .map(|(name, value)| ((*name).to_string(), metrics(*value)));
        Scores {
            metrics: metrics(model),
            baselines: baselines.collect(),
            rows: None,
        }
    }

    #[test]
    fn a_table_that_is_too_wide_goes_on_below() {
        let metrics = json!({"mae": 1.0, "r2": 0.5});
        let baselines =
            json!({"persistence": {"mae": 2.0, "r2": 0.0}, "seasonal_naive": {"mae": 3.0}});
        let wide = table_within(80, &metrics, &baselines);
        assert_eq!(wide.lines().count(), 3, "{wide}");
        let narrow = table_within(34, &metrics, &baselines);
        assert_eq!(
            narrow,
            "  test      model  persistence\n  mae       1.000        2.000\n  r2       0.5000            0\n  \
             test  seasonal naive\n  mae            3.000\n  r2                 –"
        );
        assert!(table_within(1, &metrics, &baselines).contains("seasonal naive"));
    }

    #[test]
    fn the_verdict_names_what_is_not_beaten() {
        let of = |metric, model, baselines: &[_]| verdict(&scores(metric, model, baselines));
        // Nothing is better than nothing.
        let nothing = of("accuracy", 0.0, &[("majority", 0.0)]).unwrap();
        assert_eq!(nothing, "no better than majority: accuracy 0 against 0");
        let something = of("accuracy", 0.5, &[("majority", 0.0)]).unwrap();
        assert!(
            something.contains("above the nearest (majority, 0)"),
            "{something}"
        );
        assert_eq!(
            of("mae", 0.8, &[("persistence", 1.0), ("seasonal_naive", 4.0)]).as_deref(),
            Some(
                "better than every baseline: mae 0.8000, 20.0 % below the nearest (persistence, 1.000)"
            )
        );
        // Half a per cent is no difference.
        assert_eq!(
            of(
                "mae",
                0.995,
                &[("drift", 0.99), ("persistence", 1.0), ("ridge", 2.0)]
            )
            .as_deref(),
            Some("no better than drift, persistence: mae 0.9950 against 0.9900")
        );
        assert_eq!(
            of("mae", 0.995, &[("persistence", 1.0)]).as_deref(),
            Some("not even 1 % better than persistence: mae 0.9950 against 1.000")
        );
        assert_eq!(
            of("accuracy", 0.9, &[("majority_class", 0.1)]).as_deref(),
            Some(
                "better than every baseline: accuracy 0.9000, 800.0 % above the nearest (majority class, 0.1000)"
            )
        );
        assert_eq!(of("loss", 1.0, &[]), None);
        assert_eq!(of("mae", 1.0, &[]), None);
    }
}
