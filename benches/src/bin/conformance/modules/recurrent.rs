//! Recurrent networks.

use super::Module;
use crate::call::Outcome;
use crate::file::{Why, lacks};
use azura_core::{Scope, Store, Tensor};
use azura_learner::layers::{
    Ctx, Gru, GruCell, Lstm, LstmCell, Nonlinearity, RecurrentBuilder, Rnn, RnnCell,
};

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let store = m.store();
    Ok(Some(match name {
        "LSTM" => lstm(m, &store)?,
        "GRU" => gru(m, &store)?,
        "RNN" => rnn(m, &store)?,
        "LSTMCell" | "GRUCell" | "RNNCell" => cell(name, m, &store)?,
        _ => return Ok(None),
    }))
}

fn root(store: &Store) -> Scope {
    store.root(azura_core::Rng::new(0))
}

fn sizes(m: &Module<'_>) -> [usize; 2] {
    [(0, "input_size"), (1, "hidden_size")]
        .map(|(place, name)| m.int(place, name).unwrap_or(0) as usize)
}

/// The layer with the options that all three share; dropout is never active in the reference.
fn options<L>(m: &Module<'_>, builder: RecurrentBuilder<L>) -> Result<RecurrentBuilder<L>, Why> {
    m.only(&[
        "input_size",
        "hidden_size",
        "num_layers",
        "batch_first",
        "bias",
        "bidirectional",
        "proj_size",
        "nonlinearity",
        "device",
        "dtype",
    ])?;
    Ok(builder
        .layers(m.int(2, "num_layers").unwrap_or(1) as usize)
        .bias(m.flag(usize::MAX, "bias", true))
        .bidirectional(m.flag(usize::MAX, "bidirectional", false)))
}

fn nonlinearity(m: &Module<'_>, place: usize) -> Result<Nonlinearity, Why> {
    let name = m.option(place, "nonlinearity").and_then(|v| v.as_str());
    match name.unwrap_or("tanh") {
        "tanh" => Ok(Nonlinearity::Tanh),
        "relu" => Ok(Nonlinearity::Relu),
        other => lacks(format!("the nonlinearity {other}")),
    }
}

/// The input with the batch first, as all layers here want it, and what puts an output back.
fn arranged(
    m: &Module<'_>,
) -> Result<(Tensor, impl Fn(Tensor) -> azura_core::Result<Tensor>), Why> {
    let x = m.need("in/0")?;
    let turn = x.rank() == 3 && !m.flag(usize::MAX, "batch_first", false);
    let back = move |y: Tensor| if turn { y.transpose(0, 1) } else { Ok(y) };
    Ok((back(x)?, back))
}

fn lstm(m: &Module<'_>, store: &Store) -> Outcome {
    let [input, hidden] = sizes(m);
    let mut builder = options(m, Lstm::new(input, hidden, &root(store)))?;
    if let Some(size) = m.int(usize::MAX, "proj_size").filter(|&size| size > 0) {
        builder = builder.projection(size as usize);
    }
    let layer = builder.build()?;
    m.load(store)?;
    let (x, back) = arranged(m)?;
    let state = m.leaf("in/1")?.zip(m.leaf("in/2")?);
    let (y, (h, c)) = layer.forward(&x, state.as_ref(), &mut Ctx::eval())?;
    Ok(vec![back(y)?, h, c])
}

fn gru(m: &Module<'_>, store: &Store) -> Outcome {
    let [input, hidden] = sizes(m);
    let layer = options(m, Gru::new(input, hidden, &root(store)))?.build()?;
    m.load(store)?;
    let (x, back) = arranged(m)?;
    let (y, h) = layer.forward(&x, m.leaf("in/1")?.as_ref(), &mut Ctx::eval())?;
    Ok(vec![back(y)?, h])
}

fn rnn(m: &Module<'_>, store: &Store) -> Outcome {
    let [input, hidden] = sizes(m);
    let layer = options(m, Rnn::new(input, hidden, &root(store)))?
        .nonlinearity(nonlinearity(m, 3)?)
        .build()?;
    m.load(store)?;
    let (x, back) = arranged(m)?;
    let (y, h) = layer.forward(&x, m.leaf("in/1")?.as_ref(), &mut Ctx::eval())?;
    Ok(vec![back(y)?, h])
}

fn cell(name: &str, m: &Module<'_>, store: &Store) -> Outcome {
    let [input, hidden] = sizes(m);
    let (bias, root) = (m.flag(2, "bias", true), root(store));
    let x = m.need("in/0")?;
    let h = m.leaf("in/1")?;
    Ok(match name {
        "LSTMCell" => {
            let cell = LstmCell::new(input, hidden, bias, &root)?;
            m.load(store)?;
            let (h, c) = cell.forward(&x, h.zip(m.leaf("in/2")?).as_ref())?;
            vec![h, c]
        }
        "GRUCell" => {
            let cell = GruCell::new(input, hidden, bias, &root)?;
            m.load(store)?;
            vec![cell.forward(&x, h.as_ref())?]
        }
        _ => {
            let cell = RnnCell::new(input, hidden, bias, nonlinearity(m, 3)?, &root)?;
            m.load(store)?;
            vec![cell.forward(&x, h.as_ref())?]
        }
    })
}
