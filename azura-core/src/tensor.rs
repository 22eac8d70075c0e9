//! The tensor: a counted reference to a buffer, seen through a shape.

use crate::autograd::{Edge, Node};
use crate::buffer::Buffer;
use crate::dtype::{for_dtype, for_float};
use crate::param::Param;
use crate::shape::{self, Layout, Shape};
use crate::{DType, Device, Element, Error, Result};
use std::fmt;
use std::sync::Arc;

/// A multi-dimensional array with run-time rank, dtype and device.
///
/// Cloning counts a reference. Views (`reshape`, `transpose`, `narrow`, …) share the buffer. A tensor
/// that others can see is never overwritten: operations that consume `self` reuse its buffer only if
/// this handle is the last one.
///
/// ```
/// use azura_core::Tensor;
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [2, 2])?;
/// let y = (&x * 2.0)?.add(&x.t()?)?;
/// assert_eq!(y.to_vec::<f32>()?, [3.0, 7.0, 8.0, 12.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    inner: Arc<Inner>,
    /// Beside what is counted, so that the same elements with another origin, or none, cost no memory.
    origin: Origin,
}

struct Inner {
    buffer: Arc<Buffer>,
    layout: Layout,
    dtype: DType,
}

/// What a tensor's gradient flows to.
#[derive(Clone)]
pub(crate) enum Origin {
    None,
    Node(Arc<Node>, usize),
    Param(Param),
}

impl Tensor {
    /// The elements of `data` in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] if their number is not the product of the sizes.
    pub fn from_slice<T: Element>(data: &[T], shape: impl AsRef<[usize]>) -> Result<Tensor> {
        let shape = Shape::new("from_slice", shape.as_ref())?;
        if shape::checked_numel("from_slice", &shape)? != data.len() {
            return Err(Error::shape(
                "from_slice",
                "the number of elements must be the product of the sizes",
                format!("{} elements for shape {:?}", data.len(), &shape[..]),
            ));
        }
        Ok(Tensor::from_buffer(
            Buffer::from_slice(data),
            shape,
            T::DTYPE,
        ))
    }

    /// [`Tensor::from_slice`] of a vector.
    ///
    /// # Errors
    /// Those of [`Tensor::from_slice`].
    pub fn from_vec<T: Element>(data: Vec<T>, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        Tensor::from_slice(&data, shape)
    }

    /// Every element `value`, in a float dtype rounded to the nearest.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shape is too large for the address space, [`Error::Argument`] if an integer dtype or
    /// bool has no such value or it is too large for a float dtype.
    pub fn full(shape: impl AsRef<[usize]>, value: f64, dtype: DType) -> Result<Tensor> {
        let shape = Shape::new("full", shape.as_ref())?;
        shape::checked_numel("full", &shape)?;
        let held = for_dtype!(dtype, T => T::from_f64(value).to_f64());
        if !dtype.has(value) || (held.is_infinite() && value.is_finite()) {
            return Err(lacking("full", value, dtype));
        }
        Ok(Tensor::filled(shape, value, dtype))
    }

    /// Every element 0.
    ///
    /// # Errors
    /// Those of [`Tensor::full`].
    pub fn zeros(shape: impl AsRef<[usize]>, dtype: DType) -> Result<Tensor> {
        Tensor::full(shape, 0.0, dtype)
    }

    /// Every element 1.
    ///
    /// # Errors
    /// Those of [`Tensor::full`].
    pub fn ones(shape: impl AsRef<[usize]>, dtype: DType) -> Result<Tensor> {
        Tensor::full(shape, 1.0, dtype)
    }

    /// A tensor of rank 0, in a float dtype the nearest number: infinity if it is too large, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Argument`] if an integer dtype or bool has no such value; PyTorch cuts fractions off.
    pub fn scalar(value: f64, dtype: DType) -> Result<Tensor> {
        if !dtype.has(value) {
            return Err(lacking("scalar", value, dtype));
        }
        Ok(Tensor::number(value, dtype))
    }

