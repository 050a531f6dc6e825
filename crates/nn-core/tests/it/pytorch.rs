//! Thirty networks as PyTorch computes them: outputs, losses and gradients, from its own weights.
//! data/pytorch.py made the file.

use linalg::{DMatrix, Real};
use nn_core::{
    BinaryCrossEntropy, Conv1d, Conv2d, Elu, Extent, Gelu, GeluTanh, Gradients, Huber, Identity,
    LeakyRelu, Loss, MeanAbsoluteError, MeanSquaredError, Network, NetworkBuilder, Relu, Shape,
    Sigmoid, Silu, SoftmaxCrossEntropy, Softplus, Steps, Tanh, Trace,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use safetensors::{Dtype, SafeTensors};

static FILE: &[u8] = include_bytes!("../data/pytorch.safetensors");
const SAMPLES: usize = 6;

/// A tensor's numbers, in its order.
fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), Dtype::F64, "{name}");
    tensor.data().as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word)).collect()
}

/// Samples x channels x y x x, as PyTorch has them, to a column per sample, the channel fastest.
fn columns<T: Real>(numbers: &[f64], shape: Shape) -> DMatrix<T> {
    let Shape { channels, width, height } = shape;
    DMatrix::from_fn(shape.len(), numbers.len() / shape.len(), |row, sample| {
        let (place, c) = (row / channels, row % channels);
        let (y, x) = (place / width, place % width);
        T::from_double(numbers[((sample * channels + c) * height + y) * width + x])
    })
}

fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The largest difference, relative to the largest entry.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    largest(&found.iter().zip(expected).map(|(a, b)| a - b).collect::<Vec<_>>()) / largest(expected)
}

fn doubles<T: Real>(values: impl IntoIterator<Item = T>) -> Vec<f64> {
    values.into_iter().map(T::to_double).collect()
}

/// A network of the file: how to build it, and what PyTorch calls its layers.
struct Case<T: Real> {
    name: &'static str,
    shape: Shape,
    network: NetworkBuilder<T>,
    layers: &'static [&'static str],
}

fn cases<T: Real>() -> Vec<Case<T>> {
    let (flat, image, sequence) = (Shape::from(4), Shape::image(2, 6, 5), Shape::sequence(3, 7));
    let mut cases = Vec::new();
    let mut add = |name, shape, network, layers| cases.push(Case { name, shape, network, layers });
    let start = || Network::<T>::builder(flat).dense(5);
    let three: &[&str] = &["0", "1", "2"];
    add("identity", flat, start().activation(Identity).dense(3), &["0", "", "1"]);
    add("relu", flat, start().activation(Relu).dense(3), three);
    add("leaky", flat, start().activation(LeakyRelu::new(0.1).unwrap()).dense(3), three);
    add("elu", flat, start().activation(Elu::new(1.0).unwrap()).dense(3), three);
    add("gelu", flat, start().activation(Gelu).dense(3), three);
    add("gelu_tanh", flat, start().activation(GeluTanh).dense(3), three);
    add("silu", flat, start().activation(Silu).dense(3), three);
    add("softplus", flat, start().activation(Softplus).dense(3), three);
    add("sigmoid", flat, start().activation(Sigmoid).dense(3), three);
    add("softmax", flat, start().softmax().dense(3), three);
    add("layer_norm", flat, start().layer_norm().dense(3), three);
    add("batch_norm", flat, start().batch_norm().dense(3), three);
    for name in
        ["tanh", "absolute", "huber", "binary", "classes", "weighted", "smoothed", "ignored"]
    {
        add(name, flat, start().activation(Tanh).dense(3), three);
    }

    let images = || Network::<T>::builder(image);
    add("conv", image, images().conv2d(Conv2d::new(3, 3)).flatten().dense(3), three);
    let options = Conv2d::new(4, Extent { width: 3, height: 2 })
        .stride(Extent { width: 1, height: 2 })
        .padding(Extent { width: 2, height: 1 })
        .dilation(Extent { width: 2, height: 1 })
        .groups(2);
    let network = images().conv2d(options).activation(Tanh).flatten().dense(3);
    add("conv_options", image, network, &["0", "1", "2", "3"]);
    let convolved = || images().conv2d(Conv2d::new(3, 2));
    let network = convolved().activation(Relu).max_pool(2).flatten().dense(3);
    add("max_pool", image, network, &["0", "1", "2", "3", "4"]);
    let network = convolved().average_pool(2).flatten().dense(3);
    add("average_pool", image, network, &["0", "1", "2", "3"]);
    let network = convolved().batch_norm().layer_norm().flatten().dense(3);
    add("image_norms", image, network, &["0", "1", "2.norm", "3", "4"]);

    let steps = || Network::<T>::builder(sequence);
    let network = steps().conv1d(Conv1d::new(4, 3).padding(1)).activation(Tanh).flatten().dense(3);
    add("conv1d", sequence, network, &["0", "1", "2", "3"]);
    add("elman", sequence, steps().elman(4, Steps::Last).dense(3), &["1", "3"]);
    add("gru", sequence, steps().gru(4, Steps::Last).dense(3), &["1", "3"]);
    add("lstm", sequence, steps().lstm(4, Steps::Last).dense(3), &["1", "3"]);
    let network = steps().lstm(2, Steps::All).flatten().dense(3);
    add("lstm_all", sequence, network, &["1", "3", "4"]);
    cases
}

