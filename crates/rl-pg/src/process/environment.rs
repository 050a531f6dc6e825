//! An environment in another process, asked step by step.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::process::Command;

use serde_json::json;

use super::keeper::Keeper;
use super::rules::{Options, Report};
use super::wire::Said;
use crate::check;
use crate::{End, Environment, Error, Failure, Result, Step};

/// An [`Environment`] in another process, such as one of Gymnasium.
///
/// A step costs a round trip, some 25 µs and what Python takes. Nothing is tried again: a failure in
/// the middle of an episode is [`Error::StepFailed`], and the next [`Environment::reset`] starts a new
/// process, within the same number of restarts, counted here in episodes. [`Options::retries`] and
/// [`Options::on_failure`] mean nothing.
///
/// # Examples
/// ```no_run
/// use rl_pg::Environment;
/// use rl_pg::process::{ExternalEnvironment, Options};
/// use std::process::Command;
///
/// let program = "from plumbline_worker import serve_environment
/// import gymnasium
/// serve_environment(gymnasium.make('CartPole-v1'))";
/// let mut command = Command::new("python3");
/// command.args(["-c", program]);
/// let mut cart = ExternalEnvironment::<usize>::start(command, Options::default())?;
/// let mut observation = vec![0.0; cart.observation_length()];
/// cart.reset(7, &mut observation)?;
/// let step = cart.step(&1, &mut observation)?;
/// assert_eq!((step.reward, step.end), (1.0, None));
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug)]
pub struct ExternalEnvironment<A> {
    keeper: Keeper,
    observation_length: usize,
    /// Numbers of an action, or how many actions there are.
    action_size: usize,
    last_id: u64,
    episode: Episode,
    action: PhantomData<fn(A)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Episode {
    Runs,
    None,
}

/// What an [`ExternalEnvironment`] may be given: a `usize` where it has so many actions, a `Vec<f64>`
/// where an action is numbers, or a type of yours that becomes one of the two.
pub trait EnvironmentAction: Debug {
    /// The field of the hello in which such actions are offered: `actions` or `action`.
    const OFFERED: &'static str;

    /// The action as JSON, a whole number or a list of numbers. `size` is what the field says.
    ///
    /// # Errors
    /// Where there is no such action.
    ///
    /// # Examples
    /// ```
    /// use rl_pg::process::EnvironmentAction;
    /// assert_eq!(2usize.json(3)?, "2");
    /// assert!(3usize.json(3).is_err());
    /// # Ok::<(), rl_pg::Error>(())
    /// ```
    fn json(&self, size: usize) -> Result<String>;
}

impl EnvironmentAction for usize {
    const OFFERED: &'static str = "actions";

    fn json(&self, size: usize) -> Result<String> {
        match *self < size {
            true => Ok(self.to_string()),
            false => Err(Error::NoSuchAction { action: *self, last: size - 1 }),
        }
    }
}

impl EnvironmentAction for Vec<f64> {
    const OFFERED: &'static str = "action";

    fn json(&self, size: usize) -> Result<String> {
        check::numbers("action", self, size)?;
        Ok(json!(self).to_string())
    }
}

impl<A: EnvironmentAction> ExternalEnvironment<A> {
    /// Starts the command and waits for its hello.
    ///
    /// # Errors
    /// [`Error::WorkerNotStarted`] where there was no hello, [`Error::WorkerHello`] where it was not
    /// that of an environment with such actions in JSON.
    pub fn start(command: Command, options: Options) -> Result<Self> {
        let keeper = Keeper::start(command, options)?;
        let missing = |field| {
            let expected = "a number, as this is to be an environment with such actions";
            Error::WorkerHello { field, got: "missing".to_owned(), expected }
        };
        let hello = keeper.hello();
        let size = if A::OFFERED == "actions" { hello.actions } else { hello.action };
        Ok(Self {
            observation_length: hello.observation.ok_or_else(|| missing("observation"))?,
            action_size: size.ok_or_else(|| missing(A::OFFERED))?,
            keeper,
            last_id: 0,
            episode: Episode::None,
            action: PhantomData,
        })
    }

