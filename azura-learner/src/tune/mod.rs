//! Hyper-parameter search: a space, samplers that propose points of it, pruners that stop hopeless trials.
//!
//! A trial may run anywhere: in this process, in another, on another machine. So nothing here holds a state that only a
//! running program has: a [`Sampler`] and a [`Pruner`] are functions of their settings and a [`History`], which is plain
//! data. Whoever keeps the history (in memory, in a journal) can go on at any time, and gets the same study.

mod descent;
mod domain;
mod history;
pub mod importance;
mod normal;
pub mod pruner;
mod rank;
pub mod sampler;
mod solver;
mod space;
mod study;
mod syntax;

pub use domain::{Domain, Kind, Value};
pub use history::{Direction, History, Objective, State, Trial, WORST, dominates};
pub use pruner::{Pruner, Verdict};
pub use sampler::Sampler;
pub use solver::{CheckpointFile, SamplerSolver, SolverState};
pub use space::{Condition, Parameter, Space, Values};
pub use study::{Costs, Stop, Study, Suggestion};
