//! Learning rates against PyTorch's and against their formulas.

use azura_learner::TrainConfig;
use azura_learner::schedule::{
    Cyclic, Heights, OneCycle, Plateau, Schedule, cosine, cosine_restarts, exponential, linear,
    polynomial,
};
use azura_learner::train::ScheduleKind;
use serde_json::Value;

fn recorded(pointer: &str) -> Vec<f64> {
    let json: Value =
        serde_json::from_str(include_str!("../fixtures/schedules_torch.json")).unwrap();
    serde_json::from_value(json.pointer(pointer).unwrap().clone()).unwrap()
}

#[test]
fn cosine_is_pytorchs() {
    let expected = recorded("/cosine");
    assert_eq!(expected.len(), 61);
    for (t, expected) in expected.iter().enumerate() {
        let got = cosine(0.4, 0.001, t as f64, 25.0);
        // PyTorch multiplies its way from step to step; this is the closed form.
        assert!((got - expected).abs() < 1e-14, "{t}: {got} {expected}");
    }
}

#[test]
fn plateau_is_pytorchs() {
    let mut plateau = Plateau::new(0.4, 0.5, 3, 0.0, false).cooldown(2);
    let got: Vec<f64> = recorded("/plateau/values")
        .iter()
        .map(|&v| plateau.record(v))
        .collect();
    assert_eq!(got, recorded("/plateau/rates"));
}

#[test]
fn plateau_counts_thresholds_bounds_and_directions() {
    // Better by less than one part in ten thousand is not better.
    let mut plateau = Plateau::new(1.0, 0.1, 1, 0.05, false);
    let values = [1.0, 0.99995, 0.99991, 0.5, 0.6, 0.6, 0.6, 0.6];
    let got: Vec<f64> = values.iter().map(|&v| plateau.record(v)).collect();
    assert_eq!(got, [1.0, 1.0, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]);
    let mut higher = Plateau::new(1.0, 0.5, 0, 0.0, true);
    assert_eq!(
        [0.1, 0.2, 0.2, f64::NAN].map(|v| higher.record(v)),
        [1.0, 1.0, 0.5, 0.25]
    );
    // A change below 1e-8 is not made.
    let mut tiny = Plateau::new(1e-8, 0.5, 0, 0.0, false);
    assert_eq!([1.0, 1.0].map(|v| tiny.record(v)), [1e-8, 1e-8]);
}

fn schedule(kind: ScheduleKind, warmup: f64) -> Schedule {
    let mut config = TrainConfig {
        lr: 0.4,
        ..TrainConfig::default()
    };
    config.schedule.kind = kind;
    config.schedule.warmup = warmup;
    config.schedule.min_lr = 0.001;
    config.schedule.patience = 0;
    Schedule::new(&config, 100)
}

#[test]
fn warm_up_rises_linearly_and_meets_the_curve() {
    let s = schedule(ScheduleKind::Cosine, 0.2);
    for step in 0..20 {
        assert_eq!(s.lr(step), 0.4 * (step + 1) as f64 / 20.0);
    }
    assert_eq!(s.lr(20), 0.4);
    for step in 20..=100 {
        assert_eq!(s.lr(step), cosine(0.4, 0.001, (step - 20) as f64, 80.0));
    }
    assert!((s.lr(100) - 0.001).abs() < 1e-17 && s.lr(1000) == s.lr(100));
    let s = schedule(ScheduleKind::Constant, 0.0);
    assert!((0..100).all(|step| s.lr(step) == 0.4));
}

#[test]
fn only_plateau_listens_to_the_monitored_value() {
    for (kind, expected) in [
        (ScheduleKind::Constant, 0.4),
        (ScheduleKind::Plateau, 0.4 * 0.1),
    ] {
        let mut s = schedule(kind, 0.0);
        s.record(1.0);
        s.record(1.0);
        assert_eq!(s.lr(50), expected);
        let mut other = schedule(kind, 0.0);
        other.restore(s.state());
        assert_eq!(other, s);
    }
}

