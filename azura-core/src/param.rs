//! Parameters live in stores.
//!
//! A layer holds [`Param`] handles. The store keeps the values of all parameters in one flat arena,
//! their gradients in another, and an optimiser its moments in more of the same layout: resetting
//! gradients is a flag, the global norm one reduction, an optimiser step one loop.

use crate::buffer::Buffer;
use crate::cpu::reduce;
use crate::dtype::for_float;
use crate::shape::{Layout, Shape, checked_numel};
use crate::tensor::{Origin, Tensor};
use crate::{DType, Element, Error, Result, Rng};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Segments start at cache lines: 16 elements of f32, 8 of f64 and then some.
const SEGMENT_ALIGN: usize = 16;

/// The initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All the same.
    Constant(f64),
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// Half the width of the interval.
        bound: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
}

/// Owns the values and gradients of a model's parameters. Cloning makes another handle to the same store.
///
/// ```
/// use azura_core::{DType, Init, Rng, Store, Tensor};
/// let store = Store::new(DType::F32);
/// let w = store.root(Rng::new(0)).at("linear").param("weight", &[1, 2], Init::Constant(3.0))?;
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [1, 2])?;
/// x.linear(&w.value(), None)?.sum_all()?.backward()?;
/// assert_eq!(w.name(), "linear.weight");
/// assert_eq!(w.grad().unwrap().to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    dtype: DType,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    segments: Vec<Segment>,
    arenas: Vec<Arena>,
    /// How many segments have their place in an arena.
    sealed: usize,
}

struct Segment {
    name: String,
    shape: Shape,
    init: Init,
    rng: Rng,
    arena: usize,
    range: Range<usize>,
    frozen: bool,
    /// Whether its gradient was written since the last `zero_grad`.
    touched: bool,
}

struct Arena {
    len: usize,
    values: Arc<Buffer>,
    /// Made when the first gradient arrives: a frozen model owns none.
    grads: Option<Buffer>,
}

/// A prefix of parameter names and the randomness that initialises what is registered under it.
#[derive(Clone)]
pub struct Scope {
    store: Store,
    prefix: String,
    rng: Rng,
}

/// A handle to one parameter of a store.
#[derive(Clone)]
pub struct Param {
    store: Store,
    index: usize,
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.store.0, &other.store.0)
    }
}

impl Store {
    /// An empty store for parameters of this dtype, `F32` or `F64`.
    pub fn new(dtype: DType) -> Self {
        Store(Arc::new(Inner {
            dtype,
            state: Mutex::default(),
        }))
    }

    /// The dtype of the parameters.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// The scope without a prefix. Each parameter draws its initial values from `rng` forked by its
    /// name, so that they do not depend on the order of registration.
    pub fn root(&self, rng: Rng) -> Scope {
        Scope {
            store: self.clone(),
            prefix: String::new(),
            rng,
        }
    }

    /// All parameters in the order of registration.
    pub fn params(&self) -> Vec<Param> {
        let count = self.lock().segments.len();
        (0..count)
            .map(|index| Param {
                store: self.clone(),
                index,
            })
            .collect()
    }

    /// The number of elements of all parameters.
    pub fn numel(&self) -> usize {
        self.lock().segments.iter().map(|s| s.range.len()).sum()
    }

    /// Forgets all gradients: the next one to arrive overwrites.
    pub fn zero_grad(&self) {
        for segment in &mut self.lock().segments {
            segment.touched = false;
        }
    }

    /// The Euclidean norm of all gradients together.
    ///
    /// # Errors
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn grad_norm(&self) -> Result<f64> {
        let state = self.sealed()?;
        let mut square = 0.0;
        for segment in state.segments.iter().filter(|s| s.touched) {
            if let Some(grads) = &state.arenas[segment.arena].grads {
                square += for_float!("grad_norm", self.0.dtype, T => {
                    reduce::sum_of_squares(&grads.as_slice::<T>()[segment.range.clone()])
                });
            }
        }
        Ok(square.sqrt())
    }

    /// Scales all gradients by `max_norm / (norm + 1e-6)` if that is below 1, as PyTorch's
    /// `clip_grad_norm_` does, and returns the norm before.
    ///
    /// # Errors
    /// [`Error::Argument`] if `max_norm` is not positive.
    pub fn clip_grad_norm(&self, max_norm: f64) -> Result<f64> {
        if max_norm.is_nan() || max_norm <= 0.0 {
            return Err(Error::argument(
                "clip_grad_norm",
                "max_norm must be positive",
                format!("{max_norm}"),
            ));
        }
        let norm = self.grad_norm()?;
        let scale = max_norm / (norm + 1e-6);
        if scale < 1.0 {
            let mut state = self.lock();
            let State {
                segments, arenas, ..
            } = &mut *state;
            for segment in segments.iter().filter(|s| s.touched) {
                if let Some(grads) = &mut arenas[segment.arena].grads {
                    for_float!("clip_grad_norm", self.0.dtype, T => {
                        for g in &mut grads.as_mut_slice::<T>()[segment.range.clone()] {
                            *g *= scale as T;
                        }
                    });
                }
            }
        }
        Ok(norm)
    }

