//! One layer of a recurrent net in one direction, over the whole sequence, forward and backward.
//!
//! `a_t = x_t·W_ihᵀ + b_ih` and `h_{t-1}·W_hhᵀ + b_hh` meet in the cells of a step: a [`Cell`] says how. The walk over time
//! and the products are the same for all of them. Threads split the rows of the batch and each walks through all of time
//! without meeting the others. On the way back they stop after every few steps, when the gradients of the weights, which
//! sum over batch and time, take up what these steps have left in the cache, split over their elements. So the bits do
//! not depend on the number of threads, and those of a sequence's results not on the batch that it is in.
//!
//! Sequences of different lengths share a batch: steps behind the end of one leave its state alone and write zeros, and
//! the walk from the end passes them before its first step. A step works on the rows up to the last one that it still
//! reaches, so a batch that is sorted from long to short costs no more than its elements.

mod backward;
mod buffers;
mod factor;
mod forward;
mod gru;
mod lstm;
mod rnn;
mod sums;

use super::gemm::Real;
use super::gemm::pack::with_slice;
use super::threads::split;
pub(crate) use backward::backward;
use buffers::{Ahead, Buffers};
use factor::Factor;
pub(crate) use forward::forward;
pub(crate) use gru::Gru;
pub(crate) use lstm::Lstm;
pub(crate) use rnn::Rnn;

/// The equations of one step, for one row of the batch.
///
/// A step has blocks of H numbers for each row. The input product writes the first [`Cell::GATES`] of them, the hidden
/// product adds to as many from [`Cell::HIDDEN_AT`] on, and blocks that only the latter reaches begin with its bias.
/// Where the two do not coincide the weights' gates are rotated, so that each product is one.
pub(crate) trait Cell: Copy + Send + Sync + 'static {
    /// Gates that are stacked in the weights.
    const GATES: usize;
    /// The first block of the hidden product.
    const HIDDEN_AT: usize;
    /// Blocks of a step.
    const BLOCKS: usize = Self::GATES + Self::HIDDEN_AT;
    /// Whether backward reads the blocks, as `forward` leaves them.
    const KEEPS_BLOCKS: bool;
    /// Whether there is a cell beside the hidden state.
    const HAS_CELLS: bool;
    /// Whether a part of `dh` reaches the state before without a product.
    const CARRIES: bool;

    /// Blocks before their activation in, everything else out.
    fn forward<T: Real>(row: Row<'_, T>);

    /// The gradients of the blocks before their activation, and of the state before the step in place of that after it.
    fn backward<T: Real>(row: GradientRow<'_, T>);
}

/// One row of a step forward. A slice has H elements, or none if the cell does not have it.
pub(crate) struct Row<'a, T> {
    blocks: &'a mut [T],
    h_before: &'a [T],
    c_before: &'a [T],
    c: &'a mut [T],
    tanh_c: &'a mut [T],
    h: &'a mut [T],
}

/// One row of a step back.
pub(crate) struct GradientRow<'a, T> {
    blocks: &'a [T],
    h_before: &'a [T],
    h: &'a [T],
    c_before: &'a [T],
    tanh_c: &'a [T],
    /// The gradient of the output; empty if there is none beside `dh`.
    dout: &'a [T],
    /// After the step in; what [`Cell::CARRIES`] says, or 0, out.
    dh: &'a mut [T],
    dc: &'a mut [T],
    dblocks: &'a mut [T],
}

/// The sizes of one layer, and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims<'a> {
    /// Sequences, B.
    pub(crate) batch: usize,
    /// Steps of each, T.
    pub(crate) time: usize,
    /// Input features, I.
    pub(crate) input: usize,
    /// Hidden features, H.
    pub(crate) hidden: usize,
    /// Features of the hidden state, P: those of the projection, or H without one.
    pub(crate) output: usize,
    /// Walks from the last step to the first.
    pub(crate) reverse: bool,
    /// The steps of each sequence that count, at most T; all if not given.
    pub(crate) lengths: Option<&'a [usize]>,
}

