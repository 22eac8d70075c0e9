//! Pruners on histories whose verdicts follow from the papers' rules by hand.

use azura_learner::tune::pruner::{
    Asha, Halving, Hyperband, Member, Patience, Percentile, PopulationTraining, Threshold, Turn,
    named,
};
use azura_learner::tune::{Direction, History, Objective, Pruner, Space, State, Verdict};

/// A minimising history of these reports; a trial is done if `true`.
fn history(trials: &[(bool, &[(u64, f64)])]) -> History {
    let space = Space::parse([("x", "0..1"), ("n", "int:1..5"), ("k", "a|b")]).unwrap();
    let mut history = History::new(space, vec![Objective::minimize("loss")]).unwrap();
    for (done, reports) in trials {
        let number = history.start(&[0.5, 0.5, 0.5]);
        history.trials[number].intermediate = reports.to_vec();
        if *done {
            history.trials[number].objectives = vec![reports.last().unwrap().1];
            history.trials[number].state = State::Done;
        }
    }
    history
}

fn prunes(pruner: &dyn Pruner, history: &History, number: usize) -> bool {
    pruner.judge(history, number) != Verdict::Continue
}

#[test]
fn median_and_percentile() {
    let done = |v: f64| [(1, v + 1.0), (2, v)];
    let (a, b, c, d) = (done(1.0), done(2.0), done(3.0), done(4.0));
    let with = |own: &[(u64, f64)]| {
        history(&[(true, &a), (true, &b), (true, &c), (true, &d), (false, own)])
    };
    let median = Percentile::median().startup(4);
    // At step 2 the others have 1, 2, 3, 4: the median is 2.5.
    assert!(!prunes(&median, &with(&[(2, 2.5)]), 4));
    assert!(prunes(&median, &with(&[(2, 2.6)]), 4));
    // The best report so far counts.
    assert!(!prunes(&median, &with(&[(1, 2.0), (2, 9.0)]), 4));
    // Between two steps the earlier report of the others counts: 2, 3, 4, 5 at step 1.
    let sparse = [(1, 5.0), (3, 0.5)];
    let gap = history(&[
        (true, &sparse),
        (true, &sparse),
        (true, &sparse),
        (true, &sparse),
        (false, &[(2, 4.9)]),
    ]);
    assert!(!prunes(&median, &gap, 4));
    // The best quarter: 1.75 by interpolation.
    let quarter = Percentile::new(25.0).startup(4);
    assert!(!prunes(&quarter, &with(&[(2, 1.75)]), 4));
    assert!(prunes(&quarter, &with(&[(2, 1.76)]), 4));
    assert!(!prunes(&median.startup(5), &with(&[(2, 99.0)]), 4));
    assert!(!prunes(&median.warmup(3), &with(&[(2, 99.0)]), 4));
    assert!(prunes(&median, &with(&[(2, f64::NAN)]), 4));
}

#[test]
fn larger_is_better_turns_the_rule() {
    let reports = [(1, 0.5)];
    let mut history = history(&[
        (true, &reports),
        (true, &reports),
        (false, &[(1, 0.4)]),
        (false, &[(1, 0.6)]),
    ]);
    history.objectives = vec![Objective::maximize("score")];
    let median = Percentile::median().startup(2);
    assert!(prunes(&median, &history, 2));
    assert!(!prunes(&median, &history, 3));
}

/// η = 3, r = 1: rungs at 1, 3, 9. Of nine trials at a rung ⌊9/3⌋ = 3 are promoted.
#[test]
fn asha_promotes_the_best_third_of_those_that_came() {
    let asha = Asha::new(1, 3);
    let at_1: Vec<[(u64, f64); 1]> = (1..=9).map(|i| [(1, f64::from(i))]).collect();
    let rows: Vec<(bool, &[(u64, f64)])> = at_1.iter().map(|r| (false, &r[..])).collect();
    let full = history(&rows);
    let goes_on: Vec<usize> = (0..9).filter(|&i| !prunes(&asha, &full, i)).collect();
    assert_eq!(goes_on, [0, 1, 2]);
    // The first to arrive has nobody above it; of two, the worse one is pruned.
    assert!(!prunes(&asha, &history(&rows[8..]), 0));
    let two = history(&rows[7..]);
    assert!(!prunes(&asha, &two, 0) && prunes(&asha, &two, 1));
    // Between rungs nothing is decided: step 2 is no rung.
    let between = history(&[(false, &[(1, 1.0)]), (false, &[(1, 0.5), (2, 50.0)])]);
    assert!(!prunes(&asha, &between, 1));
    // A report that jumps over rung 3 is judged there, with the value it had then.
    let jump = history(&[
        (false, &[(1, 1.0), (3, 1.0)]),
        (false, &[(1, 0.5), (4, 2.0)]),
    ]);
    assert!(prunes(&asha, &jump, 1));
    let verdict = asha.judge(&full, 5);
    assert_eq!(
        verdict,
        Verdict::Prune("at step 1 it is number 6 of 9, and the best 3 go on".into())
    );
}

