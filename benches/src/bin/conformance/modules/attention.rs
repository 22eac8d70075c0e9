//! Attention and Transformers.

use super::Module;
use crate::call::Outcome;
use crate::compare::distance;
use crate::file::{Why, lacks};
use azura_core::{Rng, Tensor};
use azura_learner::layers::{
    AttentionInputs, Ctx, DecoderMasks, EncoderMasks, MultiHeadAttention, Transformer,
    TransformerActivation, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer,
    TransformerMasks, TransformerOptions,
};
use std::collections::BTreeMap;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    Ok(Some(match name {
        "MultiheadAttention" => multi_head(m)?,
        "TransformerEncoderLayer" => encoder_layer(m)?,
        "TransformerEncoder" => encoder(m)?,
        "TransformerDecoderLayer" => decoder_layer(m)?,
        "Transformer" => transformer(m)?,
        _ => return Ok(None),
    }))
}

/// The masks of a call. Those that are tensors are inputs from number `first` on, in the order of `names`; the others
/// are null among the keywords.
fn masks(
    m: &Module<'_>,
    first: usize,
    names: &[&'static str],
) -> Result<BTreeMap<&'static str, Tensor>, Why> {
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(mask) = m.keyword(name)? {
            found.insert(*name, mask);
        } else if m.call["kwargs"].get(name).is_none()
            && let Some(mask) = m.leaf(&format!("in/{}", first + found.len()))?
        {
            found.insert(*name, mask);
        }
    }
    Ok(found)
}

/// Here batches come first always.
fn batch_first(m: &Module<'_>) -> bool {
    m.flag(usize::MAX, "batch_first", false)
}

fn turned(x: &Tensor, turn: bool) -> Result<Tensor, Why> {
    Ok(if turn && x.rank() == 3 {
        x.transpose(0, 1)?
    } else {
        x.clone()
    })
}

fn multi_head(m: &Module<'_>) -> Outcome {
    m.only(&[
        "embed_dim",
        "num_heads",
        "dropout",
        "bias",
        "add_bias_kv",
        "add_zero_attn",
        "kdim",
        "vdim",
        "batch_first",
    ])?;
    let (Some(embed), Some(heads)) = (m.int(0, "embed_dim"), m.int(1, "num_heads")) else {
        return lacks("no `embed_dim` and `num_heads`");
    };
    if m.train() && m.number(2, "dropout").unwrap_or(0.0) > 0.0 {
        return lacks("dropout by the bits of PyTorch's generator");
    }
    let store = m.store();
    let width = |place, name| m.int(place, name).unwrap_or(embed) as usize;
    let layer = MultiHeadAttention::new(embed as usize, heads as usize, &store.root(Rng::new(0)))
        .bias(m.flag(3, "bias", true))
        .add_bias_kv(m.flag(4, "add_bias_kv", false))
        .add_zero_attn(m.flag(5, "add_zero_attn", false))
        .kdim(width(6, "kdim"))
        .vdim(width(7, "vdim"))
        .build()
        .map_err(wrong)?;
    m.load(&store)?;
    let masks = masks(m, 3, &["key_padding_mask", "attn_mask"])?;
    let kwarg = |name: &str, default: bool| m.call["kwargs"][name].as_bool().unwrap_or(default);
    let inputs = AttentionInputs {
        key_padding_mask: masks.get("key_padding_mask"),
        attn_mask: masks.get("attn_mask"),
        need_weights: kwarg("need_weights", true),
        weights_of_heads: !kwarg("average_attn_weights", true),
        ..Default::default()
    };
    let turn = !batch_first(m);
    let [q, k, v] = [0, 1, 2].map(|i| m.input(i).and_then(|x| turned(&x, turn)));
    let (y, weights) = layer
        .forward(&q?, &k?, &v?, inputs, &mut Ctx::eval())
        .map_err(wrong)?;
    let mut outputs = vec![turned(&y, turn)?];
    outputs.extend(weights);
    Ok(outputs)
}

fn wrong(error: azura_learner::Error) -> Why {
    Why::Wrong(error.to_string())
}

/// Constructor arguments of layers, which some cases hold as text.
struct Arguments {
    width: usize,
    heads: usize,
    options: TransformerOptions,
}

/// `prefix` is that of one layer in the state.
fn arguments(m: &Module<'_>, prefix: &str) -> Result<Arguments, Why> {
    let Some(text) = m.call["ctor_args"].as_str() else {
        return arguments_of(m, prefix, m.int(1, "nhead").unwrap_or(8) as usize, false);
    };
    let mut words = text.trim_matches(['[', ']']).split(", ");
    // A whole layer stands in the text of an encoder, but not its number of heads.
    let heads = words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let gelu = text.contains("gelu") || m.call["desc"] == "gelu_activation";
    arguments_of(m, prefix, heads, gelu)
}

fn arguments_of(m: &Module<'_>, prefix: &str, heads: usize, gelu: bool) -> Result<Arguments, Why> {
    let weight = m
        .file
        .tensor(&format!("{}/state/{prefix}linear1.weight", m.case))?;
    let named = m
        .option(usize::MAX, "activation")
        .and_then(|name| name.as_str());
    let activation = match named {
        None if gelu => TransformerActivation::Gelu,
        None | Some("relu") => TransformerActivation::Relu,
        Some("gelu") => TransformerActivation::Gelu,
        Some(other) => return lacks(format!("the activation `{other}`")),
    };
    Ok(Arguments {
        width: weight.shape()[1],
        heads,
        options: TransformerOptions {
            dim_feedforward: weight.shape()[0],
            dropout: 0.0,
            activation,
            layer_norm_eps: m.number(usize::MAX, "layer_norm_eps").unwrap_or(1e-5),
            norm_first: m.flag(usize::MAX, "norm_first", false),
            bias: m
                .file
                .has(&format!("{}/state/{prefix}linear1.bias", m.case)),
        },
    })
}

