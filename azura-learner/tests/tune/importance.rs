//! Importance on functions whose shares are known.

use azura_learner::tune::importance::{fanova, ped_anova};
use azura_learner::tune::sampler::Sobol;
use azura_learner::tune::{History, Objective, Space};

use super::run;

fn shares(named: &[(String, f64)], keys: &[&str]) -> Vec<f64> {
    keys.iter()
        .map(|k| named.iter().find(|n| n.0 == *k).unwrap().1)
        .collect()
}

/// For Σ c_i x_i with uniform x_i the variances are c_i²/12: of 3, 2, 1 and 0 the shares are 9, 4, 1 and 0 of 14.
#[test]
fn fanova_finds_the_shares_of_the_variance() {
    let space = Space::parse([
        ("c", "0..1"),
        ("a", "0..1"),
        ("none", "0..1"),
        ("b", "0..1"),
    ])
    .unwrap();
    let history = run(&mut Sobol::new(0), &space, 512, |x| {
        3.0 * x[1] + 2.0 * x[3] + x[0]
    });
    let named = fanova(&history, 0, 0).unwrap();
    let found = shares(&named, &["a", "b", "c", "none"]);
    for (share, wanted) in found.iter().zip([9.0 / 14.0, 4.0 / 14.0, 1.0 / 14.0, 0.0]) {
        assert!((share - wanted).abs() < 0.04, "{named:?}");
    }
    assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert_eq!(named[0].0, "a");
    assert_eq!(named, fanova(&history, 0, 0).unwrap());
}

/// A choice of three with costs 0, 0 and 3 has variance 2, a uniform number on 0..√12 has variance 1.
#[test]
fn fanova_on_a_choice() {
    let space = Space::parse([("k", "p|q|r"), ("x", "0..1")]).unwrap();
    let root = 12f64.sqrt();
    let history = run(
        &mut Sobol::new(1),
        &space,
        512,
        |x| if x[0] == 2.0 { 3.0 } else { 0.0 } + root * x[1],
    );
    let found = shares(&fanova(&history, 0, 0).unwrap(), &["k", "x"]);
    assert!((found[0] - 2.0 / 3.0).abs() < 0.04, "{found:?}");
}

#[test]
fn ped_anova_ranks_and_sums_to_one() {
    let space =
        Space::parse([("b", "0..1"), ("a", "0..1"), ("k", "p|q"), ("none", "0..1")]).unwrap();
    let history = run(&mut Sobol::new(0), &space, 256, |x| {
        10.0 * (x[1] - 0.3).powi(2) + (x[0] - 0.5).powi(2) + 0.01 * x[2]
    });
    let named = ped_anova(&history, 0).unwrap();
    assert_eq!(named[0].0, "a");
    let found = shares(&named, &["a", "b", "k", "none"]);
    assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(
        found[0] > 0.6 && found[0] > 3.0 * found[1] && found[3] < 0.1,
        "{named:?}"
    );
}

#[test]
fn too_few_trials_or_no_such_objective() {
    let space = Space::parse([("x", "0..1")]).unwrap();
    let history = run(&mut Sobol::new(0), &space, 5, |x| x[0]);
    let error = fanova(&history, 0, 0).unwrap_err().to_string();
    assert!(
        error.contains("at least 8 trials") && error.contains("there are 5"),
        "{error}"
    );
    assert!(
        ped_anova(&history, 1)
            .unwrap_err()
            .to_string()
            .contains("no objective number 1")
    );
    // Nothing varies: equal shares.
    let history: History = run(&mut Sobol::new(0), &space, 20, |_| 1.0);
    assert_eq!(fanova(&history, 0, 0).unwrap(), [("x".to_string(), 1.0)]);
    assert_eq!(history.objectives, [Objective::minimize("cost")]);
}