#[test]
fn every_kind_begins_at_its_rate_and_stays_finite() {
    use ScheduleKind::{
        Constant, Cosine, Cyclic, Exponential, Linear, Multistep, Onecycle, Plateau, Polynomial,
        Restarts, Step,
    };
    for (kind, first, last) in [
        (Constant, 0.4, 0.4),
        (Cosine, 0.4, 0.001),
        (Plateau, 0.4, 0.4),
        (Linear, 0.4, 0.001),
        (Polynomial, 0.4, 0.001),
        (Step, 0.4, 0.001),
        (Multistep, 0.4, 0.004),
        (Exponential, 0.4, 0.001),
        (Restarts, 0.4, 0.4),
        (Onecycle, 0.4 / 25.0, 0.4 / 250_000.0),
        (Cyclic, 0.001, 0.001),
    ] {
        let s = schedule(kind, 0.0);
        assert!((s.lr(0) - first).abs() < 1e-12, "{kind:?} {}", s.lr(0));
        assert!((s.lr(100) - last).abs() < 1e-12, "{kind:?} {}", s.lr(100));
        for step in 0..200 {
            assert!((0.0..=0.4 + 1e-12).contains(&s.lr(step)), "{kind:?} {step}");
        }
        // With a warm-up the curve begins after it.
        let warm = schedule(kind, 0.2);
        assert!(
            warm.lr(0) < first && (warm.lr(20) - first).abs() < 1e-12,
            "{kind:?}"
        );
    }
}

/// A curve of no length is over, and a step without end is at its end: no rate is NaN and no call goes on for ever.
#[test]
fn ends_without_length_or_beyond_all_steps() {
    let cyclic = |up, down| Cyclic {
        base: 0.1,
        max: 1.0,
        up,
        down,
        heights: Heights::Same,
    };
    for t in [0.0, 1.0, 1e300, f64::INFINITY] {
        assert_eq!(cosine(1.0, 0.1, t, 0.0), 0.1);
        assert_eq!(polynomial(1.0, t, 0.0, 2.0), 0.0);
        assert_eq!(linear(1.0, t, 0.0, 0.2, 0.5), 0.5);
        for factor in [0.0, 1.0, 1.0 + f64::EPSILON, 2.0] {
            assert_eq!(cosine_restarts(1.0, 0.1, t, 0.0, factor), 0.1);
        }
        assert_eq!(cyclic(0.0, 0.0).lr(t), 0.1);
        assert!(OneCycle::new(1.0, 0.0).lr(t).is_finite());
    }
    let t = f64::INFINITY;
    assert_eq!(cosine(1.0, 0.1, t, 9.0), 0.1);
    assert_eq!(polynomial(1.0, t, 9.0, 2.0), 0.0);
    assert_eq!(linear(1.0, t, 9.0, 0.2, 0.5), 0.5);
    assert_eq!(exponential(1.0, t, 0.9), 0.0);
    assert_eq!(cyclic(2.0, 2.0).lr(t), 0.1);
    assert_eq!(OneCycle::new(1.0, 9.0).lr(t), 1.0 / 25.0 / 1e4);
    for factor in [1.0, 1.5, 2.0] {
        assert_eq!(cosine_restarts(1.0, 0.1, t, 9.0, factor), 0.1);
        assert!((0.1..=1.0).contains(&cosine_restarts(1.0, 0.1, 1e300, 1e-300, factor)));
    }
    // Cycles that hardly grow.
    let slow = cosine_restarts(1.0, 0.1, 1e12, 1.0, 1.0 + 1e-12);
    assert!((0.1..=1.0).contains(&slow));
    // All of a rise or of a fall at once.
    assert_eq!(
        [0.0, 1.0, 2.0].map(|t| cyclic(0.0, 2.0).lr(t)),
        [1.0, 0.55, 1.0]
    );
    assert_eq!(
        [0.0, 1.0, 2.0].map(|t| cyclic(2.0, 0.0).lr(t)),
        [0.1, 0.55, 0.1]
    );
}

#[test]
fn restarts_are_where_the_lengths_add_up() {
    for (first, factor) in [(2.0, 2.0), (3.0, 1.5), (1.0, 3.0), (7.0, 1.1), (0.3, 1.7)] {
        let (mut begun, mut length) = (0.0, first);
        for t in (0..2000).map(f64::from) {
            while t >= begun + length {
                begun += length;
                length *= factor;
            }
            let got = cosine_restarts(1.0, 0.1, t, first, factor);
            let want = cosine(1.0, 0.1, t - begun, length);
            assert!(
                (got - want).abs() < 1e-9,
                "{first} {factor} {t}: {got} {want}"
            );
        }
    }
}
