//! All that a learner remembers, as bytes.

use std::path::Path;

use linalg::Real;
use nn_core::{Adam, Optimizer, OptimizerMemory};

use crate::learning::experience::Stretch;
use crate::learning::training::Ongoing;
use crate::{Error, Experience, Learner, Policy, Result, Streams};

/// An action that can be written down as numbers and read back to the bit.
pub trait StoredAction: Sized {
    /// The action as finite numbers.
    fn to_numbers(&self) -> Vec<f64>;

    /// The action that was written as these; `None` for numbers that none is written as.
    fn from_numbers(numbers: &[f64]) -> Option<Self>;
}

impl StoredAction for usize {
    fn to_numbers(&self) -> Vec<f64> {
        vec![*self as f64]
    }

    fn from_numbers(numbers: &[f64]) -> Option<Self> {
        match numbers {
            [number] => whole(*number),
            _ => None,
        }
    }
}

impl StoredAction for f64 {
    fn to_numbers(&self) -> Vec<f64> {
        vec![*self]
    }

    fn from_numbers(numbers: &[f64]) -> Option<Self> {
        match numbers {
            [number] => Some(*number),
            _ => None,
        }
    }
}

impl StoredAction for Vec<f64> {
    fn to_numbers(&self) -> Vec<f64> {
        self.clone()
    }

    fn from_numbers(numbers: &[f64]) -> Option<Self> {
        Some(numbers.to_vec())
    }
}

impl StoredAction for Vec<bool> {
    fn to_numbers(&self) -> Vec<f64> {
        self.iter().map(|&bit| f64::from(u8::from(bit))).collect()
    }

    fn from_numbers(numbers: &[f64]) -> Option<Self> {
        let bit = |&number: &f64| whole(number).filter(|&bit| bit < 2).map(|bit| bit == 1);
        numbers.iter().map(bit).collect()
    }
}

/// A checkpoint: with it, a learner made with the same networks and options goes on to the same
/// bits.
///
/// It holds the weights of actor and value network, the optimizers' moments, the averaged and the
/// best weights, the kept batches, the episodes under way, and the counters from which all random
/// numbers follow.
///
/// As bytes, everything little-endian: the eight bytes `rl-pg\0\0\1`; the number of counters (u64),
/// each as its name's length (u64), its name (UTF-8) and a u64; the number of vectors, each as its
/// name's length, its name, the number of entries (u64) and the entries (f64); last the 64-bit FNV-1a
/// hash of all bytes before it.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnerState {
    counters: Vec<(String, u64)>,
    vectors: Vec<(String, Vec<f64>)>,
}

/// The first bytes of a state; the last of them is the version.
const MAGIC: [u8; 8] = *b"rl-pg\0\0\x01";

impl LearnerState {
    /// The state as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let put = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
        let name = |bytes: &mut Vec<u8>, name: &str| {
            put(bytes, name.len() as u64);
            bytes.extend(name.as_bytes());
        };
        put(&mut bytes, self.counters.len() as u64);
        for (key, value) in &self.counters {
            name(&mut bytes, key);
            put(&mut bytes, *value);
        }
        put(&mut bytes, self.vectors.len() as u64);
        for (key, values) in &self.vectors {
            name(&mut bytes, key);
            put(&mut bytes, values.len() as u64);
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        let hash = hash(&bytes);
        put(&mut bytes, hash);
        bytes
    }

