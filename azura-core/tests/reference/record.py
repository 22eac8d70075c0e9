"""Records reference cases from PyTorch: operators, modules, optimisers and schedules.

    python record.py        (torch 2.15, safetensors, numpy; torch's own test inputs need expecttest)

Writes `operators/`, `modules/` and `optimisers/` beside it, one safetensors file for each name. The
metadata key `cases` is JSON that says how each case was called; `{"$t": name, "strides": …}` points to a
tensor. A case has the tensors `CASE/in/…`, `CASE/out/N`, the gradient that came in `CASE/gout/N` and the
gradients that came out `CASE/gin/…`; modules add `CASE/state/NAME` and `CASE/gstate/NAME`. An optimiser's
file holds, for three parameters k, `pK/init`, the gradients `gK` of each step and `pK/CASE` after each.

The inputs are the smallest of those that PyTorch tests itself with.
"""

import json
import pathlib
import random
import warnings

import numpy
import torch
from safetensors.torch import save_file
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db

HERE = pathlib.Path(__file__).parent
ROOM = 1500  # elements that the inputs of one case may have in all
warnings.simplefilter("ignore")

OPERATORS = """
__getitem__ abs acos add addcdiv addcmul addmm amax amin argmax argmin asin atan atan2 baddbmm bmm cat
ceil chunk clamp cos cosh cumprod cumsum diagonal div.floor_rounding div.no_rounding_mode
div.trunc_rounding dot einsum erf exp expand expm1 flatten flip floor gather index_add index_select kron
lerp log log10 log1p log2 log_softmax logsumexp masked_fill masked_select matmul max.binary
max.reduction_with_dim maximum mean min.binary min.reduction_with_dim minimum mm mul narrow neg
nn.functional.adaptive_avg_pool2d nn.functional.adaptive_max_pool2d nn.functional.avg_pool1d
nn.functional.avg_pool2d nn.functional.avg_pool3d nn.functional.batch_norm nn.functional.bilinear
nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits nn.functional.celu
nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d nn.functional.conv_transpose1d
nn.functional.conv_transpose2d nn.functional.conv_transpose3d nn.functional.cosine_embedding_loss
nn.functional.cosine_similarity nn.functional.cross_entropy nn.functional.elu nn.functional.embedding
nn.functional.gaussian_nll_loss nn.functional.gelu nn.functional.glu nn.functional.group_norm
nn.functional.hardshrink nn.functional.hardsigmoid nn.functional.hardswish nn.functional.hardtanh
nn.functional.hinge_embedding_loss nn.functional.huber_loss nn.functional.instance_norm
nn.functional.interpolate.area nn.functional.interpolate.bicubic nn.functional.interpolate.bilinear
nn.functional.interpolate.linear nn.functional.interpolate.nearest nn.functional.interpolate.nearest-exact
nn.functional.interpolate.trilinear nn.functional.kl_div nn.functional.l1_loss nn.functional.layer_norm
nn.functional.leaky_relu nn.functional.linear nn.functional.local_response_norm nn.functional.logsigmoid
nn.functional.margin_ranking_loss nn.functional.max_pool1d nn.functional.max_pool2d
nn.functional.max_pool3d nn.functional.mish nn.functional.mse_loss nn.functional.nll_loss
nn.functional.normalize nn.functional.pad.circular nn.functional.pad.constant nn.functional.pad.reflect
nn.functional.pad.replicate nn.functional.pixel_shuffle nn.functional.pixel_unshuffle
nn.functional.poisson_nll_loss nn.functional.prelu nn.functional.relu nn.functional.relu6
nn.functional.rms_norm nn.functional.scaled_dot_product_attention nn.functional.selu nn.functional.silu
nn.functional.smooth_l1_loss nn.functional.softmin nn.functional.softplus nn.functional.softshrink
nn.functional.softsign nn.functional.tanhshrink nn.functional.threshold nn.functional.triplet_margin_loss
nn.functional.unfold norm norm.inf outer permute pow prod reciprocal repeat reshape roll round rsqrt
scatter scatter_add sigmoid sign sin sinh softmax sort split sqrt square squeeze stack std sub sum
take_along_dim tan tanh tile topk transpose tril triu true_divide unsqueeze var where
""".split()

