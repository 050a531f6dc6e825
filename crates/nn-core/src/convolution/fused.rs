//! A convolution and what follows it as one layer.

use std::any::Any;
use std::sync::Arc;

use linalg::Real;

use super::passes::Steps;
use super::then::Then;
use super::{Convolution, Method};
use crate::{
    Backward, Block, Forward, Layer, MaxPool, Memory, Passes, Pointwise, Relu, Result, Shape,
};

/// A convolution, the ReLU after it and the largest of 2 x 2 places, or one of these two: what it
/// computes between is never written to memory.
///
/// A ReLU and a maximum may be exchanged, so that the order in which they were given does not
/// matter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FusedConvolution {
    convolution: Convolution,
    then: Then,
}

impl FusedConvolution {
    /// `convolution`, then `then` and then `next`, where that can be one layer.
    pub(super) fn fuse<T: Real>(
        convolution: &Convolution,
        then: Then,
        next: &dyn Layer<T>,
    ) -> Option<Arc<dyn Layer<T>>> {
        let Then { relu, pool } = then;
        let any: &dyn Any = next;
        let then = if any.is::<Pointwise<Relu>>() && !relu {
            Then { relu: true, pool }
        } else if any.downcast_ref::<MaxPool>().is_some_and(MaxPool::halves)
            && !pool
            && !matches!(convolution.method::<T>(), Method::Depthwise | Method::Product)
        {
            Then { relu, pool: true }
        } else {
            return None;
        };
        Some(Arc::new(Self { convolution: convolution.clone(), then }))
    }

    fn steps(&self) -> Steps<'_> {
        Steps { layer: &self.convolution, then: self.then }
    }

    fn inner<T: Real>(&self) -> &dyn Layer<T> {
        &self.convolution
    }
}

impl<T: Real> Layer<T> for FusedConvolution {
    fn describe(&self) -> String {
        let mut text = self.inner::<T>().describe();
        if self.then.relu {
            text += ", ReLU";
        }
        if self.then.pool {
            text += ", max pooling";
        }
        text
    }

    fn input(&self) -> Shape {
        self.inner::<T>().input()
    }

    fn output(&self) -> Shape {
        self.steps().output()
    }

    fn blocks(&self) -> Vec<Block> {
        self.inner::<T>().blocks()
    }

    fn memory(&self, samples: usize) -> Memory {
        self.steps().memory::<T>(samples)
    }

    fn prepare(&self, parameters: &[T], passes: Passes, prepared: &mut [T]) {
        self.inner().prepare(parameters, passes, prepared);
    }

    fn multiply_adds(&self) -> usize {
        self.inner::<T>().multiply_adds()
    }

    fn fuse(&self, next: &dyn Layer<T>) -> Option<Arc<dyn Layer<T>>> {
        Self::fuse(&self.convolution, self.then, next)
    }

    fn forward(&self, pass: Forward<'_, T>) -> Result<()> {
        Ok(self.steps().forward(pass)?)
    }

    fn backward(&self, pass: Backward<'_, T>) -> Result<()> {
        Ok(self.steps().backward(pass)?)
    }
}