    /// The names of trainable parameters that got no gradient since the last [`Store::zero_grad`].
    pub fn untouched(&self) -> Vec<String> {
        let state = self.lock();
        state
            .segments
            .iter()
            .filter(|s| !s.frozen && !s.touched)
            .map(|s| s.name.clone())
            .collect()
    }

    /// Copies of all values by name, in the order of registration.
    ///
    /// # Errors
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        drop(self.sealed()?);
        self.params()
            .into_iter()
            .map(|p| Ok((p.name(), p.value().copy())))
            .collect()
    }

    /// Replaces all values by those of the same names.
    ///
    /// # Errors
    /// [`Error::Store`] naming what is missing, unexpected, or of another shape or dtype; then nothing
    /// was changed.
    pub fn load(&self, values: &[(String, Tensor)]) -> Result<()> {
        let mut state = self.lock();
        // Before anything is allocated: a file that does not fit may ask for a model of any size.
        check_names(
            state.segments.iter().map(|s| (s.name.as_str(), &s.shape)),
            self.0.dtype,
            values,
        )?;
        self.seal(&mut state)?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        for segment in segments.iter() {
            let Some((_, value)) = values.iter().find(|(name, _)| *name == segment.name) else {
                continue;
            };
            let values = unshared(&mut arenas[segment.arena].values);
            for_float!("load", self.0.dtype, T => {
                values.as_mut_slice::<T>()[segment.range.clone()].copy_from_slice(&value.to_vec::<T>()?);
            });
        }
        Ok(())
    }

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

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves sizes and ranges valid; only numbers may be half written.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state with every registered parameter in an arena.
    fn sealed(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        self.seal(&mut state)?;
        Ok(state)
    }

    fn seal(&self, state: &mut State) -> Result<()> {
        let State {
            segments,
            arenas,
            sealed,
        } = state;
        let fresh = &mut segments[*sealed..];
        if fresh.is_empty() {
            return Ok(());
        }
        let arena = arenas.len();
        let mut len = 0;
        for segment in fresh.iter_mut() {
            segment.arena = arena;
            segment.range = len..len + segment.range.len();
            len = segment.range.end.next_multiple_of(SEGMENT_ALIGN);
        }
        // Gaps stay zero for ever, in values, gradients and moments.
        let mut values = Buffer::zeroed(len * self.0.dtype.size());
        for_float!("param", self.0.dtype, T => {
            let values = values.as_mut_slice::<T>();
            for segment in fresh.iter() {
                segment.init.fill(&mut values[segment.range.clone()], segment.rng.clone());
            }
        });
        arenas.push(Arena {
            len,
            values: Arc::new(values),
            grads: None,
        });
        *sealed = segments.len();
        Ok(())
    }
}

impl Init {
    fn fill<T: Element>(self, values: &mut [T], mut rng: Rng) {
        values.fill_with(|| {
            T::from_f64(match self {
                Init::Zeros => 0.0,
                Init::Ones => 1.0,
                Init::Constant(value) => value,
                Init::Uniform { bound } => (rng.uniform() * 2.0 - 1.0) * bound,
                Init::Normal { mean, std } => f64::mul_add(rng.normal(), std, mean),
            })
        });
    }
}

/// The buffer for writing. If a view of it lives (an old graph, a server thread), that view keeps the
/// old values and the store goes on with a copy.
fn unshared(buffer: &mut Arc<Buffer>) -> &mut Buffer {
    if Arc::get_mut(buffer).is_none() {
        *buffer = Arc::new(Buffer::from_slice(buffer.as_slice::<u32>()));
    }
    Arc::get_mut(buffer).expect("the copy has one owner")
}

