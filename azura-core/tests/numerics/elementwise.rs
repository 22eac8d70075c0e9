//! How exact elementwise functions are, and what they do at the ends.

use azura_core::{DType, Result, Rounding, Tensor, grad};

type Apply = fn(Tensor) -> Result<Tensor>;

/// The arguments, the results of `f` in f32, and those of the same operation in f64.
fn in_both(f: Apply, points: &[f32]) -> Vec<(f32, f32, f64)> {
    let x = Tensor::from_slice(points, [points.len()]).unwrap();
    let single = f(x.clone()).unwrap().to_vec::<f32>().unwrap();
    let double = f(x.cast(DType::F64).unwrap()).unwrap();
    let results = single.into_iter().zip(double.to_vec::<f64>().unwrap());
    points
        .iter()
        .zip(results)
        .map(|(&x, (s, d))| (x, s, d))
        .collect()
}

/// How many units in the last place of the exact result `got` is off.
fn ulps(got: f32, exact: f64) -> f64 {
    if got == exact as f32 {
        return 0.0;
    }
    let exponent = exact.abs().log2().floor().max(-126.0) as i32;
    (f64::from(got) - exact).abs() / 2f64.powi(exponent - 23)
}

fn grid(low: f32, high: f32) -> Vec<f32> {
    (0..20_001)
        .map(|i| low + (high - low) * i as f32 / 20_000.0)
        .collect()
}

