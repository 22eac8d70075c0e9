//! Parameters live in stores.
//!
//! A layer holds [`Param`] handles. The store keeps the values of all parameters in one flat arena,
//! their gradients in another, and an optimiser its moments in more of the same layout: resetting
//! gradients is a flag, the global norm one reduction, an optimiser step one loop. Named values without a
//! gradient, such as running statistics, are [`NamedBuffer`]s of the same store.
//!
//! | file      | what lives there                                                   |
//! |-----------|--------------------------------------------------------------------|
//! | `mod`     | what a store is made of, and how it comes to memory                |
//! | `scope`   | [`Scope`]: registration under names                                |
//! | `init`    | [`Init`]: initial values                                           |
//! | `handle`  | [`Param`]: one parameter, its value and gradient                   |
//! | `buffer`  | [`NamedBuffer`]: one named value without gradient                  |
//! | `rows`    | one parameter that is a table                                      |
//! | `grads`   | all gradients together: resetting, norm, clipping                  |
//! | `apart`   | [`Gradients`]: those of a pass that runs beside others             |
//! | `state`   | all values by name: saving and loading                             |
//! | `moments` | what optimisers keep for each parameter, and the step over arenas  |

mod apart;
mod buffer;
mod grads;
mod handle;
mod init;
mod moments;
mod rows;
mod scope;
mod state;

pub use apart::Gradients;
pub use buffer::NamedBuffer;
pub use handle::Param;
pub use init::{Fan, Init, Nonlinearity};
pub use scope::Scope;

pub(crate) use moments::{Moments, Run};

use crate::buffer::Buffer;
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{DType, Result, Rng};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Segments start at cache lines: 16 elements of f32, 8 of f64 and then some.
const SEGMENT_ALIGN: usize = 16;

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
    buffers: Vec<Named>,
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

/// A value without gradient. It is replaced, never written: whoever holds the old one keeps it.
struct Named {
    name: String,
    value: Tensor,
}

struct Arena {
    len: usize,
    values: Arc<Buffer>,
    /// Made when the first gradient arrives: a frozen model owns none.
    grads: Option<Buffer>,
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

    /// All named values without gradient in the order of registration.
    pub fn buffers(&self) -> Vec<NamedBuffer> {
        let count = self.lock().buffers.len();
        (0..count)
            .map(|index| NamedBuffer::new(self.clone(), index))
            .collect()
    }

    /// The number of elements of all parameters.
    pub fn numel(&self) -> usize {
        self.lock().segments.iter().map(|s| s.range.len()).sum()
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
            ..
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
                let values = &mut values[segment.range.clone()];
                segment.init.fill(values, &segment.shape, segment.rng.clone());
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

/// The buffer for writing. If a view of it lives (an old graph, a server thread), that view keeps the
/// old values and the store goes on with a copy.
fn unshared(buffer: &mut Arc<Buffer>) -> &mut Buffer {
    if Arc::get_mut(buffer).is_none() {
        *buffer = Arc::new(Buffer::from_slice(buffer.as_slice::<u32>()));
    }
    Arc::get_mut(buffer).expect("the copy has one owner")
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
