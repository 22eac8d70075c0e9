//! Whole models against PyTorch: the same weights give the same loss and gradients, and training
//! follows the same curve; weights move between both under PyTorch's names.
//!
//! `fixtures/record_models.py` made `fixtures/models.safetensors`.

use std::collections::BTreeMap;

use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{
    AttentionOptions, DType, Init, Param, Reduction, Rng, Scope, Store, Tensor, serial,
};
use azura_learner::Result;
use azura_learner::layers::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Ctx, Embedding, LayerNorm, Linear, Lstm, MaxPool2d,
    Module, Transformer, TransformerMasks, TransformerOptions,
};

/// Loss, gradients and curves agree to rounding, which 50 steps of training amplify.
const TOLERANCE: f64 = 1e-9;
const CURVE_TOLERANCE: f64 = 1e-7;

type Batch = BTreeMap<String, Tensor>;
type Loss = Box<dyn Fn(&Batch, &mut Ctx) -> Result<Tensor>>;

/// What was recorded of one model.
struct Recorded {
    values: Vec<(String, Tensor)>,
    grads: BTreeMap<String, Tensor>,
    after: BTreeMap<String, Tensor>,
    batches: Vec<Batch>,
    losses: Vec<f64>,
}

fn recorded(model: &str) -> Recorded {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/models.safetensors"
    );
    let file = serial::load(path).unwrap();
    let mut all = Recorded {
        values: Vec::new(),
        grads: BTreeMap::new(),
        after: BTreeMap::new(),
        batches: vec![Batch::new(); 4],
        losses: Vec::new(),
    };
    for (name, tensor) in file.tensors {
        let Some(rest) = name
            .strip_prefix(model)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        let tensor = match tensor.dtype() {
            DType::F32 => tensor.cast(DType::F64).unwrap(),
            _ => tensor,
        };
        match rest.split_once('/') {
            Some(("value", key)) => all.values.push((key.to_string(), tensor)),
            Some(("grad", key)) => {
                all.grads.insert(key.to_string(), tensor);
            }
            Some(("after", key)) => {
                all.after.insert(key.to_string(), tensor);
            }
            Some(("batch", rest)) => {
                let (n, key) = rest.split_once('/').unwrap();
                let n: usize = n.parse().unwrap();
                all.batches[n].insert(key.to_string(), tensor);
            }
            _ => all.losses = tensor.to_vec().unwrap(),
        }
    }
    assert_eq!(all.losses.len(), 50, "`{model}` was not recorded");
    all
}

fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.shape(), want.shape());
    let values = |x: &Tensor| x.cast(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let (got, want) = (values(got), values(want));
    let scale = want.iter().fold(1.0f64, |m, x| m.max(x.abs()));
    let worst = got.iter().zip(&want).map(|(g, w)| (g - w).abs());
    worst.fold(0.0, f64::max) / scale
}