/// f32 against f64, which the next test compares with 60 digits.
#[test]
fn single_precision_is_right_to_the_last_places() {
    #[rustfmt::skip]
    let rows: &[(&str, Apply, f32, f32, f64)] = &[
        ("expm1", Tensor::expm1, -20.0, 88.0, 2.0), ("expm1", Tensor::expm1, -1.0, 1.0, 2.0), ("expm1", Tensor::expm1, -1e-4, 1e-4, 1.0),
        ("log1p", Tensor::log1p, -0.999, 1e4, 1.0), ("log1p", Tensor::log1p, -0.5, 1.0, 1.0), ("log1p", Tensor::log1p, -1e-4, 1e-4, 1.0),
        ("erf", Tensor::erf, -5.0, 5.0, 2.0), ("erf", Tensor::erf, -1e-3, 1e-3, 1.0),
        ("gelu", Tensor::gelu, 0.0, 10.0, 6.0), ("gelu", Tensor::gelu, -12.0, 0.0, 7.0),
        ("softplus", |x| x.softplus(1.0, 20.0), -80.0, 30.0, 2.5),
        ("logsigmoid", Tensor::logsigmoid, -100.0, 80.0, 2.5),
        ("mish", Tensor::mish, -80.0, 40.0, 4.0),
        ("silu", Tensor::silu, -80.0, 80.0, 3.5),
        ("elu", |x| x.elu(1.0), -20.0, 5.0, 2.0),
        ("selu", Tensor::selu, -20.0, 5.0, 3.0),
        ("celu", |x| x.celu(2.0), -20.0, 5.0, 2.0),
        ("tanh", Tensor::tanh, -10.0, 10.0, 3.0),
        ("sin", Tensor::sin, -1e4, 1e4, 0.51), ("cos", Tensor::cos, -1e4, 1e4, 0.51), ("sin", Tensor::sin, 1e14, 1e16, 0.51), ("cos", Tensor::cos, -1e30, 1e30, 0.51),
        ("tan", Tensor::tan, -100.0, 100.0, 0.51),
        ("asin", Tensor::asin, -1.0, 1.0, 0.51), ("acos", Tensor::acos, -1.0, 1.0, 0.51), ("atan", Tensor::atan, -50.0, 50.0, 0.51),
        ("sinh", Tensor::sinh, -80.0, 80.0, 0.51), ("cosh", Tensor::cosh, -80.0, 80.0, 0.51),
        ("log2", Tensor::log2, 1e-6, 1e6, 0.51), ("log10", Tensor::log10, 1e-6, 1e6, 0.51),
        ("rsqrt", Tensor::rsqrt, 1e-6, 1e6, 1.5), ("pow", |x| x.pow(-1.3), 1e-3, 1e3, 0.51),
        ("softsign", Tensor::softsign, -50.0, 50.0, 1.5), ("hardswish", Tensor::hardswish, -2.9, 3.0, 3.0),
    ];
    let mut wrong = Vec::new();
    for (name, f, low, high, bound) in rows {
        let worst = in_both(*f, &grid(*low, *high))
            .into_iter()
            .map(|(x, got, exact)| (ulps(got, exact), x))
            .fold(
                (0.0, 0.0),
                |a, b| {
                    if b.0 > a.0 || b.0.is_nan() { b } else { a }
                },
            );
        if worst.0.is_nan() || worst.0 > *bound {
            let (ulps, at) = worst;
            wrong.push(format!("{name} in {low}..{high}: {ulps:.2} ulp at {at}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Arguments, with the values of a function computed with 60 digits.
type Exact = &'static [(f64, f64)];

#[allow(
    clippy::approx_constant,
    reason = "some values are constants, by what the functions are"
)]
#[test]
fn double_precision_is_right_to_the_last_places() {
    #[rustfmt::skip]
    let rows: &[(&str, Apply, Exact)] = &[
        ("erf", Tensor::erf, &[(-700.0, -1.0), (-100.0, -1.0), (-30.5, -1.0), (-8.25, -1.0), (-2.5, -0.999593047982555), (-1.0, -0.8427007929497149), (-0.75, -0.7111556336535151), (-0.001, -0.0011283787909692365), (-1e-09, -1.1283791670955127e-09), (1e-300, 1.1283791670955126e-300), (1e-09, 1.1283791670955127e-09), (0.001, 0.0011283787909692365), (0.3, 0.3286267594591274), (0.75, 0.7111556336535151), (1.0, 0.8427007929497149), (1.5, 0.9661051464753108), (2.5, 0.999593047982555), (5.5, 0.9999999999999927), (8.25, 1.0), (30.5, 1.0), (100.0, 1.0), (700.0, 1.0)]),
        ("expm1", Tensor::expm1, &[(-700.0, -1.0), (-100.0, -1.0), (-30.5, -0.9999999999999433), (-8.25, -0.9997387414426984), (-2.5, -0.9179150013761012), (-1.0, -0.6321205588285577), (-0.75, -0.5276334472589853), (-0.001, -0.0009995001666250085), (-1e-09, -9.999999995e-10), (1e-300, 1e-300), (1e-09, 1.0000000005000001e-09), (0.001, 0.0010005001667083417), (0.3, 0.3498588075760031), (0.75, 1.1170000166126746), (1.0, 1.7182818284590453), (1.5, 3.481689070338065), (2.5, 11.182493960703473), (5.5, 243.69193226422038), (8.25, 3826.6258214399063), (30.5, 17619017951354.633), (100.0, 2.6881171418161356e43), (700.0, 1.0142320547350045e304)]),
        ("log1p", Tensor::log1p, &[(-0.75, -1.3862943611198906), (-0.001, -0.0010005003335835335), (-1e-09, -1.0000000005000001e-09), (1e-300, 1e-300), (1e-09, 9.999999995e-10), (0.001, 0.0009995003330835331), (0.3, 0.26236426446749106), (0.75, 0.5596157879354227), (1.0, 0.6931471805599453), (1.5, 0.9162907318741551), (2.5, 1.252762968495368), (5.5, 1.8718021769015913), (8.25, 2.224623551524334), (30.5, 3.449987545831587), (100.0, 4.61512051684126), (700.0, 6.55250788703459)]),
        ("gelu", Tensor::gelu, &[(-30.5, -3.973960635193133e-203), (-8.25, -6.533774209580044e-16), (-2.5, -0.015524163314440337), (-1.0, -0.15865525393145705), (-0.75, -0.16997051428265114), (-0.001, -0.000499601057786089), (-1e-09, -4.999999996010577e-10), (1e-300, 5e-301), (1e-09, 5.000000003989423e-10), (0.001, 0.000500398942213911), (0.3, 0.1853734266566858), (0.75, 0.5800294857173488), (1.0, 0.8413447460685429), (1.5, 1.399789198096713), (2.5, 2.4844758366855597), (5.5, 5.499999895557407), (8.25, 8.25), (30.5, 30.5)]),
        ("softplus", |x| x.softplus(1.0, 20.0), &[(-700.0, 9.85967654375977e-305), (-100.0, 3.720075976020836e-44), (-30.5, 5.675685232632561e-14), (-8.25, 0.000261224435227779), (-2.5, 0.07888973429254963), (-1.0, 0.3132616875182228), (-0.75, 0.38687100611489994), (-0.001, 0.6926473055599401), (-1e-09, 0.6931471800599454), (1e-300, 0.6931471805599453), (1e-09, 0.6931471810599453), (0.001, 0.6936473055599401), (0.3, 0.8543552444685271), (0.75, 1.1368710061148999), (1.0, 1.3132616875182228), (1.5, 1.7014132779827524), (2.5, 2.5788897342925496), (5.5, 5.504078443270571), (8.25, 8.250261224435228)]),
        ("logsigmoid", Tensor::logsigmoid, &[(-700.0, -700.0), (-100.0, -100.0), (-30.5, -30.500000000000057), (-8.25, -8.250261224435228), (-2.5, -2.5788897342925496), (-1.0, -1.3132616875182228), (-0.75, -1.1368710061148999), (-0.001, -0.6936473055599401), (-1e-09, -0.6931471810599453), (1e-300, -0.6931471805599453), (1e-09, -0.6931471800599454), (0.001, -0.6926473055599401), (0.3, -0.5543552444685271), (0.75, -0.38687100611489994), (1.0, -0.3132616875182228), (1.5, -0.2014132779827524), (2.5, -0.07888973429254963), (5.5, -0.0040784432705707205), (8.25, -0.000261224435227779), (30.5, -5.675685232632561e-14), (100.0, -3.720075976020836e-44), (700.0, -9.85967654375977e-305)]),
        ("mish", Tensor::mish, &[(-700.0, -6.90177358063184e-302), (-100.0, -3.720075976020836e-42), (-30.5, -1.7310839959529312e-12), (-8.25, -0.0021551015416090896), (-2.5, -0.19681620390653334), (-1.0, -0.3034014613741089), (-0.75, -0.2764947145054652), (-0.001, -0.0005996799840458663), (-1e-09, -5.9999999968e-10), (1e-300, 6e-301), (1e-09, 6.0000000032e-10), (0.001, 0.000600319983954133), (0.3, 0.20800137234811503), (0.75, 0.6100183352182934), (1.0, 0.8650983882673103), (1.5, 1.4033782663958025), (2.5, 2.471392304557881), (5.5, 5.499817776787424), (8.25, 8.249998874363762), (30.5, 30.5), (100.0, 100.0), (700.0, 700.0)]),
        ("silu", Tensor::silu, &[(-700.0, -6.90177358063184e-302), (-100.0, -3.720075976020836e-42), (-30.5, -1.7310839959528822e-12), (-8.25, -0.0021548201325396854), (-2.5, -0.18964545005310887), (-1.0, -0.2689414213699951), (-0.75, -0.24061597561845527), (-0.001, -0.0004997500000208334), (-1e-09, -4.9999999975e-10), (1e-300, 5e-301), (1e-09, 5.000000002500001e-10), (0.001, 0.0005002499999791667), (0.3, 0.17233275504349768), (0.75, 0.5093840243815447), (1.0, 0.7310585786300049), (1.5, 1.2263617142904655), (2.5, 2.310354549946891), (5.5, 5.477614242562571), (8.25, 8.24784517986746), (30.5, 30.49999999999827), (100.0, 100.0), (700.0, 700.0)]),
        ("tanh", Tensor::tanh, &[(-700.0, -1.0), (-100.0, -1.0), (-30.5, -1.0), (-8.25, -0.9999998634879418), (-2.5, -0.9866142981514303), (-1.0, -0.7615941559557649), (-0.75, -0.6351489523872873), (-0.001, -0.0009999996666668), (-1e-09, -1e-09), (1e-300, 1e-300), (1e-09, 1e-09), (0.001, 0.0009999996666668), (0.3, 0.2913126124515909), (0.75, 0.6351489523872873), (1.0, 0.7615941559557649), (1.5, 0.9051482536448664), (2.5, 0.9866142981514303), (5.5, 0.9999665971563038), (8.25, 0.9999998634879418), (30.5, 1.0), (100.0, 1.0), (700.0, 1.0)]),
        ("rsqrt", Tensor::rsqrt, &[(1e-300, 1e150), (1e-09, 31622.776601683792), (0.001, 31.622776601683793), (0.3, 1.8257418583505538), (0.75, 1.1547005383792515), (1.0, 1.0), (1.5, 0.816496580927726), (2.5, 0.6324555320336759), (5.5, 0.4264014327112209), (8.25, 0.3481553119113957), (30.5, 0.18107149208503706), (100.0, 0.1), (700.0, 0.03779644730092272)]),
        ("log2", Tensor::log2, &[(1e-300, -996.5784284662087), (1e-09, -29.897352853986263), (0.001, -9.965784284662087), (0.3, -1.7369655941662063), (0.75, -0.4150374992788438), (1.0, 0.0), (1.5, 0.5849625007211562), (2.5, 1.3219280948873624), (5.5, 2.4594316186372973), (8.25, 3.0443941193584534), (30.5, 4.930737337562887), (100.0, 6.643856189774724), (700.0, 9.451211111832329)]),
        ("log10", Tensor::log10, &[(1e-300, -300.0), (1e-09, -9.0), (0.001, -3.0), (0.3, -0.5228787452803376), (0.75, -0.12493873660829995), (1.0, 0.0), (1.5, 0.17609125905568124), (2.5, 0.3979400086720376), (5.5, 0.7403626894942439), (8.25, 0.9164539485499251), (30.5, 1.4842998393467859), (100.0, 2.0), (700.0, 2.845098040014257)]),
        ("sinh", Tensor::sinh, &[(-700.0, -5.0711602736750225e303), (-100.0, -1.3440585709080678e43), (-30.5, -8809508975677.816), (-8.25, -1913.8127800906746), (-2.5, -6.0502044810397875), (-1.0, -1.1752011936438014), (-0.75, -0.82231673193583), (-0.001, -0.001000000166666675), (-1e-09, -1e-09), (1e-300, 1e-300), (1e-09, 1e-09), (0.001, 0.001000000166666675), (0.3, 0.3045202934471426), (0.75, 0.82231673193583), (1.0, 1.1752011936438014), (1.5, 2.1292794550948173), (2.5, 6.0502044810397875), (5.5, 122.34392274639096), (8.25, 1913.8127800906746), (30.5, 8809508975677.816), (100.0, 1.3440585709080678e43), (700.0, 5.0711602736750225e303)]),
        ("sin", Tensor::sin, &[(0.5, 0.479_425_538_604_203), (1e22, -0.852_200_849_767_188_8)]),
        ("cos", Tensor::cos, &[(0.5, 0.877_582_561_890_372_8), (1e22, 0.523_214_785_395_139)]),
        ("atan", Tensor::atan, &[(-700.0, -1.5693677563381414), (-100.0, -1.5607966601082315), (-30.5, -1.5380211823908208), (-8.25, -1.4501726582147938), (-2.5, -1.1902899496825317), (-1.0, -0.7853981633974483), (-0.75, -0.6435011087932844), (-0.001, -0.0009999996666668668), (-1e-09, -1e-09), (1e-300, 1e-300), (1e-09, 1e-09), (0.001, 0.0009999996666668668), (0.3, 0.2914567944778671), (0.75, 0.6435011087932844), (1.0, 0.7853981633974483), (1.5, 0.982793723247329), (2.5, 1.1902899496825317), (5.5, 1.3909428270024184), (8.25, 1.4501726582147938), (30.5, 1.5380211823908208), (100.0, 1.5607966601082315), (700.0, 1.5693677563381414)]),
        ("selu", Tensor::selu, &[(-700.0, -1.7580993408473768), (-100.0, -1.7580993408473768), (-30.5, -1.7580993408472771), (-8.25, -1.7576400223499942), (-2.5, -1.6137857588732425), (-1.0, -1.1113307378125628), (-0.75, -0.9276320158350512), (-0.001, -0.0017572205841202705), (-1e-09, -1.7580993399683274e-09), (1e-300, 1.0507009873554804e-300), (1e-09, 1.0507009873554806e-09), (0.001, 0.0010507009873554805), (0.3, 0.31521029620664415), (0.75, 0.7880257405166103), (1.0, 1.0507009873554805), (1.5, 1.5760514810332207), (2.5, 2.6267524683887014), (5.5, 5.778855430455143), (8.25, 8.668283145682715), (30.5, 32.046380114342156), (100.0, 105.07009873554804), (700.0, 735.4906911488364)]),
    ];
    let mut wrong = Vec::new();
    for (name, f, points) in rows {
        // Products of several functions gather the errors of each.
        let factor = match *name {
            "gelu" | "mish" => 8.0,
            _ => 4.5,
        };
        let bound = factor * f64::EPSILON;
        for (x, want) in *points {
            let got: f64 = Tensor::scalar(*x, DType::F64)
                .and_then(&f)
                .unwrap()
                .item()
                .unwrap();
            let off = match got == *want {
                true => 0.0,
                false => (got - want).abs() / want.abs(),
            };
            if off.is_nan() || off > bound {
                wrong.push(format!(
                    "{name}({x}) = {got:e}, not {want:e}: off by {off:.1e}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Activations and their gradients far out: the limits, never NaN.
#[test]
fn activations_of_extremes() -> Result<()> {
    let far = [-1000.0, -100.0, 100.0, 1000.0];
    // Values and slopes at those four.
    #[rustfmt::skip]
    let rows: &[(&str, Apply, [f64; 4], [f64; 4])] = &[
        ("sigmoid", Tensor::sigmoid, [0.0, 0.0, 1.0, 1.0], [0.0; 4]),
        ("tanh", Tensor::tanh, [-1.0, -1.0, 1.0, 1.0], [0.0; 4]),
        ("logsigmoid", Tensor::logsigmoid, [-1000.0, -100.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]),
        ("softplus", |x| x.softplus(1.0, 20.0), [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("softplus without a threshold", |x| x.softplus(1.0, f64::INFINITY), [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("mish", Tensor::mish, [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("silu", Tensor::silu, [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("gelu", Tensor::gelu, [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("gelu_tanh", Tensor::gelu_tanh, [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("elu", |x| x.elu(1.0), [-1.0, -1.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("celu", |x| x.celu(0.5), [-0.5, -0.5, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("selu", Tensor::selu, [-1.758_099_340_847_377, -1.758_099_340_847_377, 105.070_098_735_548_05, 1_050.700_987_355_480_5], [0.0, 0.0, 1.050_700_987_355_480_5, 1.050_700_987_355_480_5]),
        ("erf", Tensor::erf, [-1.0, -1.0, 1.0, 1.0], [0.0; 4]),
        ("softsign", Tensor::softsign, [-1000.0 / 1001.0, -100.0 / 101.0, 100.0 / 101.0, 1000.0 / 1001.0], [1.0 / 1_002_001.0, 1.0 / 10_201.0, 1.0 / 10_201.0, 1.0 / 1_002_001.0]),
        ("tanhshrink", Tensor::tanhshrink, [-999.0, -99.0, 99.0, 999.0], [1.0; 4]),
        ("hardswish", Tensor::hardswish, [0.0, 0.0, 100.0, 1000.0], [0.0, 0.0, 1.0, 1.0]),
        ("atan", Tensor::atan, [-1.569_796_327_128_229_7, -1.560_796_660_108_231_5, 1.560_796_660_108_231_5, 1.569_796_327_128_229_7], [9.999_990_000_01e-7, 9.999_000_099_990_001e-5, 9.999_000_099_990_001e-5, 9.999_990_000_01e-7]),
    ];
    for (name, f, values, slopes) in rows {
        for dtype in [DType::F32, DType::F64] {
            let x = Tensor::from_slice(&far, [4])?.cast(dtype)?.variable();
            let y = f(x.clone())?;
            let dx = grad(&y.sum_all()?, &[&x])?.swap_remove(0);
            for (what, got, want) in [("value", y, values), ("slope", dx, slopes)] {
                let got = got.cast(DType::F64)?.to_vec::<f64>()?;
                for ((g, w), x) in got.iter().zip(want).zip(far) {
                    let off = (g - w).abs() / w.abs().max(1.0);
                    assert!(
                        off < 1e-6,
                        "{what} of {name} in {dtype} at {x}: {g:e}, not {w:e}"
                    );
                }
            }
        }
    }
    Ok(())
}

#[rustfmt::skip]
#[test]
fn what_has_a_short_answer_gets_it() -> Result<()> {
    let single = |f: Apply, x: &[f32]| f(Tensor::from_slice(x, [x.len()])?)?.to_vec::<f32>();
    assert_eq!(single(Tensor::log2, &[8.0, 0.125, 1.0, 1024.0])?, [3.0, -3.0, 0.0, 10.0]);
    assert_eq!(single(Tensor::log10, &[1000.0, 0.01, 1.0])?, [3.0, -2.0, 0.0]);
    assert_eq!(single(Tensor::round, &[0.5, 1.5, 2.5, -0.5, -1.5, 0.4999])?, [0.0, 2.0, 2.0, 0.0, -2.0, 0.0]);
    assert_eq!(single(Tensor::floor, &[-1.5, 1.5, -0.0])?, [-2.0, 1.0, 0.0]);
    assert_eq!(single(Tensor::ceil, &[-1.5, 1.5])?, [-1.0, 2.0]);
    assert_eq!(single(Tensor::trunc, &[-1.5, 1.5])?, [-1.0, 1.0]);
    assert_eq!(single(|x| x.pow(3), &[-2.0, 3.0])?, [-8.0, 27.0]);
    assert_eq!(single(|x| x.pow(0.5), &[9.0, 2.25])?, [3.0, 1.5]);
    assert_eq!(single(|x| x.rpow(2.0), &[3.0, -1.0])?, [8.0, 0.5]);
    assert_eq!(single(Tensor::sign, &[-3.0, 0.0, 0.1, f32::NAN])?, [-1.0, 0.0, 1.0, 0.0]);
    assert_eq!(single(|x| x.lerp(&Tensor::scalar(10.0, DType::F32)?, 1.0), &[0.1, 7.3])?, [10.0, 10.0]);
    Ok(())
}

/// A whole quotient as in Python: the remainder decides, not the rounded quotient.
#[rustfmt::skip]
#[test]
fn whole_quotients() -> Result<()> {
    let inf = f64::INFINITY;
    let a = [7.0, -7.0, 7.0, -7.0, 1.0, 0.3, 6.0, 1.0, -1.0, inf];
    let b = [2.0, 2.0, -2.0, -2.0, 0.1, 0.1, 0.1, 0.0, 0.0, 2.0];
    // 1 // 0.1 is 9, since 0.1 is a little more than a tenth.
    let floor = [3.0, -4.0, -4.0, 3.0, 9.0, 2.0, 59.0, inf, -inf, f64::NAN];
    let (x, y) = (Tensor::from_slice(&a, [10])?, Tensor::from_slice(&b, [10])?);
    let got = x.clone().div_rounded(&y, Rounding::Floor)?.to_vec::<f64>()?;
    assert!(super::common::distance(&got, &floor) == 0.0, "{got:?}");
    let got = x.div_rounded(2.0, Rounding::Trunc)?.to_vec::<f64>()?;
    assert_eq!(got[..4], [3.0, -3.0, 3.0, -3.0]);
    let ints = |values: &[i64]| Tensor::from_slice(values, [values.len()]);
    let (x, y) = (ints(&[7, -7, 7, -7])?, ints(&[2, 2, -2, -2])?);
    assert_eq!(x.clone().div_rounded(&y, Rounding::Floor)?.to_vec::<i64>()?, [3, -4, -4, 3]);
    assert_eq!(x.div_rounded(&y, Rounding::Trunc)?.to_vec::<i64>()?, [3, -3, -3, 3]);
    Ok(())
}

#[rustfmt::skip]
#[test]
fn integers_wrap_around() -> Result<()> {
    let x = Tensor::from_slice(&[i64::MAX, i64::MIN, -3], [3])?;
    assert_eq!(x.clone().add(1)?.to_vec::<i64>()?, [i64::MIN, i64::MIN + 1, -2]);
    assert_eq!((2.0 - &x)?.to_vec::<i64>()?, [-i64::MAX + 2, i64::MIN + 2, 5]);
    assert_eq!(x.clone().mul(2)?.to_vec::<i64>()?, [-2, 0, -6]);
    assert_eq!(x.clone().neg()?.to_vec::<i64>()?, [-i64::MAX, i64::MIN, 3]);
    assert_eq!(x.clone().abs()?.to_vec::<i64>()?, [i64::MAX, i64::MIN, 3]);
    assert_eq!(x.clone().clamp(-5, 5)?.to_vec::<i64>()?, [5, -5, -3]);
    assert_eq!(x.clone().clamp_min(0)?.to_vec::<i64>()?, [i64::MAX, 0, 0]);
    let column = Tensor::from_slice(&[0i64, -10], [2, 1])?;
    assert_eq!(x.clone().maximum(&column)?.to_vec::<i64>()?, [i64::MAX, 0, 0, i64::MAX, -10, -3]);
    assert_eq!(x.minimum(&column)?.to_vec::<i64>()?, [0, i64::MIN, -3, -10, i64::MIN, -10]);
    let x = Tensor::from_slice(&[0u32, 7], [2])?;
    assert_eq!(x.clone().sub(1)?.to_vec::<u32>()?, [u32::MAX, 6]);
    assert_eq!(x.clone().neg()?.to_vec::<u32>()?, [0, u32::MAX - 6]);
    assert_eq!(x.clone().abs()?.to_vec::<u32>()?, [0, 7]);
    assert!(!x.add(1)?.variable().needs_grad());
    Ok(())
}

/// PyTorch: a low above high gives high, and a bound that is NaN gives NaN; nothing flows back.
#[test]
fn clamps_between_crossed_bounds() -> Result<()> {
    let x = Tensor::from_slice(&[0.0f64, 1.5, 3.0, f64::NAN], [4])?.variable();
    let crossed = [
        x.clone().clamp(2.0, 1.0)?,
        x.clone().clamp(Tensor::scalar(2.0, DType::F64)?, 1.0)?,
    ];
    for y in crossed {
        let slope = grad(&y.sum_all()?, &[&x])?[0].to_vec::<f64>()?;
        assert_eq!(slope, [0.0; 4]);
        let y = y.to_vec::<f64>()?;
        assert_eq!(y[..3], [1.0; 3]);
        assert!(y[3].is_nan());
    }
    for (low, high) in [(f64::NAN, 1.0), (0.0, f64::NAN)] {
        let y = x.clone().clamp(low, high)?;
        let slope = grad(&y.sum_all()?, &[&x])?[0].to_vec::<f64>()?;
        assert_eq!(slope, [0.0; 4]);
        assert!(y.to_vec::<f64>()?.iter().all(|y| y.is_nan()));
    }
    let x = Tensor::from_slice(&[0i64, 3], [2])?;
    assert_eq!(x.clamp(2, 1)?.to_vec::<i64>()?, [1, 1]);
    Ok(())
}

#[rustfmt::skip]
#[test]
fn logic_and_tests() -> Result<()> {
    let nan = f32::NAN;
    let a = Tensor::from_slice(&[0.0f32, 0.0, 2.0, nan], [4])?;
    let b = Tensor::from_slice(&[0.0f32, -1.0, 0.0, f32::INFINITY], [4])?;
    let bools = |x: Result<Tensor>| x?.to_vec::<bool>();
    assert_eq!(bools(a.logical_and(&b))?, [false, false, false, true]);
    assert_eq!(bools(a.logical_or(&b))?, [false, true, true, true]);
    assert_eq!(bools(a.logical_xor(&b))?, [false, true, true, false]);
    assert_eq!(bools(a.logical_not())?, [true, true, false, false]);
    assert_eq!(bools(a.isnan())?, [false, false, false, true]);
    assert_eq!(bools(b.isinf())?, [false, false, false, true]);
    assert_eq!(bools(a.isfinite())?, [true, true, true, false]);
    // Comparisons with NaN are false, but for `ne`.
    for (x, want) in [(a.lt(&b), false), (a.le(&b), false), (a.gt(&b), false), (a.ge(&b), false), (a.ne(&b), true)] {
        assert_eq!(bools(x)?[3], want);
    }
    assert_eq!(bools(a.gt(&b))?[..3], [false, true, true]);
    assert_eq!(bools(a.ge(&b))?[..3], [true, true, true]);
    assert_eq!(bools(a.lt(0.5))?[..3], [true, true, false]);
    // Any dtype can be chosen from.
    let ids = Tensor::from_slice(&[1i64, 2, 3, 4], [4])?;
    let chosen = Tensor::where_(&a.isnan()?, &ids, &ids.clone().neg()?)?;
    assert_eq!(chosen.to_vec::<i64>()?, [-1, -2, -3, 4]);
    Ok(())
}

/// Odd functions keep the sign of a zero.
#[test]
fn zeros_keep_their_sign() -> Result<()> {
    let odd: &[(&str, Apply)] = &[
        ("tanh", Tensor::tanh),
        ("sin", Tensor::sin),
        ("tan", Tensor::tan),
        ("asin", Tensor::asin),
        ("atan", Tensor::atan),
        ("sinh", Tensor::sinh),
        ("erf", Tensor::erf),
        ("expm1", Tensor::expm1),
        ("log1p", Tensor::log1p),
        ("softsign", Tensor::softsign),
        ("gelu", Tensor::gelu),
        ("silu", Tensor::silu),
    ];
    for (name, f) in odd {
        for (zero, wide) in [(0.0f32, 0.0f64), (-0.0, -0.0)] {
            let y = f(Tensor::from_slice(&[zero], [1])?)?.item::<f32>()?;
            assert_eq!(y.to_bits(), zero.to_bits(), "{name} of {zero:?} in f32");
            let y = f(Tensor::from_slice(&[wide], [1])?)?.item::<f64>()?;
            assert_eq!(y.to_bits(), wide.to_bits(), "{name} of {wide:?} in f64");
        }
    }
    Ok(())
}