/// Checks that `values` has exactly the names, shapes and dtype of `expected`.
pub(crate) fn check_names<'a>(
    expected: impl Iterator<Item = (&'a str, &'a Shape)>,
    dtype: DType,
    values: &[(String, Tensor)],
) -> Result<()> {
    let expected: Vec<_> = expected.collect();
    for &(name, shape) in &expected {
        let mut found = values.iter().filter(|(n, _)| n == name);
        let Some((_, value)) = found.next() else {
            return Err(Error::Store(format!(
                "`{name}` is missing from the values to load"
            )));
        };
        if found.next().is_some() {
            return Err(Error::Store(format!(
                "`{name}` stands twice in the values to load"
            )));
        }
        if value.dtype() != dtype || value.shape() != &shape[..] {
            return Err(Error::Store(format!(
                "`{name}` must be {dtype} of shape {:?}, but got {} of shape {:?}",
                &shape[..],
                value.dtype(),
                value.shape()
            )));
        }
    }
    let unknown = |name: &str| !expected.iter().any(|(known, _)| *known == name);
    match values.iter().find(|(name, _)| unknown(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Error::Store(format!(
            "`{name}` is no parameter of this store"
        ))),
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
            state.segments.iter().map(|s| (s.name.as_str(), &s.shape)),
            store.0.dtype,
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

impl Scope {
    /// The scope `prefix.name`.
    pub fn at(&self, name: impl fmt::Display) -> Scope {
        Scope {
            prefix: self.full_name(&name.to_string()),
            ..self.clone()
        }
    }

    /// The dtype of parameters registered here.
    pub fn dtype(&self) -> DType {
        self.store.dtype()
    }

    /// The store that parameters are registered in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Registers the parameter `prefix.name`.
    ///
    /// # Errors
    /// [`Error::Store`] if the name is empty or taken, [`Error::Shape`] if the shape is too large,
    /// [`Error::DType`] if the store's dtype is not a float.
    pub fn param(&self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        let shape = Shape::new("param", shape)?;
        let numel = checked_numel("param", &shape)?;
        let full = self.full_name(name);
        if !self.dtype().is_float() {
            return Err(Error::dtype(
                "param",
                "a store's dtype must be f32 or f64",
                self.dtype().to_string(),
            ));
        }
        if name.is_empty() {
            return Err(Error::Store(format!(
                "a parameter under `{}` has an empty name",
                self.prefix
            )));
        }
        let mut state = self.store.lock();
        if state.segments.iter().any(|segment| segment.name == full) {
            return Err(Error::Store(format!(
                "the parameter `{full}` is registered already"
            )));
        }
        let index = state.segments.len();
        state.segments.push(Segment {
            rng: self.rng.fork(&full),
            name: full,
            shape,
            init,
            arena: 0,
            range: 0..numel,
            frozen: false,
            touched: false,
        });
        Ok(Param {
            store: self.store.clone(),
            index,
        })
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}

impl Param {
    /// The values as a tensor through which a gradient flows back here (unless frozen). It is a view:
    /// it costs nothing, and keeps these values even if an optimiser step follows.
    pub fn value(&self) -> Tensor {
        let state = self
            .store
            .sealed()
            .expect("`Scope::param` lets no other dtype in than f32 and f64");
        let segment = &state.segments[self.index];
        let layout = Layout {
            offset: segment.range.start,
            ..Layout::contiguous(segment.shape)
        };
        let origin = if segment.frozen {
            Origin::None
        } else {
            Origin::Param(self.clone())
        };
        Tensor::view_of(
            Arc::clone(&state.arenas[segment.arena].values),
            layout,
            self.store.0.dtype,
            origin,
        )
    }

    /// The full name, such as `encoder.0.weight`.
    pub fn name(&self) -> String {
        self.store.lock().segments[self.index].name.clone()
    }

    /// The sizes.
    pub fn shape(&self) -> Vec<usize> {
        self.store.lock().segments[self.index].shape.to_vec()
    }

    /// A copy of the gradient, `None` if none arrived since the last [`Store::zero_grad`].
    pub fn grad(&self) -> Option<Tensor> {
        let state = self.store.lock();
        let segment = &state.segments[self.index];
        let grads = state
            .arenas
            .get(segment.arena)?
            .grads
            .as_ref()
            .filter(|_| segment.touched)?;
        let range = segment.range.clone();
        match self.store.0.dtype {
            DType::F64 => Tensor::from_slice(&grads.as_slice::<f64>()[range], &*segment.shape),
            _ => Tensor::from_slice(&grads.as_slice::<f32>()[range], &*segment.shape),
        }
        .ok()
    }

    /// Excludes the parameter from training, or includes it again.
    pub fn set_frozen(&self, frozen: bool) {
        self.store.lock().segments[self.index].frozen = frozen;
    }

    /// Whether the parameter is excluded from training.
    pub fn is_frozen(&self) -> bool {
        self.store.lock().segments[self.index].frozen
    }

    /// Lets `write` put a gradient into the arena; it is told whether to add to what is there.
    pub(crate) fn write_grad<T: Element>(&self, write: impl FnOnce(&mut [T], bool)) -> Result<()> {
        let mut state = self.store.sealed()?;
        let State {
            segments, arenas, ..
        } = &mut *state;
        let segment = &mut segments[self.index];
        let arena = &mut arenas[segment.arena];
        let bytes = arena.len * self.store.0.dtype.size();
        let grads = arena.grads.get_or_insert_with(|| Buffer::zeroed(bytes));
        write(
            &mut grads.as_mut_slice()[segment.range.clone()],
            segment.touched,
        );
        segment.touched = true;
        Ok(())
    }

    pub(crate) fn add_grad(&self, gradient: &Tensor) -> Result<()> {
        for_float!("backward", self.store.0.dtype, T => {
            let gradient = gradient.contiguous_detached();
            let source = gradient.slice::<T>();
            self.write_grad::<T>(|into, accumulate| {
                if accumulate {
                    for (sum, g) in into.iter_mut().zip(source) {
                        *sum += *g;
                    }
                } else {
                    into.copy_from_slice(source);
                }
            })
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Store({}, {} parameters)",
            self.0.dtype,
            self.lock().segments.len()
        )
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Param({}, {:?})", self.name(), self.shape())
    }
}
