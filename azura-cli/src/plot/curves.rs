//! `plots/curves.svg`: the loss on training and validation rows, epoch by epoch.

use azura_learner::Outcome;

use super::axis;
use super::svg::{Panel, Sheet, Stroke, ink, range};

const TRAIN: Stroke = Stroke {
    color: ink::BLUE,
    width: 2.0,
    dash: "",
};
const VAL: Stroke = Stroke {
    color: ink::VERMILLION,
    width: 2.0,
    dash: "7 4",
};
const BEST: Stroke = Stroke {
    color: ink::GREY,
    width: 1.0,
    dash: "3 3",
};

/// Draws the curves; `None` if no epoch was completed.
pub fn curves(title: &str, outcome: &Outcome) -> Option<String> {
    let rows = &outcome.history;
    let series = |name: &str| -> Vec<f64> {
        rows.iter()
            .map(|row| row.metrics.get(name).copied().unwrap_or(f64::NAN))
            .collect()
    };
    let (mut train, mut val) = (series("train.loss"), series("val.loss"));
    let positive = train.iter().chain(&val).all(|v| *v > 0.0 || v.is_nan());
    let (low, high) = range(&[&train, &val], 0.0)?;
    // Losses that fall by more than this are a cliff and a flat line on a linear axis.
    let logarithmic = positive && high / low > 8.0;
    if logarithmic {
        train
            .iter_mut()
            .chain(&mut val)
            .for_each(|v| *v = v.log10());
    }
    let (low, high) = range(&[&train, &val], 0.06)?;
    let last = rows.last().map_or(1.0, |row| row.epoch as f64);
    let panel = Panel {
        top: 76.0,
        height: 250.0,
        x: (1.0f64.min(last - 1.0), last.max(2.0)),
        y: (low, high),
    };
    let epochs: Vec<f64> = rows.iter().map(|row| row.epoch as f64).collect();
    let about = match &outcome.best {
        Some(best) if best.value.is_finite() => format!(
            "Loss on training and validation rows over {} epochs; best {} = {:.4} at epoch {}.",
            rows.len(),
            best.key,
            best.value,
            best.epoch
        ),
        _ => format!(
            "Loss on training and validation rows over {} epochs.",
            rows.len()
        ),
    };
    let mut sheet = Sheet::new(392.0, title, &about);
    let mut legend = vec![("train".to_string(), TRAIN)];
    if val.iter().any(|v| v.is_finite()) {
        legend.push(("validation".to_string(), VAL));
    }
    sheet.legend(&legend);
    let ticks = if logarithmic {
        axis::logarithmic(10f64.powf(low), 10f64.powf(high))
    } else {
        axis::linear(low, high, 5)
    };
    panel.draw_y(
        &mut sheet,
        &ticks,
        if logarithmic {
            "loss (logarithmic)"
        } else {
            "loss"
        },
    );
    let whole: Vec<_> = axis::linear(panel.x.0, panel.x.1, 10)
        .into_iter()
        .filter(|(value, _)| value.fract() == 0.0)
        .collect();
    panel.draw_x(&mut sheet, &whole, "epoch");
    panel.draw(&mut sheet, &epochs, &train, TRAIN);
    panel.draw(&mut sheet, &epochs, &val, VAL);
    if let Some(best) = &outcome.best {
        let x = panel.px(best.epoch as f64);
        sheet.line(x, panel.top, x, panel.top + panel.height, BEST);
        let at = rows.iter().position(|row| row.epoch == best.epoch);
        let at = at.map_or((f64::NAN, ink::BLUE), |i| match val[i].is_finite() {
            true => (val[i], ink::VERMILLION),
            false => (train[i], ink::BLUE),
        });
        if at.0.is_finite() {
            sheet.dot(x, panel.py(at.0), at.1);
        }
        let right = x > 640.0;
        sheet.text(
            x + if right { -8.0 } else { 8.0 },
            panel.top + 12.0,
            if right { "end" } else { "start" },
            12.0,
            ink::GREY,
            400,
            &format!("best: epoch {}", best.epoch),
        );
    }
    Some(sheet.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_learner::train::{Best, EpochRow, Stop};

    fn outcome(losses: &[(f64, f64)]) -> Outcome {
        let history: Vec<_> = losses
            .iter()
            .enumerate()
            .map(|(i, (train, val))| EpochRow {
                epoch: i as u64 + 1,
                step: 10 * (i as u64 + 1),
                lr: 0.1,
                metrics: [
                    ("train.loss".to_string(), *train),
                    ("val.loss".to_string(), *val),
                ]
                .into(),
                best: true,
                seconds: 1.0,
            })
            .collect();
        Outcome {
            stop: Stop::Epochs,
            epochs: history.len() as u64,
            steps: 10,
            seconds: 1.0,
            best: history.last().map(|row| Best {
                epoch: row.epoch,
                step: row.step,
                key: "val.loss".to_string(),
                value: row.metrics["val.loss"],
            }),
            history,
        }
    }

    #[test]
    fn any_history_draws_without_nan() {
        assert!(curves("t", &outcome(&[])).is_none());
        for losses in [
            &[(1.0, 2.0)][..],
            &[(1.0, 2.0), (0.5, 1.5), (0.01, 0.02)],
            &[(0.0, 0.0), (0.0, 0.0)],
            &[(1.0, f64::NAN), (2.0, f64::NAN)],
            &[(-5.0, -4.0), (-6.0, -4.5)],
        ] {
            let svg = curves("t", &outcome(losses)).unwrap();
            assert!(
                !svg.contains("NaN") && !svg.contains("inf"),
                "{losses:?}\n{svg}"
            );
            assert!(svg.contains("best: epoch"));
        }
    }
}
