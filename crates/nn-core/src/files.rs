//! Weights in safetensors files, under the names and in the layouts of PyTorch.

use std::path::Path;

use linalg::Real;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Error, Network, Result, Tensor, TensorOf};

/// The end of a tensor's name that PyTorch writes and no computation needs.
const COUNTER: &str = "num_batches_tracked";
/// The beginning of the names under which a trainer writes down what it remembers.
pub(crate) const TRAINER: &str = "trainer.";

impl<T: Real> Network<T> {
    /// The network's weights and state as the contents of a safetensors file, in its own precision.
    ///
    /// Names are those of `torch.nn.Sequential` with the same layers, `0.weight`, `0.bias`, …, and
    /// so are the layouts: `load_state_dict(safetensors.torch.load(bytes))` there takes them.
    ///
    /// # Errors
    /// [`Error::SafeTensors`] where the file cannot be put together: two tensors of one name.
    ///
    /// # Examples
    /// ```
    /// use linalg::DMatrix;
    /// use nn_core::Network;
    /// let make = |w: f32| {
    ///     let weight = DMatrix::from_row_slice(1, 2, &[w, 2.0]);
    ///     Network::builder(2).dense_from(weight, vec![0.5]).build_given()
    /// };
    /// let (network, mut other) = (make(1.0)?, make(7.0)?);
    /// other.load_safetensors(&network.to_safetensors()?)?;
    /// assert_eq!(other.parameters(), network.parameters());
    /// # Ok::<(), nn_core::Error>(())
    /// ```
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        serialize(&self.saved(&self.numbered())?)
    }

    /// As [`Network::to_safetensors`], with a name for each layer in place of its number: `fc1` for
    /// `fc1.weight`. Names of layers that keep no numbers are not used.
    ///
    /// # Errors
    /// As [`Network::to_safetensors`], [`Error::Size`] unless there is a name for each layer, and
    /// [`Error::SameName`] where two of them have tensors of one name.
    pub fn to_safetensors_as(&self, names: &[impl AsRef<str>]) -> Result<Vec<u8>> {
        serialize(&self.saved(names)?)
    }

    /// Takes weights and state from the contents of a safetensors file, as PyTorch writes them for
    /// `torch.nn.Sequential` with the same layers. Numbers of 16, 32 and 64 bits are read, and
    /// rounded to the network's precision.
    ///
    /// # Errors
    /// [`Error::SafeTensors`] for contents that are no such file, [`Error::MissingTensor`] and
    /// [`Error::UnexpectedTensor`] where names do not fit, [`Error::TensorShape`],
    /// [`Error::TensorType`] and [`Error::TensorNotFinite`] with the name. The network is then as it
    /// was.
    ///
    /// What a [`Trainer`](crate::Trainer) has written beside them is passed over: a checkpoint is read
    /// like any file.
    pub fn load_safetensors(&mut self, bytes: &[u8]) -> Result<()> {
        self.load_safetensors_as(bytes, &self.numbered())
    }

    /// As [`Network::load_safetensors`], with a name for each layer in place of its number.
    ///
    /// # Errors
    /// As [`Network::load_safetensors`], and as [`Network::to_safetensors_as`] for the names.
    pub fn load_safetensors_as(&mut self, bytes: &[u8], names: &[impl AsRef<str>]) -> Result<()> {
        let (parameters, state) = self.read(&deserialize(bytes)?, names)?;
        self.take(&parameters, &state);
        Ok(())
    }

    /// The parameters and the state that a file holds for this network.
    pub(crate) fn read(
        &self,
        file: &SafeTensors<'_>,
        names: &[impl AsRef<str>],
    ) -> Result<(Vec<T>, Vec<T>)> {
        let wanted = self.named_tensors(names)?;
        let known = |name: &str| wanted.iter().any(|(wanted, _)| wanted == name);
        let mut found: Vec<&str> = file.names();
        found.sort_unstable();
        let passed_over = |name: &str| name.ends_with(COUNTER) || name.starts_with(TRAINER);
        if let Some(name) = found.iter().find(|name| !known(name) && !passed_over(name)) {
            return Err(Error::UnexpectedTensor { name: (*name).to_owned() });
        }
        let mut parameters = self.parameters().as_slice().to_vec();
        let mut state = self.state().to_vec();
        for (name, tensor) in wanted {
            let Ok(view) = file.tensor(&name) else { return Err(Error::MissingTensor { name }) };
            if view.shape() != tensor.shape {
                let (found, expected) = (view.shape().to_vec(), tensor.shape);
                return Err(Error::TensorShape { name, found, expected });
            }
            let target = match tensor.of {
                TensorOf::Parameters => &mut parameters,
                TensorOf::State => &mut state,
            };
            for (at, value) in tensor.places().zip(values_of(&name, &view)?) {
                target[at] = value;
            }
        }
        Ok((parameters, state))
    }

    /// Makes these the network's parameters and state.
    pub(crate) fn take(&mut self, parameters: &[T], state: &[T]) {
        self.parameters_mut().copy_from_slice(parameters);
        self.state_mut().copy_from_slice(state);
    }

    /// Writes [`Network::to_safetensors`] to a file.
    ///
    /// # Errors
    /// As there, and [`Error::Write`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_safetensors()?).map_err(|error| unwritten(path, &error))
    }

    /// Reads [`Network::load_safetensors`] from a file.
    ///
    /// # Errors
    /// As there, and [`Error::Open`] with the path.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.load_safetensors(&contents(path.as_ref())?)
    }

    /// The numbers of the layers, by which files name them.
    pub(crate) fn numbered(&self) -> Vec<String> {
        (0..self.layers().len()).map(|index| index.to_string()).collect()
    }

    /// What a file keeps of the network.
    pub(crate) fn saved(&self, names: &[impl AsRef<str>]) -> Result<Vec<Saved>> {
        let named = self.named_tensors(names)?.into_iter().map(|(name, tensor)| {
            let numbers = self.numbers(tensor.of);
            Saved::of(name, &tensor.shape, tensor.places().map(|at| numbers[at]))
        });
        Ok(named.collect())
    }

    /// The tensors of all layers under their names in a file, with places in the whole network's
    /// numbers.
    fn named_tensors(&self, names: &[impl AsRef<str>]) -> Result<Vec<(String, Tensor)>> {
        crate::check::size("names", "entries", names.len(), self.layers().len())?;
        let mut tensors = Vec::new();
        for (index, (layer, name)) in self.layers().zip(names).enumerate() {
            let name = name.as_ref();
            for mut tensor in layer.tensors() {
                tensor.start += match tensor.of {
                    TensorOf::Parameters => self.parameter_ranges()[index].start,
                    TensorOf::State => self.state_ranges()[index].start,
                };
                let name = if name.is_empty() {
                    tensor.name.to_owned()
                } else {
                    format!("{name}.{}", tensor.name)
                };
                if tensors.iter().any(|(other, _)| *other == name) {
                    return Err(Error::SameName { name });
                }
                tensors.push((name, tensor));
            }
        }
        Ok(tensors)
    }

    fn numbers(&self, of: TensorOf) -> &[T] {
        match of {
            TensorOf::Parameters => self.parameters().as_slice(),
            TensorOf::State => self.state(),
        }
    }
}

