//! The order of trials from good to bad, with several objectives and constraints.

use super::history::{History, State, Trial, dominates};

/// The numbers of all finished trials from the best to the worst.
///
/// First the feasible trials that are done: by cost, or with several objectives by front and then by crowding; then those
/// that break a constraint, by their violation; then the pruned ones, those that came farther first; then the failed ones. Equals
/// stand in the order of their numbers.
pub(super) fn order(history: &History) -> Vec<usize> {
    let done: Vec<&Trial> = history.done().collect();
    let costs: Vec<Vec<f64>> = done.iter().map(|t| history.costs(t)).collect();
    let violations: Vec<f64> = done.iter().map(|t| t.violation()).collect();
    let mut order: Vec<usize> = by_quality(&costs, &violations)
        .into_iter()
        .map(|i| done[i].number)
        .collect();
    let mut pruned: Vec<&Trial> = history
        .trials
        .iter()
        .filter(|t| matches!(t.state, State::Pruned(_)) && !t.intermediate.is_empty())
        .collect();
    let far = |t: &Trial| t.intermediate.last().map_or(0, |(step, _)| *step);
    let cost = |t: &Trial| history.cost(t).unwrap_or(f64::INFINITY);
    pruned.sort_by(|a, b| far(b).cmp(&far(a)).then(cost(a).total_cmp(&cost(b))));
    order.extend(pruned.iter().map(|t| t.number));
    let mut taken = vec![false; history.trials.len()];
    order.iter().for_each(|&i| taken[i] = true);
    order.extend(
        history
            .trials
            .iter()
            .filter(|t| t.is_finished() && !taken[t.number])
            .map(|t| t.number),
    );
    order
}

/// Places from the best to the worst: constrained domination and crowding (Deb, Pratap, Agarwal & Meyarivan 2002, NSGA-II).
pub(super) fn by_quality(costs: &[Vec<f64>], violations: &[f64]) -> Vec<usize> {
    let mut feasible: Vec<usize> = (0..costs.len()).filter(|&i| violations[i] <= 0.0).collect();
    let mut broken: Vec<usize> = (0..costs.len()).filter(|&i| violations[i] > 0.0).collect();
    broken.sort_by(|&a, &b| violations[a].total_cmp(&violations[b]));
    if costs.first().is_some_and(|c| c.len() == 1) {
        feasible.sort_by(|&a, &b| costs[a][0].total_cmp(&costs[b][0]));
        feasible.extend(broken);
        return feasible;
    }
    let mut order = Vec::with_capacity(costs.len());
    for mut front in fronts(costs, &feasible) {
        let crowding = crowding(costs, &front);
        let mut places: Vec<usize> = (0..front.len()).collect();
        places.sort_by(|&a, &b| crowding[b].total_cmp(&crowding[a]));
        front = places.into_iter().map(|p| front[p]).collect();
        order.extend(front);
    }
    order.extend(broken);
    order
}

/// `which` split into fronts: nothing in a front is dominated by anything in it or behind it.
pub(super) fn fronts(costs: &[Vec<f64>], which: &[usize]) -> Vec<Vec<usize>> {
    let mut left = which.to_vec();
    let mut fronts = Vec::new();
    while !left.is_empty() {
        let (front, rest): (Vec<usize>, Vec<usize>) = left
            .iter()
            .partition(|&&i| !left.iter().any(|&j| dominates(&costs[j], &costs[i])));
        fronts.push(front);
        left = rest;
    }
    fronts
}

/// How far apart the neighbours of each one stand, summed over the objectives in units of their range; infinite at the ends.
pub(super) fn crowding(costs: &[Vec<f64>], front: &[usize]) -> Vec<f64> {
    let mut distance = vec![0.0; front.len()];
    let objectives = front.first().map_or(0, |&i| costs[i].len());
    let column = |o: usize| -> Vec<f64> { front.iter().map(|&i| costs[i][o]).collect() };
    for objective in 0..objectives {
        let values = column(objective);
        let at = |place: usize| values[place];
        let mut places: Vec<usize> = (0..front.len()).collect();
        places.sort_by(|&a, &b| at(a).total_cmp(&at(b)));
        let (first, last) = (places[0], places[places.len() - 1]);
        let range = at(last) - at(first);
        distance[first] = f64::INFINITY;
        distance[last] = f64::INFINITY;
        if range > 0.0 {
            for w in places.windows(3) {
                distance[w[1]] += (at(w[2]) - at(w[0])) / range;
            }
        }
    }
    distance
}
