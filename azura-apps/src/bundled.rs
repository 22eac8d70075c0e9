//! What apps of every kind share: data in the program, and sizes of its parts.

use azura_learner::Problem;

/// A data set that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// What people and error messages call it.
    pub name: &'static str,
    /// The CSV text.
    pub text: &'static str,
}

/// What is wrong with the sizes of the validation and test parts.
pub(crate) fn check_parts(val: f64, test: f64) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, part) in [("data.val", val), ("data.test", test)] {
        if !(0.0..1.0).contains(&part) {
            let message = format!("must be at least 0 and below 1, but is {part}");
            problems.push(Problem::new(key, message));
        }
    }
    if problems.is_empty() && val + test >= 1.0 {
        let message = format!(
            "and `data.val` take {} of the samples and leave none for training",
            val + test
        );
        problems
            .push(Problem::new("data.test", message).help("make them smaller, such as 0.15 each"));
    }
    problems
}

/// What is wrong with the fold that is the test.
pub(crate) fn check_folds(folds: usize, fold: usize) -> Option<Problem> {
    if folds == 1 {
        let message = "must be 0 for none, or at least 2, but is 1";
        return Some(Problem::new("data.folds", message));
    }
    (folds > 0 && fold > folds).then(|| {
        let message = format!("is {fold}, but there are {folds} folds");
        Problem::new("data.fold", message)
    })
}
