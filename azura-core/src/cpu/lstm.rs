//! One layer of an LSTM in one direction, over the whole sequence, forward and backward.
//!
//! `[i f g o] = x_t·W_ihᵀ + b_ih + b_hh + h_{t-1}·W_hhᵀ`, `c_t = σ(f)·c_{t-1} + σ(i)·tanh(g)`, `h_t = σ(o)·tanh(c_t)`:
//! PyTorch's gate order and weights. Threads split the rows of the batch and each walks through all of time without
//! meeting the others; the gradients of the weights, which sum over batch and time, are whole-sequence products at the
//! end, split over their elements. So a result's bits depend neither on the number of threads nor on the batch size.

mod backward;
mod forward;

use super::gemm::Real;
use super::gemm::pack::with_scratch;
use super::threads::split;
pub(crate) use backward::backward;
pub(crate) use forward::forward;

/// The sizes of one layer, and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims {
    /// Sequences, B.
    pub(crate) batch: usize,
    /// Steps of each, T.
    pub(crate) time: usize,
    /// Input features, I.
    pub(crate) input: usize,
    /// Hidden features, H.
    pub(crate) hidden: usize,
    /// Walks from the last step to the first.
    pub(crate) reverse: bool,
}

impl Dims {
    /// Elements that [`forward()`] saves for [`backward()`]: the gates `[T, B, 4H]`, the cells and the hidden states
    /// `[T+1, B, H]` with the initial ones, and the tanh of the cells `[T, B, H]`.
    pub(crate) fn saved_len(&self) -> usize {
        let Dims {
            batch,
            time,
            hidden,
            ..
        } = *self;
        batch * hidden * (5 * time + 2 * (time + 1))
    }

    /// Elements of workspace that [`backward()`] takes: the gradients of the gates `[T, B, 4H]`, of the running state
    /// `2·[B, H]`, and the input with time first `[T, B, I]`.
    pub(crate) fn work_len(&self) -> usize {
        let Dims {
            batch,
            time,
            input,
            hidden,
            ..
        } = *self;
        batch * (time * (4 * hidden + input) + 2 * hidden)
    }

    /// Where the state before step `t` and the state after it are among the `T + 1` saved ones.
    fn slots(&self, t: usize) -> (usize, usize) {
        if self.reverse { (t + 1, t) } else { (t, t + 1) }
    }

    /// The step that is walked as number `s`.
    fn step(&self, s: usize) -> usize {
        if self.reverse { self.time - 1 - s } else { s }
    }

    /// Parts of the batch for the threads: a part is worth at least some 20 µs.
    fn parts(&self) -> usize {
        let row = self.time * 4 * self.hidden * (self.input + self.hidden + 64);
        split(self.batch, (1 << 20) / row.max(1) + 1)
    }
}

/// The weights of one layer in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a, T> {
    /// `[4H, I]`
    pub(crate) w_ih: &'a [T],
    /// `[4H, H]`
    pub(crate) w_hh: &'a [T],
    /// `[4H]`
    pub(crate) b_ih: Option<&'a [T]>,
    /// `[4H]`
    pub(crate) b_hh: Option<&'a [T]>,
}

/// The state before the first step, each `[B, H]`; zeros where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State<'a, T> {
    /// The hidden state.
    pub(crate) h: Option<&'a [T]>,
    /// The cell.
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
    /// `[B, H]`
    pub(crate) dh0: Option<Slot<'a, T>>,
    /// `[B, H]`
    pub(crate) dc0: Option<Slot<'a, T>>,
    /// `[4H, I]`
    pub(crate) dw_ih: Option<Slot<'a, T>>,
    /// `[4H, H]`
    pub(crate) dw_hh: Option<Slot<'a, T>>,
    /// `[4H]`
    pub(crate) db_ih: Option<Slot<'a, T>>,
    /// `[4H]`
    pub(crate) db_hh: Option<Slot<'a, T>>,
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
        }
    }
}

/// From this many rows on, the input's product is made step by step, while the gates are in the cache; with fewer rows
/// the products of many steps are made at once, so that the weights are read once for all of them.
const STEPWISE_ROWS: usize = 8;

/// Steps whose input products are made at once for few rows.
const CHUNK: usize = 64;