    /// How many actions there are, or how many numbers an action has.
    #[must_use]
    pub fn action_size(&self) -> usize {
        self.action_size
    }

    /// What happened so far; its rollouts are episodes begun.
    pub fn report(&self) -> &Report {
        &self.keeper.report
    }

    /// Asks once. Whatever goes wrong ends the episode, and the worker with it.
    fn ask(
        &mut self,
        what: &str,
        content: &str,
        observation: &mut [f64],
    ) -> Result<(f64, Option<End>)> {
        self.episode = Episode::None;
        self.last_id += 1;
        let request = format!(r#"{{"id":{},"{what}":{content}}}"#, self.last_id);
        let answer = self.answer(format!("{request}\n").into_bytes(), observation);
        let answer = answer.map_err(|error| match error {
            Refusal::Error(error) => error,
            Refusal::Failure(failure) => {
                Error::StepFailed { request, last_words: self.keeper.last_words(&failure), failure }
            }
        });
        match answer {
            Ok((_, None)) => self.episode = Episode::Runs,
            Ok(_) => {}
            Err(_) => self.keeper.dismiss(),
        }
        answer
    }

    fn answer(
        &mut self,
        request: Vec<u8>,
        observation: &mut [f64],
    ) -> Result<(f64, Option<End>), Refusal> {
        self.keeper.say(request).map_err(Refusal::Error)?;
        let answers = self.keeper.hear().map_err(Refusal::Failure)?;
        let Some(answer) = answers.into_iter().next() else {
            return Err(Refusal::Failure(Failure::Garbage { line: "[]".to_owned() }));
        };
        if answer.id != self.last_id {
            let open = vec![self.last_id];
            return Err(Refusal::Error(Error::WorkerAnswer { got: answer.id, open }));
        }
        let (reward, numbers, end) = match answer.said {
            Said::Done { reward, numbers, end } => (reward, numbers, end),
            Said::Failed { text, .. } => {
                self.keeper.report.refusals += 1;
                return Err(Refusal::Failure(Failure::Said { text }));
            }
        };
        if numbers.len() != observation.len() {
            let (got, expected) = (numbers.len(), observation.len());
            let argument = "the worker's observation";
            return Err(Refusal::Error(Error::Length { argument, got, expected }));
        }
        if let Some(&value) = [reward].iter().chain(&numbers).find(|value| !value.is_finite()) {
            self.keeper.report.not_finite += 1;
            return Err(Refusal::Failure(Failure::NotFinite { value }));
        }
        observation.copy_from_slice(&numbers);
        Ok((reward, end))
    }

    fn fits(&self, observation: &[f64]) -> Result<()> {
        let (got, expected) = (observation.len(), self.observation_length);
        match got == expected {
            true => Ok(()),
            false => Err(Error::Length { argument: "observation", got, expected }),
        }
    }
}

/// What stands between a request and its answer.
enum Refusal {
    Error(Error),
    Failure(Failure),
}

impl<A: EnvironmentAction> Environment for ExternalEnvironment<A> {
    type Action = A;

    fn observation_length(&self) -> usize {
        self.observation_length
    }

    fn reset(&mut self, seed: u64, observation: &mut [f64]) -> Result<()> {
        self.fits(observation)?;
        self.ask("reset", &seed.to_string(), observation)?;
        self.keeper.report.rollouts += 1;
        Ok(())
    }

    fn step(&mut self, action: &A, observation: &mut [f64]) -> Result<Step> {
        self.fits(observation)?;
        let action = action.json(self.action_size)?;
        if self.episode == Episode::None {
            return Err(Error::EpisodeOver);
        }
        let (reward, end) = self.ask("action", &action, observation)?;
        Ok(Step { reward, end })
    }
}