/// A tensor on its way into a file.
pub(crate) struct Saved {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Saved {
    /// Numbers in their own precision.
    pub(crate) fn of<T: Real>(
        name: String,
        shape: &[usize],
        numbers: impl Iterator<Item = T>,
    ) -> Self {
        let bytes = numbers.flat_map(bytes_of).collect();
        Self { name, dtype: dtype_of::<T>(), shape: shape.to_vec(), bytes }
    }

    fn view(&self) -> Result<TensorView<'_>, safetensors::SafeTensorError> {
        TensorView::new(self.dtype, self.shape.clone(), &self.bytes)
    }
}

/// The contents of a file of these tensors.
pub(crate) fn serialize(tensors: &[Saved]) -> Result<Vec<u8>> {
    let views = tensors
        .iter()
        .map(|tensor| Ok((tensor.name.as_str(), tensor.view()?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| refused(&error))?;
    safetensors::serialize(views, None).map_err(|error| refused(&error))
}

pub(crate) fn deserialize(bytes: &[u8]) -> Result<SafeTensors<'_>> {
    SafeTensors::deserialize(bytes).map_err(|error| refused(&error))
}

fn refused(error: &safetensors::SafeTensorError) -> Error {
    Error::SafeTensors { problem: error.to_string() }
}

/// What stands in a file.
pub(crate) fn contents(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::Open { path: path.to_owned(), kind: error.kind() })
}

pub(crate) fn unwritten(path: &Path, error: &std::io::Error) -> Error {
    Error::Write { path: path.to_owned(), kind: error.kind() }
}