/// n = 9, η = 3: 3 of 9 go on at step 1, 1 of 3 at step 3.
#[test]
fn halving_keeps_a_third_of_the_group() {
    let halving = Halving::new(9, 1, 3);
    let at_1: Vec<[(u64, f64); 1]> = (1..=9).rev().map(|i| [(1, f64::from(i))]).collect();
    let rows: Vec<(bool, &[(u64, f64)])> = at_1.iter().map(|r| (false, &r[..])).collect();
    let full = history(&rows);
    let goes_on: Vec<usize> = (0..9).filter(|&i| !prunes(&halving, &full, i)).collect();
    assert_eq!(goes_on, [6, 7, 8]);
    // While there is room nobody is pruned.
    assert!(!prunes(&halving, &history(&rows[..3]), 0));
    assert!(prunes(&halving, &history(&rows[..4]), 0));
    // At step 3 one is left of the group; another group is not looked at.
    let mut later = full;
    later.trials[6].intermediate.push((3, 2.5));
    later.trials[7].intermediate.push((3, 1.5));
    assert!(prunes(&halving, &later, 6) && !prunes(&halving, &later, 7));
    later.trials[8].intermediate.push((2, 8.0));
    assert!(!prunes(&halving, &later, 8), "step 2 is no rung");
    let next = later.start(&[0.5; 3]);
    later.trials[next].intermediate = vec![(1, 100.0)];
    assert!(!prunes(&halving, &later, next));
}

/// The table of the paper for R = 81, η = 3: n = 81, 34, 15, 8, 5 trials with r = 1, 3, 9, 27, 81.
#[test]
fn hyperbands_brackets_are_those_of_the_paper() {
    let hyperband = Hyperband::new(1, 81, 3);
    assert_eq!(
        hyperband.brackets(),
        [(81, 1), (34, 3), (15, 9), (8, 27), (5, 81)]
    );
    assert_eq!(
        [0, 80, 81, 114, 115, 138, 142, 143].map(|n| hyperband.bracket(n)),
        [0, 0, 1, 1, 2, 4, 4, 0]
    );
    // In the last bracket every trial runs to the end; in the first the worse of two goes at step 1.
    let small = Hyperband::new(1, 3, 3);
    assert_eq!(small.brackets(), [(3, 1), (2, 3)]);
    let reports: [&[(u64, f64)]; 5] = [
        &[(1, 1.0)],
        &[(1, 2.0)],
        &[(1, 0.5)],
        &[(1, 9.0), (3, 9.0)],
        &[(1, 10.0), (3, 10.0)],
    ];
    let history = history(&reports.map(|r| (false, r)));
    let pruned: Vec<usize> = (0..5).filter(|&i| prunes(&small, &history, i)).collect();
    assert_eq!(pruned, [0, 1]);
}

#[test]
fn patience_and_threshold() {
    let reports =
        |values: &[f64]| -> Vec<(u64, f64)> { (1..).zip(values.iter().copied()).collect() };
    let patience = Patience::new(2);
    let judged =
        |p: &dyn Pruner, values: &[f64]| prunes(p, &history(&[(false, &reports(values))]), 0);
    assert!(!judged(&patience, &[3.0, 4.0]));
    assert!(judged(&patience, &[3.0, 4.0, 3.0]));
    assert!(!judged(&patience, &[3.0, 4.0, 2.9]));
    assert!(judged(&patience.delta(0.2), &[3.0, 4.0, 2.9]));
    let threshold = Threshold::new(f64::NEG_INFINITY, 10.0);
    for (value, pruned) in [
        (9.0, false),
        (10.0, false),
        (10.1, true),
        (f64::NAN, true),
        (f64::NEG_INFINITY, true),
    ] {
        assert_eq!(judged(&threshold, &[value]), pruned, "{value}");
    }
}

#[test]
fn pruners_by_name() {
    for text in [
        "none",
        "median",
        "percentile(25, 10)",
        "halving",
        "asha(3)",
        "hyperband(27,3)",
        "patience(4)",
        "threshold(0, 5)",
    ] {
        let name = text.split('(').next().unwrap();
        assert_eq!(named(text).unwrap().name(), name);
    }
    let error = |text: &str| named(text).err().unwrap().to_string();
    assert_eq!(
        error("ahsa"),
        "`pruner`: there is no pruner `ahsa` in `ahsa`; did you mean `asha`?"
    );
    assert!(
        error("asha(x)").contains("`x` is no number in `asha(x)`; write `asha(factor, min_steps)`")
    );
    assert!(error("asha(1,2,3)").contains("there are 3 numbers, but it takes at most 2"));
    assert!(error("asha(2.5)").contains("2.5 must be a whole number"));
    assert!(error("asha(3").contains("not closed"));
    assert!(error("none(1)").contains("at most 0"));
}

#[test]
fn the_worst_fifth_takes_over_from_the_best() {
    let space = Space::parse([("x", "0..1"), ("n", "int:1..5"), ("k", "a|b")]).unwrap();
    let members: Vec<Member> = (0..10)
        .map(|i| Member {
            point: vec![f64::from(i) / 10.0, 0.5, 0.25],
            value: f64::from(i),
        })
        .collect();
    let rule = PopulationTraining::new(1);
    let turns = rule.turns(&space, Direction::Maximize, &members, 0);
    for (i, turn) in turns.iter().enumerate() {
        match turn {
            Turn::Continue => assert!(i >= 2),
            Turn::Fork { from, point } => {
                assert!(i < 2 && *from >= 8);
                assert_eq!(space.snap(point), *point);
                assert_ne!(*point, members[*from].point);
            }
        }
    }
    assert_eq!(turns, rule.turns(&space, Direction::Maximize, &members, 0));
    assert_ne!(turns, rule.turns(&space, Direction::Maximize, &members, 1));
    assert_eq!(
        rule.turns(&space, Direction::Minimize, &members[..1], 0),
        [Turn::Continue]
    );
}