MODULES = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d
AdaptiveMaxPool3d AvgPool1d AvgPool2d AvgPool3d BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d
BatchNorm3d Bilinear CELU CircularPad2d ConstantPad1d Conv1d Conv2d Conv3d ConvTranspose1d
ConvTranspose2d ConvTranspose3d CosineEmbeddingLoss CrossEntropyLoss ELU Embedding GELU GLU GRU GRUCell
GaussianNLLLoss GroupNorm Hardshrink Hardswish Hardtanh HingeEmbeddingLoss HuberLoss InstanceNorm1d
InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LSTM LSTMCell LayerNorm LeakyReLU Linear
LocalResponseNorm LogSigmoid LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d Mish
MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention NLLLoss PReLU
PoissonNLLLoss RMSNorm RNN RNNCell ReLU ReLU6 ReflectionPad2d ReplicationPad3d SELU SiLU Sigmoid
SmoothL1Loss SoftMarginLoss Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink
Threshold Transformer TransformerDecoderLayer TransformerEncoderLayer ZeroPad2d
""".split()

OPTIMISERS = {
    "ASGD": [{}, {"lr": 0.05, "lambd": 0.01, "weight_decay": 0.1}],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1}],
    "Adagrad": [{}, {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1}],
    "Adam": [{}, {"amsgrad": True, "weight_decay": 0.1}, {"betas": [0.8, 0.95], "maximize": True}],
    "AdamW": [{}, {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True}],
    "Adamax": [{}, {"lr": 0.01, "weight_decay": 0.1}],
    "NAdam": [{}, {"lr": 0.01, "momentum_decay": 0.01, "weight_decay": 0.1}],
    "RAdam": [{}, {"lr": 0.01, "weight_decay": 0.1}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.5, "weight_decay": 0.1}],
    "Rprop": [{}, {"etas": [0.6, 1.3]}],
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True},
    ],
}

SCHEDULERS = {
    "StepLR": {"step_size": 4, "gamma": 0.3},
    "MultiStepLR": {"milestones": [3, 9], "gamma": 0.5},
    "ConstantLR": {"factor": 0.25, "total_iters": 8},
    "LinearLR": {"start_factor": 0.1, "total_iters": 15},
    "ExponentialLR": {"gamma": 0.93},
    "PolynomialLR": {"total_iters": 20, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 12, "eta_min": 0.001},
    "CosineAnnealingWarmRestarts": {"T_0": 5, "T_mult": 2},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 31},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 1.0, "step_size_up": 6, "mode": "triangular2", "cycle_momentum": False},
}


def seed(name):
    number = sum(ord(letter) * (i + 1) for i, letter in enumerate(name))
    torch.manual_seed(number)
    numpy.random.seed(number)
    random.seed(number)


class Case:
    """The tensors of one case, and the leaves among them."""

    def __init__(self, case):
        self.case, self.tensors, self.leaves = case, {}, []

    def put(self, name, value):
        value = value.detach()
        stored = value.to(torch.int64) if value.dtype == torch.int32 else value
        self.tensors[f"{self.case}/{name}"] = stored.contiguous().clone()

    def point(self, name, value):
        self.put(name, value)
        return {"$t": f"{self.case}/{name}", "strides": list(value.stride()), "shape": list(value.shape)}

    def write(self, value, name):
        if isinstance(value, torch.Tensor):
            if value.requires_grad:
                self.leaves.append((name, value))
            return self.point(f"in/{name}", value)
        if isinstance(value, (list, tuple)):
            return [self.write(item, f"{name}.{i}") for i, item in enumerate(value)]
        if isinstance(value, torch.dtype):
            return {"$dtype": str(value)}
        if isinstance(value, slice):
            return {"$slice": [value.start, value.stop, value.step]}
        if value is Ellipsis:
            return {"$ellipsis": True}
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            return {"$f": str(value)}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise TypeError(type(value))

    def results(self, outputs, parameters=()):
        """Writes outputs and, by random gradients of them, those of all leaves and parameters."""
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        flat = []
        for output in outputs:
            flat += list(output) if isinstance(output, (list, tuple)) else [output]
        flat = [output for output in flat if output is not None]
        pointers = [self.point(f"out/{j}", output) for j, output in enumerate(flat)]
        wanted = [(f"gin/{name}", leaf) for name, leaf in self.leaves]
        wanted += [(f"gstate/{name}", parameter) for name, parameter in parameters]
        flowing = [(j, output) for j, output in enumerate(flat) if output.requires_grad]
        if flowing and wanted:
            incoming = [torch.randn_like(output) for _, output in flowing]
            for (j, _), gradient in zip(flowing, incoming):
                self.put(f"gout/{j}", gradient)
            gradients = torch.autograd.grad(
                [output for _, output in flowing], [leaf for _, leaf in wanted], incoming, allow_unused=True
            )
            for (name, _), gradient in zip(wanted, gradients):
                if gradient is not None:
                    self.put(name, gradient)
        return pointers


def numel(value):
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, (list, tuple)):
        return sum(numel(item) for item in value)
    if isinstance(value, dict):
        return sum(numel(item) for item in value.values())
    return 0


def save(folder, name, tensors, cases):
    folder = HERE / folder
    folder.mkdir(exist_ok=True)
    metadata = {"cases": json.dumps(cases), "source": f"torch {torch.__version__}"}
    save_file(tensors, folder / f"{name}.safetensors", metadata)


def operators():
    table = {op.name + (f".{op.variant_test_name}" if op.variant_test_name else ""): op for op in op_db}
    for name in OPERATORS:
        op = table[name]
        seed(name)
        samples = [s for s in op.sample_inputs("cpu", torch.float64, requires_grad=True)]
        sizes = [numel(s.input) + numel(s.args) + numel(s.kwargs) for s in samples]
        order = sorted((i for i, size in enumerate(sizes) if 1 < size <= ROOM), key=lambda i: sizes[i])
        # The smallest, the largest that has room, and one between; the largest also as strided views.
        chosen = sorted({order[0], order[len(order) // 2], order[-1]})
        samples = [(str(i), samples[i]) for i in chosen]
        samples.append((f"{order[-1]}v", samples[-1][1].noncontiguous()))
        tensors, cases = {}, {}
        for key, sample in samples:
            case = Case(key)
            try:
                call = {
                    "input": case.write(sample.input, "input"),
                    "args": [case.write(a, f"args.{i}") for i, a in enumerate(sample.args)],
                    "kwargs": {k: case.write(v, f"kwargs.{k}") for k, v in sample.kwargs.items()},
                }
                call["outputs"] = case.results(op(sample.input, *sample.args, **sample.kwargs))
            except (TypeError, RuntimeError) as error:
                print(f"{name} case {key} left out: {error}")
                continue
            cases[key] = call
            tensors |= case.tensors
        save("operators", name, tensors, cases)


def modules():
    table = {info.module_cls.__name__: info for info in module_db}
    for name in MODULES:
        info = table[name]
        seed(name)
        tensors, cases, taken = {}, {}, 0
        inputs = info.module_inputs_func(info, "cpu", torch.float64, requires_grad=True, training=True)
        for i, given in enumerate(inputs):
            call = given.forward_input
            if taken == 3 or given.constructor_input is None or numel(call.args) > ROOM:
                continue
            made = given.constructor_input
            case = Case(f"train{i}")
            try:
                module = info.module_cls(*made.args, **made.kwargs).double().train()
                described = {
                    "desc": given.desc,
                    "ctor_args": json.loads(json.dumps(list(made.args))),
                    "ctor_kwargs": json.loads(json.dumps(dict(made.kwargs), default=str)),
                    "kwargs": {k: case.write(v, f"kwargs.{k}") for k, v in call.kwargs.items()},
                }
                for key, value in module.state_dict().items():
                    case.put(f"state/{key}", value)
                flat = []
                for argument in call.args:
                    flat += argument if isinstance(argument, tuple) else [argument]
                for j, argument in enumerate(flat):
                    case.put(f"in/{j}", argument)
                    if argument.requires_grad:
                        case.leaves.append((str(j), argument))
                case.results(module(*call.args, **call.kwargs), list(module.named_parameters()))
            except (TypeError, RuntimeError, AttributeError) as error:
                print(f"{name} case {i} left out: {error}")
                continue
            cases[case.case] = described
            tensors |= case.tensors
            taken += 1
        if cases:
            save("modules", f"nn_{name}", tensors, cases)


def optimisers(steps=20):
    shapes = [(5,), (3, 4), (2, 3, 2)]
    for name, all_options in OPTIMISERS.items():
        seed(name)
        start = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
        stream = [torch.randn(steps, *shape, dtype=torch.float64) for shape in shapes]
        tensors = {f"p{k}/init": value for k, value in enumerate(start)}
        tensors |= {f"g{k}": value for k, value in enumerate(stream)}
        cases = {}
        for i, options in enumerate(all_options):
            parameters = [torch.nn.Parameter(value.clone()) for value in start]
            optimiser = getattr(torch.optim, name)(parameters, **options)
            path = [[value.clone()] for value in start]
            for step in range(steps):
                for parameter, gradients in zip(parameters, stream):
                    parameter.grad = gradients[step].clone()
                optimiser.step()
                for parameter, values in zip(parameters, path):
                    values.append(parameter.detach().clone())
            tensors |= {f"p{k}/{i}": torch.stack(values) for k, values in enumerate(path)}
            cases[str(i)] = options
        save("optimisers", name, tensors, cases)
    rates, cases = {}, {}
    for name, options in SCHEDULERS.items():
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
        scheduler = getattr(torch.optim.lr_scheduler, name)(optimiser, **options)
        rate = []
        for _ in range(31):
            rate.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            if len(rate) < 31:
                scheduler.step()
        rates[name], cases[name] = torch.tensor(rate, dtype=torch.float64), options
    save("optimisers", "lr_schedulers", rates, cases)


operators()
modules()
optimisers()
