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

    /// Calls `step` for each longest run of neighbouring parameters that have a new gradient and the
    /// same number of steps behind them.
    ///
    /// `steps` counts the steps of each parameter and is advanced here.
    pub(crate) fn update<T: Element, const K: usize>(
        &self,
        steps: &mut Vec<u64>,
        moments: &mut [Moments; K],
        mut step: impl FnMut(Run<'_, T, K>),
    ) -> Result<()> {
        let mut state = self.sealed()?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        steps.resize(segments.len(), 0);
        for moments in moments.iter_mut() {
            for arena in &arenas[moments.0.len()..] {
                moments
                    .0
                    .push(Buffer::zeroed(arena.len * self.0.dtype.size()));
            }
        }
        let mut index = 0;
        while index < segments.len() {
            let (arena, first, count) = (segments[index].arena, index, steps[index]);
            if segments[index].frozen || !segments[index].touched {
                index += 1;
                continue;
            }
            while index < segments.len()
                && segments[index].arena == arena
                && segments[index].touched
                && !segments[index].frozen
                && steps[index] == count
            {
                steps[index] += 1;
                index += 1;
            }
            let range = segments[first].range.start..segments[index - 1].range.end;
            let Arena { values, grads, .. } = &mut arenas[arena];
            let Some(grads) = grads else { continue };
            step(Run {
                step: count + 1,
                values: &mut unshared(values).as_mut_slice()[range.clone()],
                grads: &grads.as_slice()[range.clone()],
                moments: moments
                    .each_mut()
                    .map(|m| &mut m.0[arena].as_mut_slice()[range.clone()]),
            });
        }
        Ok(())
    }
}

/// Neighbouring parameters that take the same optimiser step.
pub(crate) struct Run<'a, T, const K: usize> {
    /// The number of this step, from 1.
    pub step: u64,
    pub values: &'a mut [T],
    pub grads: &'a [T],
    pub moments: [&'a mut [T]; K],
}

/// One number of state per parameter element, in arenas like the store's.
pub(crate) struct Moments(Vec<Buffer>);

impl Moments {
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
        for (index, arena) in state.arenas.iter().enumerate().skip(self.0.len()) {
            debug_assert_eq!(index, self.0.len());
            self.0
                .push(Buffer::zeroed(arena.len * store.0.dtype.size()));
        }
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
