//! Recurrent networks.

use super::Module;
use crate::call::Outcome;
use crate::file::{Why, lacks};
use azura_core::{LstmOptions, LstmWeights, Rng, Tensor};

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    Ok(Some(match name {
        "LSTM" => lstm(m)?,
        "LSTMCell" => lstm_cell(m)?,
        _ => return Ok(None),
    }))
}

fn lstm(m: &Module<'_>) -> Outcome {
    if m.int(usize::MAX, "proj_size").unwrap_or(0) > 0 {
        return lacks("a projection (proj_size)");
    }
    let bidirectional = m.flag(usize::MAX, "bidirectional", false);
    let mut weights = Vec::new();
    for layer in 0..m.int(2, "num_layers").unwrap_or(1) {
        for direction in ["", "_reverse"].iter().take(1 + usize::from(bidirectional)) {
            let name = |kind: &str| format!("state/{kind}_l{layer}{direction}");
            weights.push(LstmWeights {
                w_ih: m.need(&name("weight_ih"))?,
                w_hh: m.need(&name("weight_hh"))?,
                b_ih: m.leaf(&name("bias_ih"))?,
                b_hh: m.leaf(&name("bias_hh"))?,
            });
        }
    }
    // Here batches come first always: a single sequence becomes a batch of one.
    let x = m.need("in/0")?;
    let single = x.rank() == 2;
    let time_first = !single && !m.flag(usize::MAX, "batch_first", false);
    let arranged = match (single, time_first) {
        (true, _) => x.unsqueeze(0)?,
        (false, true) => x.transpose(0, 1)?,
        (false, false) => x,
    };
    let state = match (m.leaf("in/1")?, m.leaf("in/2")?) {
        (Some(h), Some(c)) if single => Some((h.unsqueeze(1)?, c.unsqueeze(1)?)),
        (Some(h), Some(c)) => Some((h, c)),
        _ => None,
    };
    let options = LstmOptions {
        bidirectional,
        dropout: 0.0,
    };
    let state = state.as_ref().map(|(h, c)| (h, c));
    let y = arranged.lstm(&weights, state, options, &mut Rng::new(0))?;
    Ok(match (single, time_first) {
        (true, _) => vec![y.output.squeeze(0)?, y.h.squeeze(1)?, y.c.squeeze(1)?],
        (false, true) => vec![y.output.transpose(0, 1)?, y.h, y.c],
        (false, false) => vec![y.output, y.h, y.c],
    })
}

fn lstm_cell(m: &Module<'_>) -> Outcome {
    let weights = LstmWeights {
        w_ih: m.need("state/weight_ih")?,
        w_hh: m.need("state/weight_hh")?,
        b_ih: m.leaf("state/bias_ih")?,
        b_hh: m.leaf("state/bias_hh")?,
    };
    let rows = |x: Tensor| x.reshape([x.numel() / x.dim(-1)?, x.dim(-1)?]);
    let x = m.need("in/0")?;
    let shape = x.shape()[..x.rank() - 1].to_vec();
    let state = match (m.leaf("in/1")?, m.leaf("in/2")?) {
        (Some(h), Some(c)) => Some((rows(h)?.unsqueeze(0)?, rows(c)?.unsqueeze(0)?)),
        _ => None,
    };
    let state = state.as_ref().map(|(h, c)| (h, c));
    let x = rows(x)?.unsqueeze(1)?;
    let y = x.lstm(&[weights], state, LstmOptions::default(), &mut Rng::new(0))?;
    let back = |x: Tensor| {
        let mut shape = shape.clone();
        shape.push(x.dim(-1)?);
        x.reshape(shape)
    };
    Ok(vec![back(y.h)?, back(y.c)?])
}