/// The type in which files keep numbers of this precision.
pub(crate) fn dtype_of<T: Real>() -> Dtype {
    if size_of::<T>() == size_of::<f32>() { Dtype::F32 } else { Dtype::F64 }
}

/// The little-endian bytes of a number in its own precision.
fn bytes_of<T: Real>(number: T) -> Vec<u8> {
    let number = number.to_double();
    if size_of::<T>() == size_of::<f32>() {
        #[expect(clippy::cast_possible_truncation, reason = "it was an f32")]
        (number as f32).to_le_bytes().to_vec()
    } else {
        number.to_le_bytes().to_vec()
    }
}

/// The numbers of a tensor in the network's precision, in the file's order.
pub(crate) fn values_of<T: Real>(name: &str, view: &TensorView<'_>) -> Result<Vec<T>> {
    let Some(numbers) = numbers_of(view) else {
        let (name, found) = (name.to_owned(), format!("{:?}", view.dtype()));
        return Err(Error::TensorType { name, found, expected: "F16, BF16, F32 or F64" });
    };
    let value = |(index, number): (usize, f64)| {
        let value = T::from_double(number);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(Error::TensorNotFinite { name: name.to_owned(), index, value: number })
        }
    };
    numbers.enumerate().map(value).collect()
}

/// The numbers of a tensor, in the file's order; `None` where they are not floating point.
fn numbers_of<'a>(view: &TensorView<'a>) -> Option<Box<dyn Iterator<Item = f64> + 'a>> {
    let data: &'a [u8] = view.data();
    Some(match view.dtype() {
        Dtype::F64 => Box::new(words::<8>(data).map(f64::from_le_bytes)),
        Dtype::F32 => Box::new(words::<4>(data).map(|word| f32::from_le_bytes(word).into())),
        Dtype::BF16 => Box::new(
            words::<2>(data)
                .map(|word| f32::from_bits(u32::from(u16::from_le_bytes(word)) << 16).into()),
        ),
        Dtype::F16 => Box::new(words::<2>(data).map(|word| half(u16::from_le_bytes(word)))),
        _ => return None,
    })
}

fn words<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.as_chunks::<N>().0.iter().copied()
}

