//! burn on its backend `flex`: the functions that its layers, losses and plain gradient descent are made of, without its
//! modules.

use burn_tensor::activation::{log_softmax, relu, tanh};
use burn_tensor::module::{conv2d, linear, max_pool2d};
use burn_tensor::ops::{ConvOptions, MaxPoolOptions};
use burn_tensor::{Device, Int, Tensor, TensorData};

use crate::Result;
use crate::problem::{Activation, Array, Problem, Targets};

/// A weight and a bias.
#[derive(Clone)]
enum Layer {
    Dense(Tensor<2>, Tensor<1>),
    Convolution(Tensor<4>, Tensor<1>),
}

#[derive(Clone)]
enum Input {
    Rows(Tensor<2>),
    Images(Tensor<4>),
}

enum Wanted {
    Labels(Tensor<2, Int>),
    Values(Tensor<2>),
}

pub(crate) struct Trained {
    layers: Vec<Layer>,
    activation: Activation,
    x: Input,
    targets: Wanted,
    rate: f64,
}

fn tensor<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(array.values.clone(), array.shape.clone()), device)
}

impl Trained {
    pub(crate) fn new(problem: &Problem) -> Self {
        let device = &Device::flex().autodiff();
        let layers = problem.layers.iter().map(|[weight, bias]| {
            let bias = tensor(bias, device).require_grad();
            if weight.shape.len() == 4 {
                Layer::Convolution(tensor(weight, device).require_grad(), bias)
            } else {
                Layer::Dense(tensor(&weight.transposed(), device).require_grad(), bias)
            }
        });
        let labels = |labels: &[u32]| {
            let rows: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
            let shape = [rows.len(), 1];
            Wanted::Labels(Tensor::from_data(TensorData::new(rows, shape), device))
        };
        Self {
            layers: layers.collect(),
            activation: problem.activation,
            x: match problem.x.shape.len() {
                2 => Input::Rows(tensor(&problem.x, device)),
                _ => Input::Images(tensor(&problem.x, device)),
            },
            targets: match &problem.targets {
                Targets::Labels(all) => labels(all),
                Targets::Values(values) => Wanted::Values(tensor(values, device)),
            },
            rate: problem.rate,
        }
    }
}

fn activate<const D: usize>(activation: Activation, z: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Relu => relu(z),
        Activation::Tanh => tanh(z),
    }
}

/// The network's output.
fn forward(layers: &[Layer], activation: Activation, mut x: Input) -> Tensor<2> {
    let last = layers.len() - 1;
    for (index, layer) in layers.iter().enumerate() {
        x = match (layer.clone(), x) {
            (Layer::Convolution(weight, bias), Input::Images(x)) => {
                let plain = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
                let a = activate(activation, conv2d(x, weight, Some(bias), plain));
                Input::Images(max_pool2d(a, MaxPoolOptions::new([2, 2])))
            }
            (Layer::Dense(weight, bias), x) => {
                let x = match x {
                    Input::Rows(x) => x,
                    Input::Images(x) => x.flatten(1, 3),
                };
                let z = linear(x, weight, Some(bias));
                Input::Rows(if index == last { z } else { activate(activation, z) })
            }
            (Layer::Convolution(..), rows) => rows,
        };
    }
    match x {
        Input::Rows(x) => x,
        Input::Images(x) => x.flatten(1, 3),
    }
}

impl crate::Trained for Trained {
    fn step(&mut self) -> Result<f64> {
        let output = forward(&self.layers, self.activation, self.x.clone());
        let loss = match &self.targets {
            Wanted::Labels(labels) => log_softmax(output, 1).gather(1, labels.clone()).mean().neg(),
            Wanted::Values(values) => (output - values.clone()).square().mean(),
        };
        let mut gradients = loss.backward();
        fn descend<const D: usize>(
            parameter: &mut Tensor<D>,
            gradients: &mut burn_tensor::Gradients,
            rate: f64,
        ) {
            if let Some(gradient) = parameter.grad_remove(gradients) {
                let moved = parameter.clone().inner() - gradient.mul_scalar(rate);
                *parameter = moved.autodiff().require_grad();
            }
        }
        for layer in &mut self.layers {
            match layer {
                Layer::Dense(weight, bias) => {
                    descend(weight, &mut gradients, self.rate);
                    descend(bias, &mut gradients, self.rate);
                }
                Layer::Convolution(weight, bias) => {
                    descend(weight, &mut gradients, self.rate);
                    descend(bias, &mut gradients, self.rate);
                }
            }
        }
        Ok(f64::from(loss.into_scalar::<f32>()))
    }

    fn output(&self) -> Result<Vec<f32>> {
        let inner = |layer: &Layer| match layer.clone() {
            Layer::Dense(weight, bias) => Layer::Dense(weight.inner(), bias.inner()),
            Layer::Convolution(weight, bias) => Layer::Convolution(weight.inner(), bias.inner()),
        };
        let layers: Vec<Layer> = self.layers.iter().map(inner).collect();
        let x = match self.x.clone() {
            Input::Rows(x) => Input::Rows(x.inner()),
            Input::Images(x) => Input::Images(x.inner()),
        };
        numbers(forward(&layers, self.activation, x))
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for layer in &self.layers {
            match layer.clone() {
                Layer::Dense(weight, bias) => all.extend([numbers(weight)?, numbers(bias)?]),
                Layer::Convolution(weight, bias) => all.extend([numbers(weight)?, numbers(bias)?]),
            }
        }
        Ok(all.concat())
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_into_vec::<f32>().map_err(|error| format!("{error:?}").into())
}
