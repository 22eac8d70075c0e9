//! What optimisers keep for each parameter, and the step over whole arenas.

use super::state::check_names;
use super::{Arena, State, Store, unshared};
use crate::buffer::Buffer;
use crate::dtype::for_float;
use crate::tensor::Tensor;
use crate::{Element, Result};

impl Store {
    /// An arena laid out as the parameters', filled with zeros: a moment of an optimiser.
    pub(crate) fn moments(&self) -> Result<Moments> {
        let state = self.sealed()?;
        let bytes = self.0.dtype.size();
        Ok(Moments(
            state
                .arenas
                .iter()
                .map(|a| Buffer::zeroed(a.len * bytes))
                .collect(),
        ))
    }

    /// Calls `step` for each longest run of neighbouring parameters that have a new gradient, the same number of steps
    /// behind them and the same group; for each parameter on its own if they are not `merged`.
    ///
    /// `group` says what sets a parameter apart, by its number, name and shape; `None` leaves it alone. `steps` counts
    /// the steps of each parameter and is advanced here.
    pub(crate) fn update<T: Element, G: Copy + PartialEq>(
        &self,
        steps: &mut Vec<u64>,
        moments: &mut [&mut Moments],
        merged: bool,
        mut group: impl FnMut(usize, &str, &[usize]) -> Option<G>,
        mut step: impl FnMut(Run<'_, T>, G),
    ) -> Result<()> {
        let mut state = self.sealed()?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        steps.resize(segments.len(), 0);
        for moments in moments.iter_mut() {
            moments.grow(arenas, self.0.dtype.size());
        }
        let groups: Vec<Option<G>> = segments
            .iter()
            .enumerate()
            .map(|(index, s)| {
                let steps = s.touched && !s.frozen;
                steps.then(|| group(index, &s.name, &s.shape)).flatten()
            })
            .collect();
        let mut index = 0;
        while index < segments.len() {
            let (arena, first, count) = (segments[index].arena, index, steps[index]);
            let Some(group) = groups[index] else {
                index += 1;
                continue;
            };
            while index < segments.len()
                && (merged || index == first)
                && segments[index].arena == arena
                && groups[index] == Some(group)
                && steps[index] == count
            {
                steps[index] += 1;
                index += 1;
            }
            let range = segments[first].range.start..segments[index - 1].range.end;
            let Arena { values, grads, .. } = &mut arenas[arena];
            let Some(grads) = grads else { continue };
            let run = Run {
                step: count + 1,
                first,
                shape: &segments[first].shape,
                values: &mut unshared(values).as_mut_slice()[range.clone()],
                grads: &grads.as_slice()[range.clone()],
                moments: moments
                    .iter_mut()
                    .map(|m| &mut m.0[arena].as_mut_slice()[range.clone()])
                    .collect(),
            };
            step(run, group);
        }
        Ok(())
    }

    /// Moves each element of `average` by `weight` of its distance to the value.
    pub(crate) fn average(&self, average: &mut Moments, weight: f64) -> Result<()> {
        let state = self.sealed()?;
        average.grow(&state.arenas, self.0.dtype.size());
        for_float!("average", self.0.dtype, T => {
            for (average, arena) in average.0.iter_mut().zip(&state.arenas) {
                let values = arena.values.as_slice::<T>();
                for (a, &p) in average.as_mut_slice::<T>().iter_mut().zip(values) {
                    // One term is the other's complement, so that 1 copies.
                    *a = if weight == 1.0 { p } else { *a + weight as T * (p - *a) };
                }
            }
        });
        Ok(())
    }
}

/// Neighbouring parameters that take the same optimiser step.
pub(crate) struct Run<'a, T> {
    /// The number of this step, from 1.
    pub step: u64,
    /// The number and the shape of the first parameter.
    pub first: usize,
    pub shape: &'a [usize],
    pub values: &'a mut [T],
    pub grads: &'a [T],
    pub moments: Vec<&'a mut [T]>,
}

/// One number of state per parameter element, in arenas like the store's.
pub(crate) struct Moments(Vec<Buffer>);

impl Moments {
    /// Zeros for arenas that joined.
    fn grow(&mut self, arenas: &[Arena], size: usize) {
        for arena in &arenas[self.0.len()..] {
            self.0.push(Buffer::zeroed(arena.len * size));
        }
    }

    /// Copies by parameter name, each name prefixed; zeros for parameters that joined after the last step.
    pub fn state(&self, store: &Store, prefix: &str) -> Result<Vec<(String, Tensor)>> {
        let state = store.sealed()?;
        state
            .segments
            .iter()
            .map(|segment| {
                let tensor = for_float!("state", store.0.dtype, T => match self.0.get(segment.arena) {
                    Some(arena) => Tensor::from_slice(&arena.as_slice::<T>()[segment.range.clone()], &*segment.shape)?,
                    None => Tensor::zeros(&*segment.shape, store.0.dtype)?,
                });
                Ok((format!("{prefix}{}", segment.name), tensor))
            })
            .collect()
    }

    /// Takes the values that [`Moments::state`] gave.
    pub fn load(&mut self, store: &Store, prefix: &str, values: &[(String, Tensor)]) -> Result<()> {
        let state = store.sealed()?;
        let own: Vec<(String, Tensor)> = values
            .iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix(prefix)?.to_string(), value.clone()))
            })
            .collect();
        check_names(
            state
                .segments
                .iter()
                .map(|s| (s.name.as_str(), &s.shape, store.0.dtype)),
            &own,
        )?;
        self.grow(&state.arenas, store.0.dtype.size());
        for segment in &state.segments {
            let Some((_, value)) = own.iter().find(|(name, _)| *name == segment.name) else {
                continue;
            };
            for_float!("load", store.0.dtype, T => {
                self.0[segment.arena].as_mut_slice::<T>()[segment.range.clone()]
                    .copy_from_slice(&value.to_vec::<T>()?);
            });
        }
        Ok(())
    }
}