/// The value of a 16-bit number of IEEE 754: a sign, 5 bits of exponent, 10 of fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-14),
        0x1f if fraction > 0.0 => f64::NAN,
        0x1f => f64::INFINITY,
        _ => (1.0 + fraction) * 2.0_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use linalg::DMatrix;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::{Shape, Tanh};

    fn network<T: Real>(seed: u64) -> Network<T> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Network::builder(Shape::image(2, 3, 2))
            .dense(4)
            .activation(Tanh)
            .dense(2)
            .build(&mut rng)
            .unwrap()
    }

    #[test]
    fn what_was_written_is_read_back_to_the_bit_in_both_precisions() {
        let (single, double) = (network::<f32>(1), network::<f64>(1));
        let (mut other_single, mut other_double) = (network::<f32>(2), network::<f64>(2));
        other_single.load_safetensors(&single.to_safetensors().unwrap()).unwrap();
        other_double.load_safetensors(&double.to_safetensors().unwrap()).unwrap();
        assert_eq!(other_single.parameters(), single.parameters());
        assert_eq!(other_double.parameters(), double.parameters());
        // A file of doubles in a network of singles: rounded.
        other_single.load_safetensors(&double.to_safetensors().unwrap()).unwrap();
        assert_eq!(other_single.parameters(), &double.parameters().map(f64_to_f32));
        let names = ["hidden", "", "out"];
        let bytes = single.to_safetensors_as(&names).unwrap();
        let mut other_single = network::<f32>(2);
        other_single.load_safetensors_as(&bytes, &names).unwrap();
        assert_eq!(other_single.parameters(), single.parameters());
    }

    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is meant")]
    fn f64_to_f32(x: f64) -> f32 {
        x as f32
    }

    #[test]
    fn a_dense_layer_behind_an_image_is_written_channel_by_channel() {
        let network = network::<f32>(3);
        let bytes = network.to_safetensors().unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let weight = file.tensor("0.weight").unwrap();
        assert_eq!(weight.shape(), [4, 12]);
        let written: Vec<f64> = numbers_of(&weight).unwrap().collect();
        let ours = DMatrix::from_column_slice(4, 12, &network.parameters().as_slice()[..48]);
        for (unit, c, y, x) in [(0, 0, 0, 0), (2, 1, 0, 2), (3, 0, 1, 1), (1, 1, 1, 0)] {
            let theirs = written[unit * 12 + (c * 2 + y) * 3 + x];
            let expected = f64::from(ours[(unit, (y * 3 + x) * 2 + c)]);
            assert!(theirs.total_cmp(&expected).is_eq(), "unit {unit}, channel {c}, {x}, {y}");
        }
    }

    #[test]
    fn half_precision_has_the_values_of_the_standard() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2.0_f64.powi(-24)),
            (0x3555, 0.333251953125),
        ];
        for (bits, value) in cases {
            assert!(half(bits).total_cmp(&value).is_eq(), "{bits:#06x}: {}", half(bits));
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
    }

    #[test]
    fn what_does_not_fit_is_named_and_changes_nothing() {
        let good = network::<f32>(1);
        let mut network = network::<f32>(2);
        let before = network.clone();
        let mut text = |bytes: &[u8]| {
            let text = network.load_safetensors(bytes).unwrap_err().to_string();
            assert_eq!(network.parameters(), before.parameters(), "{text}");
            text
        };
        let tensor = |name: &'static str, dtype, shape: &[usize], bytes: &[u8]| Saved {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
            bytes: bytes.to_vec(),
        };
        // The good file with one tensor replaced or added.
        let with = |other: Saved| {
            let bytes = good.to_safetensors().unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let mut views: Vec<_> =
                file.tensors().into_iter().filter(|(name, _)| *name != other.name).collect();
            views.push((other.name.clone(), other.view().unwrap()));
            safetensors::serialize(views, None).unwrap()
        };
        assert_eq!(text(&[0; 4]), "not a safetensors file: header too small");
        let lacking = Network::<f32>::builder(12).dense(4).build_given().err();
        assert!(lacking.is_some(), "there is nothing to load into without a start");
        assert_eq!(
            text(&with(tensor("0.bias", Dtype::F32, &[3], &[0; 12]))),
            "tensor \"0.bias\" has the shape [3], expected [4]"
        );
        assert_eq!(
            text(&with(tensor("0.bias", Dtype::I32, &[4], &[0; 16]))),
            "tensor \"0.bias\" holds I32, expected F16, BF16, F32 or F64"
        );
        let nan = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0xc0, 0x7f], [0; 4]].concat();
        assert_eq!(
            text(&with(tensor("0.bias", Dtype::F32, &[4], &nan))),
            "entry 2 of tensor \"0.bias\" is NaN, which is not finite in the network's precision"
        );
        assert_eq!(
            text(&with(tensor("3.weight", Dtype::F32, &[1], &[0; 4]))),
            "the file has a tensor \"3.weight\", for which the network has no place"
        );
        assert_eq!(
            text(&good.to_safetensors_as(&["a", "", "b"]).unwrap()),
            "the file has a tensor \"a.bias\", for which the network has no place"
        );
        assert_eq!(
            good.to_safetensors_as(&["a", "", "a"]).unwrap_err().to_string(),
            "two layers have a tensor \"a.weight\"; give every layer a name of its own"
        );
        let empty = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
        assert_eq!(text(&empty), "the file has no tensor \"0.weight\"");
        // What PyTorch's normalizations count is of no use here, and no error.
        let counted = with(tensor("1.num_batches_tracked", Dtype::I64, &[], &[0; 8]));
        network.load_safetensors(&counted).unwrap();
        assert_eq!(network.parameters(), good.parameters());
        assert_eq!(
            network.load("no/such.safetensors").unwrap_err().to_string(),
            "cannot open no/such.safetensors: entity not found"
        );
        assert_eq!(
            network.save("no/such/folder.safetensors").unwrap_err().to_string(),
            "cannot write no/such/folder.safetensors: entity not found"
        );
    }

    #[test]
    fn no_mutation_of_a_file_panics_or_is_half_taken() {
        let bytes = network::<f32>(1).to_safetensors().unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let start = network::<f32>(2);
        for _ in 0..10_000 {
            let mut mutated = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..mutated.len());
                match rng.random_range(0..4) {
                    0 => mutated.truncate(at.max(1)),
                    1 => mutated.insert(at, rng.random()),
                    _ => mutated[at] = rng.random(),
                }
            }
            let mut network = start.clone();
            match network.load_safetensors(&mutated) {
                Ok(()) => assert!(network.parameters().iter().all(|theta| theta.is_finite())),
                Err(_) => assert_eq!(network.parameters(), start.parameters()),
            }
        }
    }
}