/// Loads what PyTorch saved, compares one loss with all its gradients, trains along the curve, and
/// gives the weights back.
fn follow(
    model: &str,
    build: impl Fn(&Scope) -> Result<Loss>,
    optimizer: impl Fn(&Store) -> Box<dyn Optimizer>,
    lr: f64,
) {
    let recorded = recorded(model);
    let store = Store::new(DType::F64);
    let loss = build(&store.root(Rng::new(0))).unwrap();
    store.load(&recorded.values).unwrap();
    let mut optimizer = optimizer(&store);
    for (step, &want) in recorded.losses.iter().enumerate() {
        let mut ctx = Ctx::train(Rng::new(step as u64));
        let batch = &recorded.batches[step % recorded.batches.len()];
        let value = loss(batch, &mut ctx).unwrap();
        let got: f64 = value.item().unwrap();
        let tolerance = if step == 0 {
            TOLERANCE
        } else {
            CURVE_TOLERANCE
        };
        assert!(
            (got - want).abs() < tolerance,
            "{model}: loss {got} of step {step} is not {want}"
        );
        value.backward().unwrap();
        ctx.update_statistics().unwrap();
        if step == 0 {
            assert_eq!(
                store.params().len(),
                recorded.grads.len(),
                "{model}: parameters"
            );
            for param in store.params() {
                let got = param
                    .grad()
                    .unwrap_or_else(|| panic!("{}: no gradient", param.name()));
                let off = distance(&got, &recorded.grads[&param.name()]);
                assert!(
                    off < TOLERANCE,
                    "{model}: gradient of {} off by {off:.1e}",
                    param.name()
                );
            }
            for buffer in store.buffers() {
                let off = distance(&buffer.value(), &recorded.after[&buffer.name()]);
                assert!(
                    off < TOLERANCE,
                    "{model}: {} off by {off:.1e}",
                    buffer.name()
                );
            }
        }
        optimizer.step(lr).unwrap();
        store.zero_grad();
    }
    // What we save has PyTorch's names, shapes and kinds of numbers, nothing more and nothing less.
    let bytes = serial::to_bytes(&store.state().unwrap(), &BTreeMap::new()).unwrap();
    let saved = serial::read(&bytes, "ours").unwrap().tensors;
    let names = |tensors: &[(String, Tensor)]| {
        let mut names: Vec<_> = tensors
            .iter()
            .map(|(name, x)| (name.clone(), x.shape().to_vec(), x.dtype()))
            .collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names
    };
    assert_eq!(
        names(&saved),
        names(&recorded.values),
        "{model}: what is saved"
    );
}

/// `[.., classes]` scores against ids.
fn cross_entropy(scores: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let classes = scores.dim(-1)?;
    let rows = scores.reshape([scores.numel() / classes, classes])?;
    let ids = ids.reshape([ids.numel()])?;
    Ok(rows.cross_entropy(&ids, Reduction::Mean)?)
}

#[test]
fn a_multi_layer_perceptron() {
    follow(
        "mlp",
        |p| {
            let hidden = Linear::new(8, 16, &p.at("hidden"))?;
            let classes = Linear::new(16, 4, &p.at("classes"))?;
            Ok(Box::new(move |batch, ctx| {
                let h = hidden.forward(&batch["x"], ctx)?.relu()?;
                cross_entropy(&classes.forward(&h, ctx)?, &batch["y"])
            }))
        },
        |store| {
            let mut sgd = Sgd::new(store).unwrap();
            (sgd.momentum, sgd.nesterov) = (0.9, true);
            Box::new(sgd)
        },
        0.1,
    );
}

#[test]
fn a_bidirectional_lstm_of_two_layers() {
    follow(
        "lstm",
        |p| {
            let lstm = Lstm::new(3, 5, &p.at("lstm"))
                .layers(2)
                .bidirectional(true)
                .build()?;
            let head = Linear::new(10, 2, &p.at("head"))?;
            Ok(Box::new(move |batch, ctx| {
                let (y, _) = lstm.forward(&batch["x"], None, ctx)?;
                Ok(head
                    .forward(&y, ctx)?
                    .mse_loss(&batch["y"], Reduction::Mean)?)
            }))
        },
        |store| Box::new(Adam::new(store).unwrap()),
        0.01,
    );
}

/// torchvision's `BasicBlock`.
struct Block {
    convs: [Conv2d; 2],
    norms: [BatchNorm2d; 2],
    downsample: Option<(Conv2d, BatchNorm2d)>,
}