fn encoder_layer(m: &Module<'_>) -> Outcome {
    let a = arguments(m, "")?;
    let store = m.store();
    let layer =
        TransformerEncoderLayer::new(a.width, a.heads, &a.options, &store.root(Rng::new(0)))
            .map_err(wrong)?;
    m.load(&store)?;
    let masks = masks(m, 1, &["src_mask", "src_key_padding_mask"])?;
    let masks = EncoderMasks {
        mask: masks.get("src_mask"),
        key_padding_mask: masks.get("src_key_padding_mask"),
        is_causal: false,
    };
    let turn = !batch_first(m);
    let y = layer.forward_masked(&turned(&m.input(0)?, turn)?, masks, &mut Ctx::eval());
    Ok(vec![turned(&y.map_err(wrong)?, turn)?])
}

/// The record holds neither the number of heads nor where the norms stand nor whether the batch comes first: the case passes
/// if one choice does, which cannot be by accident.
fn encoder(m: &Module<'_>) -> Outcome {
    let known = arguments(m, "layers.0.")?;
    let layers = (0..)
        .take_while(|i| {
            m.file
                .has(&format!("{}/state/layers.{i}.norm1.weight", m.case))
        })
        .count();
    let final_norm = m.file.has(&format!("{}/state/norm.weight", m.case));
    let masks = masks(m, 1, &["src_key_padding_mask", "mask"])?;
    let masks = EncoderMasks {
        mask: masks.get("mask"),
        key_padding_mask: masks.get("src_key_padding_mask"),
        is_causal: false,
    };
    let x = m.input(0)?;
    let want = m
        .file
        .tensor(&format!("{}/out/0", m.case))?
        .to_vec::<f64>()?;
    let mut last = None;
    let heads = (1..=known.width)
        .rev()
        .filter(|heads| known.width % heads == 0);
    for (heads, norm_first, turn) in heads.flat_map(|heads| {
        [(true, false), (false, false), (true, true), (false, true)]
            .map(|(first, turn)| (heads, first, turn))
    }) {
        let store = m.store();
        let options = TransformerOptions {
            norm_first,
            ..known.options
        };
        let encoder = TransformerEncoder::new(
            layers,
            final_norm,
            known.width,
            heads,
            &options,
            &store.root(Rng::new(0)),
        )
        .map_err(wrong)?;
        let before = m.targets.borrow().len();
        m.load(&store)?;
        let y = encoder.forward_masked(&turned(&x, turn)?, masks, &mut Ctx::eval());
        let y = turned(&y.map_err(wrong)?, turn)?;
        let off = distance(&y.to_vec::<f64>()?, &want);
        if off < 1e-9 {
            return Ok(vec![y]);
        }
        m.targets.borrow_mut().truncate(before);
        last = Some(off);
    }
    Err(Why::Wrong(format!(
        "no choice of heads and norms gives the result; the last is off by {last:?}"
    )))
}

fn decoder_layer(m: &Module<'_>) -> Outcome {
    let a = arguments(m, "")?;
    let store = m.store();
    let layer =
        TransformerDecoderLayer::new(a.width, a.heads, &a.options, &store.root(Rng::new(0)))
            .map_err(wrong)?;
    m.load(&store)?;
    let names = [
        "tgt_mask",
        "memory_mask",
        "tgt_key_padding_mask",
        "memory_key_padding_mask",
    ];
    let masks = masks(m, 2, &names)?;
    let of = |mask: &str, padding: &str| EncoderMasks {
        mask: masks.get(mask),
        key_padding_mask: masks.get(padding),
        is_causal: false,
    };
    let masks = DecoderMasks {
        target: of("tgt_mask", "tgt_key_padding_mask"),
        memory: of("memory_mask", "memory_key_padding_mask"),
    };
    let turn = !batch_first(m);
    let (x, memory) = (turned(&m.input(0)?, turn)?, turned(&m.input(1)?, turn)?);
    let y = layer
        .forward(&x, &memory, masks, &mut Ctx::eval())
        .map_err(wrong)?;
    Ok(vec![turned(&y, turn)?])
}

fn transformer(m: &Module<'_>) -> Outcome {
    let a = arguments(m, "encoder.layers.0.")?;
    let layers = ["num_encoder_layers", "num_decoder_layers"]
        .map(|name| m.int(usize::MAX, name).unwrap_or(6) as usize);
    let store = m.store();
    let model = Transformer::new(
        a.width,
        a.heads,
        layers,
        &a.options,
        &store.root(Rng::new(0)),
    )
    .map_err(wrong)?;
    m.load(&store)?;
    let names = [
        "tgt_mask",
        "src_mask",
        "tgt_key_padding_mask",
        "src_key_padding_mask",
    ];
    let masks = masks(m, 2, &names)?;
    let of = |mask: &str, padding: &str| EncoderMasks {
        mask: masks.get(mask),
        key_padding_mask: masks.get(padding),
        is_causal: false,
    };
    let masks = TransformerMasks {
        source: of("src_mask", "src_key_padding_mask"),
        decoder: DecoderMasks {
            target: of("tgt_mask", "tgt_key_padding_mask"),
            ..Default::default()
        },
    };
    let turn = !batch_first(m);
    let (source, target) = (turned(&m.input(0)?, turn)?, turned(&m.input(1)?, turn)?);
    let y = model
        .forward(&source, &target, masks, &mut Ctx::eval())
        .map_err(wrong)?;
    Ok(vec![turned(&y, turn)?])
}