    /// The same of a number that the dtype has or that is to be rounded.
    pub(crate) fn number(value: f64, dtype: DType) -> Tensor {
        Tensor::filled(Shape::empty(), value, dtype)
    }

    pub(crate) fn full_like(other: &Tensor, value: f64) -> Tensor {
        Tensor::filled(other.inner.layout.shape, value, other.dtype())
    }

    fn filled(shape: Shape, value: f64, dtype: DType) -> Tensor {
        for_dtype!(dtype, T => Tensor::fill_new::<T>(shape, |out| out.fill(T::from_f64(value))))
    }

    #[inline]
    pub(crate) fn from_buffer(buffer: Buffer, shape: Shape, dtype: DType) -> Tensor {
        Tensor::view_of(
            Arc::new(buffer),
            Layout::contiguous(shape),
            dtype,
            Origin::None,
        )
    }

    /// Of the sizes and the dtype of `other`, which is contiguous: its strides are taken over instead of being computed.
    pub(crate) fn like(other: &Tensor, buffer: Buffer) -> Tensor {
        debug_assert!(other.is_contiguous());
        let inner = Arc::new(Inner {
            buffer: Arc::new(buffer),
            layout: Layout {
                offset: 0,
                ..other.inner.layout
            },
            dtype: other.inner.dtype,
        });
        Tensor {
            inner,
            origin: Origin::None,
        }
    }

    #[inline]
    pub(crate) fn view_of(
        buffer: Arc<Buffer>,
        layout: Layout,
        dtype: DType,
        origin: Origin,
    ) -> Tensor {
        let inner = Arc::new(Inner {
            buffer,
            layout,
            dtype,
        });
        Tensor { inner, origin }
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.inner.layout.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.inner.layout.shape.len()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.inner.layout.numel()
    }

    /// The size of axis `dim`; negative axes count from the end.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis.
    pub fn dim(&self, dim: isize) -> Result<usize> {
        Ok(self.shape()[shape::axis("dim", dim, self.rank())?])
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.inner.dtype
    }

    /// Where the elements are.
    pub fn device(&self) -> Device {
        Device::Cpu
    }