/// Runs `with` on the loss of a network.
fn with_loss<T: Real>(name: &str, target: &[f64], with: impl FnOnce(&dyn Loss<T>)) {
    let values = || columns::<T>(target, 3.into());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0, 1 or 2")]
    let labels: Vec<usize> = target.iter().map(|&label| label as usize).collect();
    let classes = || SoftmaxCrossEntropy::new(&labels, 3).unwrap();
    let weighted = || classes().class_weights(&[1.0, 2.0, 0.5]).unwrap();
    match name {
        "absolute" => with(&MeanAbsoluteError::new(&values()).unwrap()),
        "huber" => with(&Huber::new(&values(), 0.7).unwrap()),
        "binary" => with(&BinaryCrossEntropy::new(&values()).unwrap()),
        "weighted" => with(&weighted()),
        "smoothed" => with(&weighted().smoothing(0.1).unwrap()),
        "ignored" => with(&SoftmaxCrossEntropy::ignoring(&labels, 3, 1).unwrap()),
        "classes" | "conv_options" | "max_pool" | "lstm" => with(&classes()),
        _ => with(&MeanSquaredError::new(&values()).unwrap()),
    }
}

fn compare<T: Real>(tolerance: f64) {
    let file = SafeTensors::deserialize(FILE).unwrap();
    let cases = cases::<T>();
    assert_eq!(cases.len(), 30);
    for Case { name, shape, network, layers } in cases {
        let mut network = network.build(&mut Xoshiro256PlusPlus::seed_from_u64(1)).unwrap();
        let part = |kind: &str| -> Vec<(String, _)> {
            let prefix = format!("{name}/{kind}/");
            let tensors = file.tensors().into_iter();
            tensors
                .filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?.to_owned(), tensor)))
                .collect()
        };
        let state = safetensors::serialize(part("state"), None).unwrap();
        network.load_safetensors_as(&state, layers).unwrap();

        // Written again, it is what PyTorch wrote, but for what its normalizations count.
        let written = network.to_safetensors_as(layers).unwrap();
        let written = SafeTensors::deserialize(&written).unwrap();
        for (key, tensor) in part("state") {
            if !key.ends_with("num_batches_tracked") && T::EPSILON < f64::from(f32::EPSILON) {
                assert_eq!(written.tensor(&key).unwrap().data(), tensor.data(), "{name}: {key}");
            }
        }

        let x = columns::<T>(&numbers(&file, &format!("{name}/x")), shape);
        assert_eq!(x.ncols(), SAMPLES);
        let target = numbers(&file, &format!("{name}/target"));
        with_loss(name, &target, |loss| {
            // The seed stands for nothing here: no layer drops.
            let mut trace = Trace::training(0);
            let value = network.loss_and_gradient(&x, loss, &mut trace).unwrap();
            let expected = numbers(&file, &format!("{name}/loss"));
            let off = apart(&[value], &expected);
            assert!(off <= tolerance, "{name}: loss {value}, expected {expected:?}");
            let y = columns::<T>(&numbers(&file, &format!("{name}/y")), 3.into());
            let off = apart(&doubles(trace.output().iter().copied()), &doubles(y.iter().copied()));
            assert!(off <= tolerance, "{name}: output off by {off:e}");

            // The gradient, in PyTorch's names and order.
            let mut gradient = network.clone();
            gradient.parameters_mut().copy_from_slice(trace.gradient().as_slice());
            let written = gradient.to_safetensors_as(layers).unwrap();
            let written = SafeTensors::deserialize(&written).unwrap();
            // Of the whole gradient: a bias before a batch normalization has the gradient 0.
            let whole = largest(&doubles(trace.gradient().iter().copied()));
            for (key, expected) in part("gradient") {
                let found = written.tensor(&key).unwrap();
                assert_eq!(found.shape(), expected.shape(), "{name}: {key}");
                let found: Vec<f64> = match found.dtype() {
                    Dtype::F64 => numbers(&written, &key),
                    _ => {
                        let words = found.data().as_chunks::<4>().0.iter();
                        words.map(|word| f64::from(f32::from_le_bytes(*word))).collect()
                    }
                };
                let expected = numbers(&file, &format!("{name}/gradient/{key}"));
                let off = apart(&found, &expected) * largest(&expected) / whole;
                assert!(off <= tolerance, "{name}: gradient of {key} off by {off:e}");
            }

            let mut dp = DMatrix::zeros(3, SAMPLES);
            let samples: Vec<usize> = (0..SAMPLES).collect();
            loss.evaluate(&samples, trace.output(), dp.as_view_mut()).unwrap();
            network.backward(&dp, Gradients::Input, &mut trace).unwrap();
            let found = doubles(trace.input_gradient().unwrap().iter().copied());
            let expected = columns::<T>(&numbers(&file, &format!("{name}/dx")), shape);
            let off = apart(&found, &doubles(expected.iter().copied()));
            assert!(off <= tolerance, "{name}: gradient of the input off by {off:e}");
        });
    }
}

#[test]
fn thirty_networks_agree_with_pytorch_in_double_precision() {
    compare::<f64>(1e-12);
}

#[test]
fn thirty_networks_agree_with_pytorch_in_single_precision() {
    compare::<f32>(1e-5);
}