fn check<T>(d: &Dims, x: &[T], w: &Weights<'_, T>, init: State<'_, T>) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        ..
    } = *d;
    assert_eq!(x.len(), batch * time * input, "x is [B, T, I]");
    assert_eq!(w.w_ih.len(), 4 * hidden * input, "w_ih is [4H, I]");
    assert_eq!(w.w_hh.len(), 4 * hidden * hidden, "w_hh is [4H, H]");
    assert!(
        [w.b_ih, w.b_hh]
            .into_iter()
            .flatten()
            .all(|b| b.len() == 4 * hidden),
        "a bias is [4H]"
    );
    assert!(
        [init.h, init.c]
            .into_iter()
            .flatten()
            .all(|s| s.len() == batch * hidden),
        "a state is [B, H]"
    );
}

fn check_out<T>(d: &Dims, out: &[T], stride: usize) {
    let rows = d.batch * d.time;
    let room = rows == 0 || (stride >= d.hidden && (rows - 1) * stride + d.hidden <= out.len());
    assert!(room, "the output has room for [B, T, H] with its stride");
}

fn with_zeros<T: Real, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    with_scratch(len, |p: *mut T| {
        for i in 0..len {
            // SAFETY: the scratch memory has room for `len` elements.
            unsafe { p.add(i).write(T::default()) };
        }
        // SAFETY: `len` elements, just written, that nobody else knows of.
        f(unsafe { std::slice::from_raw_parts_mut(p, len) })
    })
}

/// Where the rows of one part keep gates and states: among what is saved, or in memory that only holds a few steps.
struct Buffers<T> {
    gates: *mut T,
    /// From one step's gates to the next one's.
    gate_step: usize,
    cells: *mut T,
    hidden: *mut T,
    /// From one state to the next one.
    state_step: usize,
    tanh: *mut T,
    /// From the tanh of one step's cells to the next one's; 0 if it is not kept.
    tanh_step: usize,
    rolling: bool,
}

impl<T> Buffers<T> {
    fn saved(d: &Dims, saved: *mut T, row: usize) -> Self {
        let state = d.batch * d.hidden;
        let gates = d.time * 4 * state;
        let states = (d.time + 1) * state;
        Buffers {
            gates: saved.wrapping_add(row * 4 * d.hidden),
            gate_step: 4 * state,
            cells: saved.wrapping_add(gates + row * d.hidden),
            hidden: saved.wrapping_add(gates + states + row * d.hidden),
            state_step: state,
            tanh: saved.wrapping_add(gates + 2 * states + row * d.hidden),
            tanh_step: state,
            rolling: false,
        }
    }

    fn rolling_steps(d: &Dims, rows: usize) -> usize {
        if rows >= STEPWISE_ROWS {
            1
        } else {
            CHUNK.min(d.time.max(1))
        }
    }

    fn rolling_len(d: &Dims, rows: usize) -> usize {
        rows * d.hidden * (4 * Self::rolling_steps(d, rows) + 5)
    }

    fn rolling(d: &Dims, p: *mut T, rows: usize) -> Self {
        let state = rows * d.hidden;
        let gates = 4 * Self::rolling_steps(d, rows) * state;
        Buffers {
            gates: p,
            gate_step: 4 * state,
            cells: p.wrapping_add(gates),
            hidden: p.wrapping_add(gates + 2 * state),
            state_step: state,
            tanh: p.wrapping_add(gates + 4 * state),
            tanh_step: 0,
            rolling: true,
        }
    }

    /// The states before and after step `t`, walked as number `s`.
    fn slots(&self, d: &Dims, s: usize, t: usize) -> (usize, usize) {
        if self.rolling {
            (s % 2, (s + 1) % 2)
        } else {
            d.slots(t)
        }
    }
}

/// Rows of memory that the next step touches: fetched one after the other between the cells of this step, they arrive
/// while its matrix products are made. Rows of inputs and outputs are T rows apart and those that are saved have left
/// the inner caches, so the processor does not foresee them: 7.5 to 6.6 ms for a training step of B=32, T=60, H=64.
#[derive(Clone, Copy)]
struct Ahead<T> {
    first: *const T,
    row: usize,
    len: usize,
}

impl<T> Ahead<T> {
    /// Nothing to fetch.
    const NONE: Self = Ahead {
        first: std::ptr::null(),
        row: 0,
        len: 0,
    };

    /// Asks for row `i`. The memory need not exist.
    #[inline(always)]
    fn fetch(&self, i: usize) {
        let p = self.first.wrapping_add(i * self.row).cast::<i8>();
        for at in (0..self.len * size_of::<T>()).step_by(64) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a prefetch never faults, whatever the address, and SSE is part of every x86-64.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T1>(p.wrapping_add(at));
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = (p, at);
        }
    }
}

#[cfg(test)]
mod tests;