impl Block {
    fn new(inputs: usize, outputs: usize, stride: usize, p: &Scope) -> Result<Self> {
        let conv = |name: &str, inputs, stride| {
            let conv = Conv2d::new(inputs, outputs, 3, &p.at(name));
            conv.stride(stride).padding(1).bias(false).build()
        };
        let downsample = if stride == 1 && inputs == outputs {
            None
        } else {
            let p = p.at("downsample");
            let conv = Conv2d::new(inputs, outputs, 1, &p.at(0));
            Some((
                conv.stride(stride).bias(false).build()?,
                BatchNorm2d::new(outputs, &p.at(1))?,
            ))
        };
        Ok(Block {
            convs: [conv("conv1", inputs, stride)?, conv("conv2", outputs, 1)?],
            norms: [
                BatchNorm2d::new(outputs, &p.at("bn1"))?,
                BatchNorm2d::new(outputs, &p.at("bn2"))?,
            ],
            downsample,
        })
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let y = self.norms[0].forward(&self.convs[0].forward(x, ctx)?, ctx)?;
        let y = self.norms[1].forward(&self.convs[1].forward(&y.relu()?, ctx)?, ctx)?;
        let x = match &self.downsample {
            None => x.clone(),
            Some((conv, norm)) => norm.forward(&conv.forward(x, ctx)?, ctx)?,
        };
        Ok(y.add(&x)?.relu()?)
    }
}

/// torchvision's `resnet18`, of another width.
struct ResNet18 {
    conv: Conv2d,
    norm: BatchNorm2d,
    blocks: Vec<Block>,
    fc: Linear,
}

impl ResNet18 {
    fn new(width: usize, classes: usize, p: &Scope) -> Result<Self> {
        let conv = Conv2d::new(3, width, 7, &p.at("conv1"));
        let conv = conv.stride(2).padding(3).bias(false).build()?;
        let norm = BatchNorm2d::new(width, &p.at("bn1"))?;
        let mut blocks = Vec::new();
        let mut inputs = width;
        for layer in 0..4 {
            let p = p.at(format!("layer{}", layer + 1));
            let outputs = width << layer;
            let stride = if layer == 0 { 1 } else { 2 };
            blocks.push(Block::new(inputs, outputs, stride, &p.at(0))?);
            blocks.push(Block::new(outputs, outputs, 1, &p.at(1))?);
            inputs = outputs;
        }
        Ok(ResNet18 {
            conv,
            norm,
            blocks,
            fc: Linear::new(inputs, classes, &p.at("fc"))?,
        })
    }
}

impl Module for ResNet18 {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let x = self
            .norm
            .forward(&self.conv.forward(x, ctx)?, ctx)?
            .relu()?;
        let mut x = MaxPool2d::new(3).stride(2).padding(1).forward(&x, ctx)?;
        for block in &self.blocks {
            x = block.forward(&x, ctx)?;
        }
        let x = AdaptiveAvgPool2d::new(1).forward(&x, ctx)?;
        self.fc.forward(&x.flatten(1, -1)?, ctx)
    }
}

#[test]
fn a_residual_network_with_batch_norm() {
    follow(
        "resnet18",
        |p| {
            let net = ResNet18::new(2, 5, p)?;
            Ok(Box::new(move |batch, ctx| {
                cross_entropy(&net.forward(&batch["x"], ctx)?, &batch["y"])
            }))
        },
        |store| {
            let mut sgd = Sgd::new(store).unwrap();
            (sgd.momentum, sgd.weight_decay) = (0.9, 1e-3);
            Box::new(sgd)
        },
        0.02,
    );
}

#[test]
fn a_transformer_with_encoder_and_decoder() {
    follow(
        "transformer",
        |p| {
            let source = Embedding::new(11, 8, &p.at("source"))?;
            let target = Embedding::new(9, 8, &p.at("target"))?;
            let options = TransformerOptions {
                dim_feedforward: 16,
                dropout: 0.0,
                ..TransformerOptions::default()
            };
            let transformer = Transformer::new(8, 2, [2, 2], &options, &p.at("transformer"))?;
            let words = Linear::new(8, 9, &p.at("words"))?;
            Ok(Box::new(move |batch, ctx| {
                let source = source.forward(&batch["source"], ctx)?;
                let target = target.forward(&batch["target"], ctx)?;
                let mut masks = TransformerMasks::default();
                masks.decoder.target.is_causal = true;
                let y = transformer.forward(&source, &target, masks, ctx)?;
                cross_entropy(&words.forward(&y, ctx)?, &batch["y"])
            }))
        },
        |store| Box::new(Adam::adamw(store).unwrap()),
        0.003,
    );
}