impl Dims<'_> {
    /// Elements that [`forward()`] saves for [`backward()`]: the blocks `[T, B, blocks·H]` if they are kept, the cells
    /// `[T+1, B, H]` and the hidden states `[T+1, B, P]` with the initial ones, the tanh of the cells `[T, B, H]`, and
    /// with a projection what went into it, `[T, B, H]`.
    pub(crate) fn saved_len<C: Cell>(&self) -> usize {
        let (cells, states) = (self.batch * self.hidden, self.batch * self.output);
        let blocks = if C::KEEPS_BLOCKS { C::BLOCKS } else { 0 };
        let projected = if self.projects() { self.time } else { 0 };
        let own = if C::HAS_CELLS { 2 * self.time + 1 } else { 0 };
        cells * (blocks * self.time + own + projected) + states * (self.time + 1)
    }

    /// Elements of workspace that [`backward()`] takes: the gradients of the blocks of some steps
    /// `[t, B, gradient_stride]` and of the running state; with a projection also the gradients of what it read
    /// `[B, H]` and of what it gave `[t, B, P]`.
    pub(crate) fn work_len<C: Cell>(&self) -> usize {
        let steps = self.gradient_steps();
        let projected = if self.projects() {
            self.hidden + steps * self.output
        } else {
            0
        };
        let blocks = steps * gradient_stride::<C>(self.hidden);
        self.batch * (blocks + self.hidden + self.output + projected)
    }

    /// Steps whose input products are made at once for a part of `rows`.
    fn input_steps<C: Cell>(&self, rows: usize) -> usize {
        let steps = if rows < STEPWISE_ROWS {
            CHUNK
        } else if C::GATES * self.hidden * self.input >= HEAVY {
            HEAVY_ROWS / rows
        } else {
            1
        };
        steps.clamp(1, self.time.max(1))
    }

    /// The most steps whose gradients are made before they are summed.
    fn gradient_steps(&self) -> usize {
        (GRADIENT_ROWS / self.batch.max(1)).clamp(1, self.time.max(1))
    }

    /// Whether the hidden state is a projection of what the cells give.
    fn projects(&self) -> bool {
        self.output != self.hidden
    }

    /// Where the state before step `t` and the state after it are among the `T + 1` saved ones.
    fn slots(&self, t: usize) -> (usize, usize) {
        if self.reverse { (t + 1, t) } else { (t, t + 1) }
    }

    /// The step that is walked as number `s`.
    fn step(&self, s: usize) -> usize {
        if self.reverse { self.time - 1 - s } else { s }
    }

    /// Whether sequence `row` has a step `t`.
    #[inline(always)]
    fn reaches(&self, row: usize, t: usize) -> bool {
        self.lengths.is_none_or(|lengths| t < lengths[row])
    }

    /// How many of `rows` are up to the last one that has a step `t`.
    fn active(&self, rows: &std::ops::Range<usize>, t: usize) -> usize {
        match self.lengths {
            None => rows.len(),
            Some(_) => {
                let last = rows.clone().rev().find(|&row| self.reaches(row, t));
                last.map_or(0, |row| row + 1 - rows.start)
            }
        }
    }

    /// Parts of the batch for the threads: a part is worth at least some 20 µs.
    fn parts<C: Cell>(&self) -> usize {
        let row = self.time * C::BLOCKS * self.hidden * (self.input + self.output + 64);
        split(self.batch, (1 << 20) / row.max(1) + 1)
    }
}

/// The weights of one layer in one direction; `G` gates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a, T> {
    /// `[G·H, I]`
    pub(crate) w_ih: &'a [T],
    /// `[G·H, P]`
    pub(crate) w_hh: &'a [T],
    /// `[G·H]`
    pub(crate) b_ih: Option<&'a [T]>,
    /// `[G·H]`
    pub(crate) b_hh: Option<&'a [T]>,
    /// `[P, H]`, the projection
    pub(crate) w_hr: Option<&'a [T]>,
}

/// The state before the first step; zeros where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State<'a, T> {
    /// The hidden state `[B, P]`.
    pub(crate) h: Option<&'a [T]>,
    /// The cell `[B, H]`.
    pub(crate) c: Option<&'a [T]>,
}

/// Where a gradient goes.
#[derive(Debug)]
pub(crate) struct Slot<'a, T> {
    /// The elements of the gradient.
    pub(crate) data: &'a mut [T],
    /// Adds to them instead of overwriting them.
    pub(crate) accumulate: bool,
}

