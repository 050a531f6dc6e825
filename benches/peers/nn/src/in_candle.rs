//! candle, with the layers, losses and optimizer of candle-nn.

use candle_core::{Device, Module, Tensor, Var};
use candle_nn::{Conv2d, Conv2dConfig, Linear, Optimizer, SGD, loss};

use crate::Result;
use crate::problem::{Activation, Array, Problem, Targets};

pub(crate) struct Trained {
    parameters: Vec<[Var; 2]>,
    activation: Activation,
    x: Tensor,
    targets: Tensor,
    labels: bool,
    optimizer: SGD,
}

fn tensor(array: &Array) -> Result<Tensor> {
    Ok(Tensor::from_slice(&array.values, array.shape.as_slice(), &Device::Cpu)?)
}

impl Trained {
    pub(crate) fn new(problem: &Problem) -> Result<Self> {
        let variable =
            |array| Ok::<_, Box<dyn std::error::Error>>(Var::from_tensor(&tensor(array)?)?);
        let layers = problem.layers.iter();
        let parameters: Vec<[Var; 2]> = layers
            .map(|[weight, bias]| Ok([variable(weight)?, variable(bias)?]))
            .collect::<Result<_>>()?;
        let targets = match &problem.targets {
            Targets::Labels(labels) => Tensor::from_slice(labels, labels.len(), &Device::Cpu)?,
            Targets::Values(values) => tensor(values)?,
        };
        Ok(Self {
            optimizer: SGD::new(parameters.concat(), problem.rate)?,
            parameters,
            activation: problem.activation,
            x: tensor(&problem.x)?,
            targets,
            labels: matches!(problem.targets, Targets::Labels(_)),
        })
    }

    /// The network's output, of parameters that each come out of `of`, with `pool` for 2 x 2 places.
    fn forward(
        &self,
        of: fn(&Var) -> Tensor,
        pool: fn(&Tensor) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let activate = |z: Tensor| match self.activation {
            Activation::Relu => z.relu(),
            Activation::Tanh => z.tanh(),
        };
        let mut x = self.x.clone();
        for (index, [weight, bias]) in self.parameters.iter().enumerate() {
            let (weight, bias) = (of(weight), of(bias));
            if weight.rank() == 4 {
                let layer = Conv2d::new(weight, Some(bias), Conv2dConfig::default());
                let a = activate(layer.forward(&x)?)?;
                let (_, _, height, width) = a.dims4()?;
                x = pool(&a.narrow(2, 0, height / 2 * 2)?.narrow(3, 0, width / 2 * 2)?)?;
            } else {
                let z = Linear::new(weight, Some(bias)).forward(&x.flatten_from(1)?)?;
                x = if index + 1 == self.parameters.len() { z } else { activate(z)? };
            }
        }
        Ok(x)
    }
}

/// The largest of each 2 x 2 places with a gradient: that of `max_pool2d` in candle 0.11.1 is multiplied by the
/// share of the places that are the largest, a quarter.
fn largest(x: &Tensor) -> candle_core::Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    x.reshape(&[batch, channels, height / 2, 2, width / 2, 2])?.max(5)?.max(3)
}

impl crate::Trained for Trained {
    fn step(&mut self) -> Result<f64> {
        let output = self.forward(|variable| variable.as_tensor().clone(), largest)?;
        let loss = match self.labels {
            true => loss::cross_entropy(&output, &self.targets)?,
            false => loss::mse(&output, &self.targets)?,
        };
        self.optimizer.backward_step(&loss)?;
        Ok(f64::from(loss.to_scalar::<f32>()?))
    }

    fn output(&self) -> Result<Vec<f32>> {
        Ok(self.forward(Var::as_detached_tensor, |x| x.max_pool2d(2))?.flatten_all()?.to_vec1()?)
    }

    fn parameters(&self) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        for parameter in self.parameters.iter().flatten() {
            all.extend(parameter.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(all)
    }
}
