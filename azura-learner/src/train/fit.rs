//! Training without an app: a model, a loss and data, put together by hand.

use std::sync::Arc;

use azura_core::{Store, Tensor, serial};

use super::{Model, TrainConfig, Training};
use crate::app::{Metrics, Part};
use crate::data::{Batch, DataError, DataErrorKind, Dataset};
use crate::error::Result;
use crate::fs::sha256_hex;
use crate::layers::{Ctx, Module};
use crate::loss::Loss;

/// A module with a loss: the first tensor of a batch is the input, the last is the target.
pub struct Supervised<M, L> {
    module: M,
    loss: L,
}

impl<M, L> Supervised<M, L>
where
    M: Module,
    L: Fn(&Tensor, &Tensor) -> Result<Loss> + Send + Sync,
{
    /// A model from a module and a loss such as [`loss::mse`](crate::loss::mse).
    pub fn new(module: M, loss: L) -> Self {
        Supervised { module, loss }
    }
}

impl<M, L> Model for Supervised<M, L>
where
    M: Module,
    L: Fn(&Tensor, &Tensor) -> Result<Loss> + Send + Sync,
{
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        self.module.forward(tensor(batch.tensors.first())?, ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        (self.loss)(output, tensor(batch.tensors.last())?)
    }
}

fn tensor(found: Option<&Tensor>) -> Result<&Tensor> {
    Ok(found.ok_or_else(|| DataError::new(DataErrorKind::Size, "a batch without tensors"))?)
}

/// Samples that are in memory: tensors whose first axis counts them.
///
/// ```
/// use azura_core::{DType, Tensor};
/// use azura_learner::{Dataset, TensorDataset};
/// let (x, y) = (Tensor::ones([5, 3], DType::F32)?, Tensor::zeros([5, 1], DType::F32)?);
/// let data = TensorDataset::new([x, y])?;
/// assert_eq!(data.len(), 5);
/// assert_eq!(data.batch(&[4, 0])?.tensors[0].shape(), [2, 3]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorDataset {
    tensors: Vec<Tensor>,
    len: usize,
}

impl TensorDataset {
    /// Samples from tensors, inputs first and the target last.
    ///
    /// # Errors
    /// If there is no tensor, or their first axes differ.
    pub fn new(tensors: impl Into<Vec<Tensor>>) -> Result<Self> {
        let tensors = tensors.into();
        let rows: Vec<Option<usize>> = tensors.iter().map(|t| t.shape().first().copied()).collect();
        match rows.first() {
            Some(Some(len)) if rows.iter().all(|n| *n == Some(*len)) => {
                Ok(TensorDataset { len: *len, tensors })
            }
            _ => {
                let shapes: Vec<_> = tensors.iter().map(|t| t.shape().to_vec()).collect();
                let what = format!("the tensors must have the same first size, but got {shapes:?}");
                Err(DataError::new(DataErrorKind::Size, what).into())
            }
        }
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let ids = Tensor::from_vec(ids, [rows.len()])?;
        let pick = |tensor: &Tensor| tensor.index_select(0, &ids);
        Ok(Batch {
            tensors: self
                .tensors
                .iter()
                .map(pick)
                .collect::<azura_core::Result<_>>()?,
            rows: rows.to_vec(),
        })
    }
}

/// A model, its parameters and its data: the simplest [`Training`].
///
/// The trainer leaves the best weights in the store, and [`Fit::model`](Training::model) uses them. A resumed training is
/// refused if its configuration, the parameters' names and shapes, the number of rows or one of three rows differ; what
/// else the module and the loss do is up to the caller.
pub struct Fit {
    store: Store,
    model: Box<dyn Model>,
    config: TrainConfig,
    train: Arc<dyn Dataset>,
    val: Option<Arc<dyn Dataset>>,
}

impl Fit {
    /// Trains `model`, whose parameters are in `store`, on `train`.
    pub fn new(
        store: Store,
        model: impl Model + 'static,
        train: impl Dataset + 'static,
        config: TrainConfig,
    ) -> Self {
        Fit {
            store,
            model: Box::new(model),
            config,
            train: Arc::new(train),
            val: None,
        }
    }

    /// The same with validation rows, which decide the best epoch. Without them the training loss does.
    #[must_use]
    pub fn validate(mut self, val: impl Dataset + 'static) -> Self {
        self.val = Some(Arc::new(val));
        self
    }
}

impl Training for Fit {
    fn config(&self) -> &TrainConfig {
        &self.config
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn model(&self) -> &dyn Model {
        &*self.model
    }

    fn data(&self, part: Part) -> Option<Arc<dyn Dataset>> {
        match part {
            Part::Train => Some(Arc::clone(&self.train)),
            Part::Val => self.val.clone(),
            Part::Test => None,
        }
    }

    fn score(&self, _: &Tensor) -> Result<Metrics> {
        Ok(Metrics::new())
    }

    fn fingerprint(&self) -> String {
        let shapes: Vec<_> = self
            .store
            .params()
            .iter()
            .map(|p| (p.name(), p.shape()))
            .chain(self.store.buffers().iter().map(|b| (b.name(), b.shape())))
            .collect();
        let data = (sketch(&*self.train), self.val.as_deref().map(sketch));
        sha256_hex(format!("{:?} {data:?} {shapes:?}", self.config.without_budget()).as_bytes())
    }
}

/// The number of rows, and a hash of the first, the middle and the last: other data is found out without reading all.
/// A row that cannot be read counts as none; the trainer meets its error.
fn sketch(data: &dyn Dataset) -> (usize, String) {
    let len = data.len();
    let rows = [0, len / 2, len.saturating_sub(1)];
    let mut bytes = Vec::new();
    if len > 0
        && let Ok(batch) = data.batch(&rows)
    {
        for tensor in &batch.tensors {
            bytes.extend(format!("{} {:?} ", tensor.dtype(), tensor.shape()).bytes());
            bytes.extend(serial::to_le_bytes(tensor));
        }
    }
    (len, sha256_hex(&bytes))
}