    /// The state that was written as these bytes.
    ///
    /// # Errors
    /// [`Error::StateFormat`] for bytes that were not written so, were cut short or changed;
    /// [`Error::StateEntry`] for a NaN or an infinity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = |problem, at| Error::StateFormat { problem, at, length: bytes.len() };
        if !bytes.starts_with(&MAGIC) {
            return Err(wrong("another beginning", 0));
        }
        let Some((content, written)) = bytes.split_last_chunk::<8>() else {
            return Err(wrong("an early end", bytes.len()));
        };
        if hash(content) != u64::from_le_bytes(*written) {
            return Err(wrong("a hash that does not fit", content.len()));
        }
        let mut reader = Reader { content, at: MAGIC.len(), length: bytes.len() };
        let mut counters = Vec::new();
        for _ in 0..reader.number()? {
            counters.push((reader.name()?, reader.number()?));
        }
        let mut vectors = Vec::new();
        for _ in 0..reader.number()? {
            let name = reader.name()?;
            let entries = reader.number()?;
            let taken = reader.take(entries.saturating_mul(8))?;
            let values: Vec<f64> =
                taken.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word)).collect();
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let (value, expected) = (values[index], "a finite number");
                return Err(Error::StateEntry { name, index, value, expected });
            }
            vectors.push((name, values));
        }
        match reader.at == content.len() {
            true => Ok(Self { counters, vectors }),
            false => Err(wrong("something left over", reader.at)),
        }
    }

    /// Writes [`LearnerState::to_bytes`] to a file: whole, or not at all. It is written beside the file, as
    /// `path.new`, and then takes its place, so that a run that ends at any moment leaves the last checkpoint.
    ///
    /// # Errors
    /// [`Error::File`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        std::fs::write(&beside, self.to_bytes())
            .and_then(|()| std::fs::rename(&beside, path))
            .map_err(|error| refused(path, &error))
    }

    /// Reads [`LearnerState::from_bytes`] from a file.
    ///
    /// # Errors
    /// As there, and [`Error::File`] with the path.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&std::fs::read(path).map_err(|error| refused(path, &error))?)
    }

    fn counter(&self, name: &str) -> Result<u64> {
        let found = self.counters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value).ok_or_else(|| Error::StateMissing { name: name.to_owned() })
    }

    fn vector(&self, name: &str) -> Result<&[f64]> {
        let found = self.vectors.iter().find(|(known, _)| known == name);
        found
            .map(|(_, values)| values.as_slice())
            .ok_or_else(|| Error::StateMissing { name: name.to_owned() })
    }

    /// The vector of this name, which must have so many entries.
    fn exactly(&self, name: &str, expected: usize) -> Result<&[f64]> {
        let values = self.vector(name)?;
        match values.len() {
            got if got == expected => Ok(values),
            got => Err(Error::StateLength { name: name.to_owned(), got, expected }),
        }
    }

    /// The vector of this name as whole numbers that do not fall.
    fn rising(&self, name: &str) -> Result<Vec<usize>> {
        let mut last = 0;
        let entries = self.vector(name)?.iter().enumerate().map(|(index, &value)| {
            let number = whole(value).filter(|&number| number >= last);
            last = number.unwrap_or(last);
            let (name, expected) = (name.to_owned(), "a whole number not below the one before");
            number.ok_or(Error::StateEntry { name, index, value, expected })
        });
        entries.collect()
    }

    fn put(&mut self, name: impl Into<String>, values: Vec<f64>) {
        self.vectors.push((name.into(), values));
    }

    fn put_actions<A: StoredAction>(&mut self, name: &str, actions: &[A]) {
        let (mut ends, mut numbers) = (Vec::with_capacity(actions.len()), Vec::new());
        for action in actions {
            numbers.extend(action.to_numbers());
            ends.push(numbers.len() as f64);
        }
        self.put(format!("{name} actions"), numbers);
        self.put(format!("{name} action ends"), ends);
    }

    fn actions<A: StoredAction>(&self, name: &str) -> Result<Vec<A>> {
        let ends = self.rising(&format!("{name} action ends"))?;
        let name = format!("{name} actions");
        let numbers = self.exactly(&name, ends.last().copied().unwrap_or(0))?;
        let mut start = 0;
        let actions = ends.into_iter().map(|end| {
            let from = std::mem::replace(&mut start, end);
            A::from_numbers(&numbers[from..end]).ok_or_else(|| {
                let value = numbers.get(from).copied().unwrap_or(f64::NAN);
                let expected = "an action";
                Error::StateEntry { name: name.clone(), index: from, value, expected }
            })
        });
        actions.collect()
    }

    fn put_optimizer<T: Real>(&mut self, name: &str, optimizer: &Adam<T>) {
        let memory = optimizer.memory();
        self.counters.push((format!("{name} steps"), memory.steps));
        for (vector, values) in memory.vectors {
            self.put(format!("{name} {vector}"), values.iter().map(|v| v.to_double()).collect());
        }
    }

    /// Gives an optimizer its memory of so many parameters, or none at all.
    fn optimizer<T: Real>(
        &self,
        name: &str,
        optimizer: &mut Adam<T>,
        parameters: usize,
    ) -> Result<()> {
        let steps = self.counter(&format!("{name} steps"))?;
        let mut vectors = Vec::new();
        for (vector, _) in optimizer.memory().vectors {
            let values =
                self.exactly(&format!("{name} {vector}"), if steps == 0 { 0 } else { parameters })?;
            vectors.push((vector, values.iter().map(|&v| T::from_double(v)).collect()));
        }
        Ok(optimizer.restore(&OptimizerMemory { steps, vectors })?)
    }

    fn put_experience<A: StoredAction>(&mut self, name: &str, experience: &Experience<A>) {
        self.put(format!("{name} observations"), experience.observations.clone());
        self.put_actions(name, &experience.actions);
        self.put(format!("{name} log-probabilities"), experience.log_probabilities.clone());
        self.put(format!("{name} rewards"), experience.rewards.clone());
        let episodes = &experience.episodes;
        let per_episode = |of: &dyn Fn(&Stretch) -> f64| episodes.iter().map(of).collect();
        self.put(format!("{name} ends"), per_episode(&|episode| episode.end as f64));
        self.put(format!("{name} clocks"), per_episode(&|episode| episode.clock as f64));
        let cut = |episode: &Stretch| f64::from(u8::from(episode.next.is_some()));
        self.put(format!("{name} cut"), per_episode(&cut));
        let next = episodes.iter().filter_map(|episode| episode.next.as_ref());
        self.put(format!("{name} next"), next.flatten().copied().collect());
    }

    fn experience<A: StoredAction + std::fmt::Debug>(
        &self,
        name: &str,
        width: usize,
    ) -> Result<Experience<A>> {
        let part = |part: &str| format!("{name} {part}");
        let mut experience = Experience::new(width);
        experience.rewards = self.vector(&part("rewards"))?.to_vec();
        let steps = experience.rewards.len();
        experience.observations = self.exactly(&part("observations"), steps * width)?.to_vec();
        experience.log_probabilities = self.exactly(&part("log-probabilities"), steps)?.to_vec();
        experience.actions = self.actions(name)?;
        let ends = self.rising(&part("ends"))?;
        let clocks = self.exactly(&part("clocks"), ends.len())?;
        let cut = self.exactly(&part("cut"), ends.len())?;
        let mut next = self.vector(&part("next"))?.chunks_exact(width);
        for (index, &end) in ends.iter().enumerate() {
            let next = if cut[index] > 0.0 { next.next().map(<[f64]>::to_vec) } else { None };
            let clock = whole(clocks[index]).unwrap_or(0);
            experience.episodes.push(Stretch { end, clock, next });
        }
        let length = |name: &str, got, expected| match got == expected {
            true => Ok(()),
            false => Err(Error::StateLength { name: part(name), got, expected }),
        };
        length("action ends", experience.actions.len(), steps)?;
        length("ends", ends.last().copied().unwrap_or(0), steps)?;
        Ok(experience)
    }
}