/// GPT-2's linear layer: the weight is `[I, O]`.
struct Conv1D {
    weight: Param,
    bias: Param,
}

impl Conv1D {
    fn new(inputs: usize, outputs: usize, p: &Scope) -> Result<Self> {
        let init = Init::Normal {
            mean: 0.0,
            std: 0.02,
        };
        Ok(Conv1D {
            weight: p.param("weight", &[inputs, outputs], init)?,
            bias: p.param("bias", &[outputs], Init::Zeros)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.weight.value())?.add(self.bias.value())?)
    }
}

struct GptBlock {
    heads: usize,
    norms: [LayerNorm; 2],
    attention: [Conv1D; 2],
    mlp: [Conv1D; 2],
}

impl GptBlock {
    fn new(width: usize, heads: usize, p: &Scope) -> Result<Self> {
        let (attn, mlp) = (p.at("attn"), p.at("mlp"));
        Ok(GptBlock {
            heads,
            norms: [
                LayerNorm::new(&[width], &p.at("ln_1"))?,
                LayerNorm::new(&[width], &p.at("ln_2"))?,
            ],
            attention: [
                Conv1D::new(width, 3 * width, &attn.at("c_attn"))?,
                Conv1D::new(width, width, &attn.at("c_proj"))?,
            ],
            mlp: [
                Conv1D::new(width, 4 * width, &mlp.at("c_fc"))?,
                Conv1D::new(4 * width, width, &mlp.at("c_proj"))?,
            ],
        })
    }

    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let [b, t, d] = [x.dim(0)?, x.dim(1)?, x.dim(2)?];
        let qkv = self.attention[0].forward(&self.norms[0].forward(x, ctx)?)?;
        let part = |i: usize| {
            let heads = [b, t, self.heads, d / self.heads];
            qkv.narrow(-1, i * d, d)?.reshape(heads)?.transpose(1, 2)
        };
        let options = AttentionOptions {
            is_causal: true,
            ..AttentionOptions::default()
        };
        let y = part(0)?.scaled_dot_product_attention(&part(1)?, &part(2)?, options)?;
        let y = y.transpose(1, 2)?.reshape([b, t, d])?;
        let x = x.clone().add(self.attention[1].forward(&y)?)?;
        let h = self.mlp[0].forward(&self.norms[1].forward(&x, ctx)?)?;
        let y = self.mlp[1].forward(&h.gelu_tanh()?)?;
        Ok(x.add(y)?)
    }
}

/// The names of Hugging Face's files.
#[test]
fn a_gpt_in_the_shape_of_gpt_2() {
    follow(
        "gpt2",
        |p| {
            let wte = Embedding::new(13, 12, &p.at("wte"))?;
            let wpe = Embedding::new(10, 12, &p.at("wpe"))?;
            let blocks = (0..2)
                .map(|i| GptBlock::new(12, 3, &p.at("h").at(i)))
                .collect::<Result<Vec<_>>>()?;
            let norm = LayerNorm::new(&[12], &p.at("ln_f"))?;
            Ok(Box::new(move |batch, ctx| {
                let ids = &batch["x"];
                let positions = Tensor::arange(0.0, ids.dim(1)? as f64, 1.0, DType::I64)?;
                let words = wte.forward(ids, ctx)?;
                let mut x = words.add(wpe.forward(&positions, ctx)?)?;
                for block in &blocks {
                    x = block.forward(&x, ctx)?;
                }
                // The head is the embedding.
                let x = norm.forward(&x, ctx)?;
                cross_entropy(&x.linear(&wte.weight().value(), None)?, &batch["y"])
            }))
        },
        |store| {
            let mut adamw = Adam::adamw(store).unwrap();
            adamw.weight_decay = 0.1;
            Box::new(adamw)
        },
        0.003,
    );
}
