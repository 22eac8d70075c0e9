//! Backward over layers and directions.

use super::{FIRST_WEIGHT, PER_DIRECTION, Tape};
use crate::autograd::{Backward, Grads};
use crate::buffer::Buffer;
use crate::cpu::gemm::Real;
use crate::cpu::recurrent::{self as kernel, Cell, Slot};
use crate::cpu::reduce::Sum;
use crate::dtype::for_float;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{Element, Result};

impl<C: Cell> Backward for Tape<C> {
    fn backward(&self, dy: &mut [Option<Tensor>], grads: &mut Grads<'_>) -> Result<()> {
        let plan = &self.plan;
        let [mut dout, dh, dc] = [0, 1, 2].map(|i| {
            let dy = dy.get_mut(i).and_then(Option::take);
            dy.map(|dy| dy.contiguous_detached())
        });
        let shapes = plan.state_shapes();
        for_float!(plan.op, self.inputs[0].dtype(), T => {
            let mut dstate: [Option<Buffer>; 2] = std::array::from_fn(|i| {
                let wanted = self.state[i].is_some() && grads.wants(1 + i);
                wanted.then(|| room::<T>(shapes[i].iter().product()))
            });
            for layer in (0..plan.layers).rev() {
                let input = &self.inputs[layer];
                let wants_input = layer > 0 || grads.wants(0);
                let mut dx = wants_input.then(|| room::<T>(input.numel()));
                for direction in 0..plan.directions {
                    let k = layer * plan.directions + direction;
                    let dx = dx.as_mut().map(|data| Slot {
                        data: data.as_mut_slice::<T>(),
                        accumulate: direction > 0,
                    });
                    self.direction::<T>(k, [&dout, &dh, &dc], dx, &mut dstate, grads)?;
                }
                dout = match dx {
                    None => None,
                    Some(dx) => {
                        let dx = Tensor::from_buffer(dx, *input.sizes(), T::DTYPE);
                        Some(match &self.dropped[layer] {
                            Some(rng) => dx.dropout(plan.dropout, &mut rng.clone())?,
                            None => dx,
                        })
                    }
                };
            }
            for (i, data) in dstate.into_iter().enumerate() {
                if let Some(data) = data {
                    grads.add(1 + i, Tensor::from_buffer(data, shapes[i], T::DTYPE))?;
                }
            }
            match dout {
                Some(dx) => grads.add(0, dx),
                None => Ok(()),
            }
        })
    }
}

impl<C: Cell> Tape<C> {
    /// The gradients of layer and direction number `k`: its weights' go to `grads`, the others where they are told.
    fn direction<T: Real + Sum>(
        &self,
        k: usize,
        [dout, dh, dc]: [&Option<Tensor>; 3],
        dx: Option<Slot<'_, T>>,
        dstate: &mut [Option<Buffer>; 2],
        grads: &mut Grads<'_>,
    ) -> Result<()> {
        let plan = &self.plan;
        let dims = plan.dims(k);
        let [of_h, of_c] = plan.states(k);
        let first = FIRST_WEIGHT + k * PER_DIRECTION;
        let parts = self.weights[k].parts();
        let mut own: [Option<(Shape, Buffer)>; PER_DIRECTION] = std::array::from_fn(|i| {
            let part = parts[i].filter(|_| grads.wants(first + i))?;
            Some((*part.sizes(), room::<T>(part.numel())))
        });
        let mut work = room::<T>(dims.work_len::<C>());
        let [dw_ih, dw_hh, db_ih, db_hh, dw_hr] = own.each_mut().map(|slot| {
            slot.as_mut().map(|(_, data)| Slot {
                data: data.as_mut_slice::<T>(),
                accumulate: false,
            })
        });
        let mut ranges = [of_h.clone(), of_c.clone()].into_iter();
        let [dh0, dc0] = dstate.each_mut().map(|data| {
            let range = ranges.next().expect("two states");
            data.as_mut().map(|data| Slot {
                data: &mut data.as_mut_slice::<T>()[range],
                accumulate: false,
            })
        });
        kernel::backward::<C, T>(
            &dims,
            self.inputs[k / plan.directions].slice(),
            &self.weights[k].of(),
            self.saved[k].slice(),
            dout.as_ref().map(|d| {
                let from = k % plan.directions * plan.output;
                d.slice::<T>().get(from..).unwrap_or_default()
            }),
            plan.width(),
            dh.as_ref().map(|d| &d.slice::<T>()[of_h]),
            dc.as_ref().map(|d| &d.slice::<T>()[of_c]),
            work.as_mut_slice(),
            kernel::Grads {
                dx,
                dh0,
                dc0,
                dw_ih,
                dw_hh,
                db_ih,
                db_hh,
                dw_hr,
            },
        );
        for (i, slot) in own.into_iter().enumerate() {
            if let Some((shape, data)) = slot {
                grads.add(first + i, Tensor::from_buffer(data, shape, T::DTYPE))?;
            }
        }
        Ok(())
    }
}

/// Memory that a kernel writes every element of.
fn room<T>(len: usize) -> Buffer {
    Buffer::uninit(len * size_of::<T>())
}