    /// Whether the elements lie in row-major order without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.inner.layout.is_contiguous()
    }

    /// Whether a gradient can flow through this tensor.
    pub fn needs_grad(&self) -> bool {
        !matches!(self.origin, Origin::None)
    }

    /// This tensor as a leaf whose gradient [`crate::grad`] can be asked for. Only floats have
    /// gradients: a tensor of integers or bools stays without one.
    pub fn variable(self) -> Tensor {
        if !self.dtype().is_float() {
            return self;
        }
        self.detach().with_origin(Origin::Node(Node::variable(), 0))
    }

    /// The same elements, cut off from the graph.
    pub fn detach(&self) -> Tensor {
        Tensor {
            inner: Arc::clone(&self.inner),
            origin: Origin::None,
        }
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// [`Error::DType`] if `T` is not the tensor's dtype.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.expect_dtype("to_vec", T::DTYPE)?;
        let source = self.contiguous_detached();
        Ok(source.slice::<T>().to_vec())
    }

    /// The only element.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not exactly one, [`Error::DType`] if `T` is not the tensor's dtype.
    pub fn item<T: Element>(&self) -> Result<T> {
        self.expect_dtype("item", T::DTYPE)?;
        if self.numel() != 1 {
            return Err(Error::shape(
                "item",
                "the tensor must have one element",
                format!("shape {:?}", self.shape()),
            ));
        }
        Ok(self.buffer_slice::<T>()[self.inner.layout.offset])
    }

    // ---- for the operations of this crate ----

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn sizes(&self) -> &Shape {
        &self.inner.layout.shape
    }

    pub(crate) fn edge(&self) -> Edge {
        match &self.origin {
            Origin::None => Edge::Stop,
            Origin::Node(node, output) => Edge::Node(Arc::clone(node), *output),
            Origin::Param(param) => Edge::Param(param.clone()),
        }
    }

    pub(crate) fn with_origin(mut self, origin: Origin) -> Tensor {
        self.set_origin(origin);
        self
    }

    pub(crate) fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// The same buffer through another layout, without a node.
    #[inline]
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        Tensor::view_of(
            Arc::clone(&self.inner.buffer),
            layout,
            self.inner.dtype,
            Origin::None,
        )
    }

    /// The whole buffer, to be indexed by the layout.
    pub(crate) fn buffer_slice<T: Element>(&self) -> &[T] {
        debug_assert_eq!(self.inner.dtype, T::DTYPE);
        self.inner.buffer.as_slice()
    }

    /// The elements of a contiguous tensor.
    pub(crate) fn slice<T: Element>(&self) -> &[T] {
        debug_assert!(self.is_contiguous());
        let start = self.inner.layout.offset;
        &self.buffer_slice()[start..start + self.numel()]
    }

    /// Whether nobody else sees the buffer of this tensor and it holds exactly these elements, so that it may be overwritten.
    pub(crate) fn is_unique(&self) -> bool {
        let Inner {
            buffer,
            layout,
            dtype,
        } = &*self.inner;
        // What is most often not so comes first.
        Arc::strong_count(&self.inner) == 1
            && Arc::strong_count(buffer) == 1
            && layout.offset == 0
            && layout.is_contiguous()
            && buffer.bytes() == layout.numel() * dtype.size()
    }

    /// The buffer of this tensor for overwriting, if it [`is_unique`](Tensor::is_unique).
    pub(crate) fn into_unique_buffer(self) -> std::result::Result<Buffer, Tensor> {
        if !self.is_unique() {
            return Err(self);
        }
        let Tensor { inner, origin } = self;
        match Arc::try_unwrap(inner) {
            Err(inner) => Err(Tensor { inner, origin }),
            Ok(inner) => Arc::try_unwrap(inner.buffer)
                .map_err(|buffer| Tensor::view_of(buffer, inner.layout, inner.dtype, Origin::None)),
        }
    }

    /// This tensor, if its elements are floats.
    pub(crate) fn floats(self, op: &'static str) -> Result<Tensor> {
        if self.dtype().is_half() {
            return Ok(self);
        }
        for_float!(op, self.dtype(), _T => Ok(self))
    }

    pub(crate) fn expect_dtype(&self, op: &'static str, dtype: DType) -> Result<()> {
        if self.dtype() == dtype {
            Ok(())
        } else {
            Err(Error::dtype(
                op,
                format!("the tensor must be {dtype}"),
                format!("{}; cast it with `cast`", self.dtype()),
            ))
        }
    }
}

fn lacking(op: &'static str, value: f64, dtype: DType) -> Error {
    let rule = format!("the number must be a value of {dtype}");
    Error::argument(op, rule, value.to_string())
}

/// Two operands must have one dtype: nothing is promoted in silence.
pub(crate) fn same_dtype(op: &'static str, a: &Tensor, b: &Tensor) -> Result<DType> {
    if a.dtype() == b.dtype() {
        Ok(a.dtype())
    } else {
        Err(mixed(op, a.dtype(), b.dtype()))
    }
}

pub(crate) fn mixed(op: &'static str, a: DType, b: DType) -> Error {
    Error::dtype(
        op,
        "both operands must have the same dtype",
        format!("{a} and {b}; cast one with `cast`"),
    )
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {:?}", self.dtype(), self.shape())?;
        if self.numel() <= 16 {
            let source = self.contiguous_detached();
            for_dtype!(self.dtype(), T => write!(f, ", {:?}", source.slice::<T>()))?;
        }
        f.write_str(")")
    }
}