/// The gradients that are wanted.
#[derive(Debug)]
pub(crate) struct Grads<'a, T> {
    /// `[B, T, I]`
    pub(crate) dx: Option<Slot<'a, T>>,
    /// `[B, P]`
    pub(crate) dh0: Option<Slot<'a, T>>,
    /// `[B, H]`
    pub(crate) dc0: Option<Slot<'a, T>>,
    /// `[G·H, I]`
    pub(crate) dw_ih: Option<Slot<'a, T>>,
    /// `[G·H, P]`
    pub(crate) dw_hh: Option<Slot<'a, T>>,
    /// `[G·H]`
    pub(crate) db_ih: Option<Slot<'a, T>>,
    /// `[G·H]`
    pub(crate) db_hh: Option<Slot<'a, T>>,
    /// `[P, H]`
    pub(crate) dw_hr: Option<Slot<'a, T>>,
}

impl<T> Default for Grads<'_, T> {
    fn default() -> Self {
        Grads {
            dx: None,
            dh0: None,
            dc0: None,
            dw_ih: None,
            dw_hh: None,
            db_ih: None,
            db_hh: None,
            dw_hr: None,
        }
    }
}

/// With fewer rows the input's products of [`CHUNK`] steps are made at once, so that the weights are read once for all
/// of them. With more, each step's is made while the gates are in the cache, unless the weights are [`HEAVY`].
const STEPWISE_ROWS: usize = 8;

/// Steps whose input products are made at once for few rows.
const CHUNK: usize = 64;

/// From this many weights of the input on (256 KiB of f32), reading them for each step takes longer than reading the
/// gates once more: products of [`HEAVY_ROWS`] rows are made at once.
const HEAVY: usize = 1 << 16;

/// Rows whose gates stay in the second-level cache beside panels of the weights.
const HEAVY_ROWS: usize = 128;

/// Rows of the blocks' gradients, of all sequences and some steps, that are made before the gradients of the weights sum
/// them: they are read again while they are in the cache (B=32, T=60, H=64: 2 MB a layer otherwise).
const GRADIENT_ROWS: usize = 256;

/// From one row of the blocks' gradients to the next: a cache line more than they have, since rows a multiple of 4 KiB
/// apart would share few places in the first-level cache.
fn gradient_stride<C: Cell>(hidden: usize) -> usize {
    C::BLOCKS * hidden + 16
}

fn check<C: Cell, T>(d: &Dims<'_>, x: &[T], w: &Weights<'_, T>, init: State<'_, T>) {
    let gates = C::GATES * d.hidden;
    assert_eq!(x.len(), d.batch * d.time * d.input, "x is [B, T, I]");
    assert_eq!(w.w_ih.len(), gates * d.input, "w_ih is [G·H, I]");
    assert_eq!(w.w_hh.len(), gates * d.output, "w_hh is [G·H, P]");
    let biases = [w.b_ih, w.b_hh];
    let fit = biases.into_iter().flatten().all(|b| b.len() == gates);
    assert!(fit, "a bias is [G·H]");
    match w.w_hr {
        Some(w_hr) => assert!(
            C::HAS_CELLS && d.projects() && w_hr.len() == d.output * d.hidden,
            "w_hr is [P, H], of an LSTM"
        ),
        None => assert!(
            !d.projects(),
            "another width of the state needs a projection"
        ),
    }
    for (state, len) in [(init.h, d.output), (init.c, d.hidden)] {
        let fits = state.is_none_or(|state| state.len() == d.batch * len);
        assert!(fits, "h is [B, P] and c is [B, H]");
    }
    let lengths = d
        .lengths
        .is_none_or(|l| l.len() == d.batch && l.iter().all(|&l| l <= d.time));
    assert!(lengths, "a length of at most T for each sequence");
}

fn check_out<T>(d: &Dims<'_>, out: &[T], stride: usize) {
    let rows = d.batch * d.time;
    let extent = (rows.max(1) - 1).saturating_mul(stride);
    let extent = extent.saturating_add(d.output);
    let room = rows == 0 || (stride >= d.output && extent <= out.len());
    assert!(room, "the output has room for [B, T, P] with its stride");
}

/// Calls `f` with the input weights `[G·H, I]` in the order of the blocks.
fn with_rotated<C: Cell, T: Real, R>(d: &Dims<'_>, w_ih: &[T], f: impl FnOnce(&[T]) -> R) -> R {
    if C::HIDDEN_AT == 0 {
        return f(w_ih);
    }
    with_slice(w_ih.len(), |rotated: &mut [T]| {
        let (last, first) = w_ih.split_at(w_ih.len() - C::HIDDEN_AT * d.hidden * d.input);
        rotated[..first.len()].copy_from_slice(first);
        rotated[first.len()..].copy_from_slice(last);
        f(rotated)
    })
}

#[cfg(test)]
mod tests;