impl<T: Real, P: Policy> Learner<T, P>
where
    P::Action: StoredAction,
{
    /// All that the learner remembers, for a checkpoint.
    #[must_use]
    pub fn state(&self) -> LearnerState {
        let counters = [
            ("seed", self.streams.seed()),
            ("updates", self.updates),
            ("steps", self.steps),
            ("episodes", self.episodes),
            ("worse", self.worse),
            ("batches", self.kept.len() as u64),
            ("ongoing", self.ongoing.len() as u64),
        ];
        let counters = counters.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let mut state = LearnerState { counters, vectors: Vec::new() };
        state.put("actor", self.actor.parameters());
        state.put("pace", vec![self.pace]);
        state.put("average", self.average.clone());
        state.put("recent returns", self.recent.iter().copied().collect());
        let (score, best) = self.best.clone().unzip();
        state.put("best score", score.into_iter().collect());
        state.put("best", best.unwrap_or_default());
        state.put_optimizer("actor", &self.optimizer);
        state.put_optimizer("free", &self.free_optimizer);
        if let Some(value) = &self.value {
            let parameters = value.network.parameters().iter().map(|theta| theta.to_double());
            state.put("value", parameters.collect());
            state.put_optimizer("value", &value.optimizer);
        }
        for (index, batch) in self.kept.iter().enumerate() {
            state.put_experience(&format!("batch {index}"), batch);
        }
        for (index, ongoing) in self.ongoing.iter().enumerate() {
            let name = format!("ongoing {index}");
            let (seed, actions, earned) = match ongoing {
                Some(Ongoing { seed, actions, earned }) => {
                    (*seed, actions.as_slice(), vec![*earned])
                }
                None => (0, [].as_slice(), Vec::new()),
            };
            state.counters.push((format!("{name} seed"), seed));
            state.put(format!("{name} earned"), earned);
            state.put_actions(&name, actions);
        }
        state
    }

    /// Goes on from a checkpoint: this learner, made with the same networks, head and options, does
    /// what the one that gave `state` would have done, to the bit. The seed is that of the state.
    ///
    /// # Errors
    /// [`Error::StateMissing`], [`Error::StateLength`] and [`Error::StateEntry`] where the state is
    /// another learner's. The learner is then as it was.
    pub fn resume(&mut self, state: &LearnerState) -> Result<()> {
        let weights = self.actor.network.parameters().len();
        let free = self.actor.free.len();
        let count = |name: &str| state.counter(name);
        let parameters = state.exactly("actor", weights + free)?;
        let average = state.exactly("average", weights + free)?.to_vec();
        let best = match state.vector("best score")? {
            [] => None,
            scores => Some((scores[0], state.exactly("best", weights + free)?.to_vec())),
        };
        let pace = state.exactly("pace", 1)?[0];
        let recent = state.vector("recent returns")?.iter().copied().collect();
        let width = self.actor.network.inputs();
        let batches =
            (0..count("batches")?).map(|i| state.experience(&format!("batch {i}"), width));
        let kept = batches.collect::<Result<_>>()?;
        let mut ongoing = Vec::new();
        for index in 0..count("ongoing")? {
            let name = format!("ongoing {index}");
            let (seed, actions) = (count(&format!("{name} seed"))?, state.actions(&name)?);
            let earned = state.vector(&format!("{name} earned"))?.first();
            ongoing.push(earned.map(|&earned| Ongoing { seed, actions, earned }));
        }
        let (mut optimizer, mut free_optimizer) =
            (self.optimizer.clone(), self.free_optimizer.clone());
        state.optimizer("actor", &mut optimizer, weights)?;
        state.optimizer("free", &mut free_optimizer, free)?;
        let counts = [count("updates")?, count("steps")?, count("episodes")?, count("worse")?];
        let streams = Streams::new(count("seed")?);
        if let Some(value) = &mut self.value {
            let mut optimizer = value.optimizer.clone();
            let target = value.network.parameters_mut();
            state.optimizer("value", &mut optimizer, target.len())?;
            let stored = state.exactly("value", target.len())?;
            for (theta, &stored) in target.iter_mut().zip(stored) {
                *theta = T::from_double(stored);
            }
            value.optimizer = optimizer;
        }
        self.actor.put(parameters);
        (self.average, self.best, self.recent) = (average, best, recent);
        self.pace = pace;
        (self.kept, self.ongoing, self.streams) = (kept, ongoing, streams);
        (self.optimizer, self.free_optimizer) = (optimizer, free_optimizer);
        [self.updates, self.steps, self.episodes, self.worse] = counts;
        Ok(())
    }
}

/// What is left to read.
struct Reader<'a> {
    content: &'a [u8],
    at: usize,
    length: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let (at, length) = (self.at, self.length);
        let early = Error::StateFormat { problem: "an early end", at, length };
        let Ok(count) = usize::try_from(count) else { return Err(early) };
        let taken = self.content[at..].get(..count).ok_or(early)?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64> {
        Ok(self.take(8)?.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)))
    }

    fn name(&mut self) -> Result<String> {
        let at = self.at;
        let length = self.number()?;
        let wrong =
            Error::StateFormat { problem: "a name that is no text", at, length: self.length };
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| wrong)
    }
}

/// A number that is whole and was a count.
fn whole(number: f64) -> Option<usize> {
    // Every count is below 2^53, where each whole number is an f64.
    let fits = (0.0..9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked")]
    fits.then_some(number as usize)
}

/// FNV-1a, which any language has in five lines.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn refused(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.to_owned(), kind: error.kind() }
}

#[cfg(test)]
mod tests;
