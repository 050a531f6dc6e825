//! What a worker says of itself before anything else.

use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// The version of the protocol.
pub(super) const PROTOCOL: u64 = 1;

/// How requests and answers are written, once the worker has said hello in a line of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// An object or a list in a line: a little slower, and can be read by people.
    Json,
    /// Little-endian numbers behind the length of the whole.
    Binary,
}

/// What a worker says of itself in its first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) name: String,
    /// Numbers of a context; `None` for an environment.
    pub(super) context: Option<usize>,
    /// Numbers of an observation; `None` for a simulator.
    pub(super) observation: Option<usize>,
    /// Numbers of an action; `None` where it is one of `actions`.
    pub(super) action: Option<usize>,
    pub(super) actions: Option<usize>,
    pub(super) metrics: Vec<String>,
    pub(super) deterministic: bool,
    /// The longest list of requests that it takes.
    pub(super) batch: usize,
    pub(super) encoding: Encoding,
}

impl Hello {
    /// Reads the first line; `None` if it is no hello at all.
    pub(super) fn read(line: &[u8]) -> Option<Result<Self>> {
        let hello: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let name = match hello.get("hello")? {
            Value::String(name) => name.clone(),
            other => other.to_string(),
        };
        Some(Self::from_fields(name, &hello))
    }

    /// Refuses a worker that is another than before.
    pub(super) fn same_as(&self, before: &Self) -> Result<()> {
        let length = |n: Option<usize>| n.map_or_else(|| "missing".to_owned(), |n| n.to_string());
        let fields = |hello: &Self| {
            [
                ("hello", format!("{:?}", hello.name)),
                ("context", length(hello.context)),
                ("observation", length(hello.observation)),
                ("action", length(hello.action)),
                ("actions", length(hello.actions)),
                ("metrics", format!("{:?}", hello.metrics)),
                ("deterministic", hello.deterministic.to_string()),
                ("batch", hello.batch.to_string()),
                ("encoding", format!("{:?}", hello.encoding)),
            ]
        };
        let mut pairs = fields(self).into_iter().zip(fields(before));
        match pairs.find(|(now, before)| now != before) {
            None => Ok(()),
            Some(((field, got), _)) => {
                let expected = "what it said at its first start";
                Err(Error::WorkerHello { field, got, expected })
            }
        }
    }

    fn from_fields(name: String, hello: &Map<String, Value>) -> Result<Self> {
        let wrong = |field, expected| {
            let got = hello.get(field).map_or_else(|| "missing".to_owned(), Value::to_string);
            Error::WorkerHello { field, got, expected }
        };
        let length = |field: &'static str, least: usize| match hello.get(field) {
            None => Ok(None),
            Some(value) => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(n) if n >= least => Ok(Some(n)),
                _ if least == 0 => Err(wrong(field, "a length, 0 or more")),
                _ => Err(wrong(field, "a length of at least 1")),
            },
        };
        if hello.get("proto") != Some(&json!(PROTOCOL)) {
            return Err(wrong("proto", "1"));
        }
        let names = match hello.get("metrics") {
            None => Some(Vec::new()),
            Some(names) => names.as_array().and_then(|names| {
                names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
            }),
        };
        let deterministic = match hello.get("deterministic") {
            None => Some(true),
            Some(value) => value.as_bool(),
        };
        let encoding = match hello.get("encoding").map(Value::as_str) {
            None | Some(Some("json")) => Encoding::Json,
            Some(Some("binary")) => Encoding::Binary,
            _ => return Err(wrong("encoding", "\"json\" or \"binary\"")),
        };
        Ok(Self {
            name,
            context: length("context", 0)?,
            observation: length("observation", 1)?,
            action: length("action", 1)?,
            actions: length("actions", 1)?,
            metrics: names.ok_or_else(|| wrong("metrics", "a list of names"))?,
            deterministic: deterministic.ok_or_else(|| wrong("deterministic", "true or false"))?,
            batch: length("batch", 1)?.unwrap_or(1),
            encoding,
        })
    }
}
