//! What passes between the two processes, as bytes. The module's page has it in words.

use std::io::{BufRead, Write};
use std::ops::Range;

use serde_json::{Map, Value};

use super::hello::{Encoding, Hello};
use crate::{End, Result};

/// Bytes of a line or a frame beyond which it is no message but a worker gone wild.
const LONGEST: usize = 1 << 24;

/// One rollout asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) id: u64,
    pub(super) seed: u64,
    pub(super) context: &'a [f64],
    pub(super) action: &'a [f64],
}

/// The bytes that ask for these rollouts: one is an object, several are a list.
pub(super) fn requests(encoding: Encoding, asked: &[Request<'_>]) -> Vec<u8> {
    let numbers = asked.first().map_or(0, |request| request.context.len() + request.action.len());
    // 17 digits with their comma take 20 bytes or a few more.
    let mut out = Vec::with_capacity(asked.len() * (64 + 24 * numbers) + 8);
    match encoding {
        Encoding::Json => {
            let (before, after) = if asked.len() == 1 { ("", "\n") } else { ("[", "]\n") };
            out.extend_from_slice(before.as_bytes());
            for (place, request) in asked.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let Request { id, seed, context, action } = request;
                // Memory can be written to, so these results tell nothing.
                let _ = write!(out, r#"{comma}{{"id":{id},"seed":{seed},"context":"#);
                let _ = serde_json::to_writer(&mut out, context);
                let _ = write!(out, r#","action":"#);
                let _ = serde_json::to_writer(&mut out, action);
                out.push(b'}');
            }
            out.extend_from_slice(after.as_bytes());
        }
        Encoding::Binary => {
            // A list of 4 GiB is not written in the life of a worker.
            let bytes = u32::try_from(asked.len() * (16 + 8 * numbers)).unwrap_or(u32::MAX);
            out.extend(bytes.to_le_bytes());
            for Request { id, seed, context, action } in asked {
                out.extend(id.to_le_bytes());
                out.extend(seed.to_le_bytes());
                out.extend(context.iter().chain(*action).flat_map(|x| x.to_le_bytes()));
            }
        }
    }
    out
}

/// What a worker wrote at once.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    Hello(Result<Hello>),
    Answers(Vec<Answer>),
    /// A line that is not of this protocol, such as a print by the simulator.
    Stray(String),
    /// What may have been an answer and cannot be read.
    Garbage(String),
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) id: u64,
    pub(super) said: Said,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Metrics or an observation; NaN for what JSON calls null.
    Done {
        reward: f64,
        numbers: Vec<f64>,
        end: Option<End>,
    },
    Failed {
        text: String,
        retry: bool,
    },
}

/// What has come from a worker, cut into messages.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Bytes of messages that were taken.
    taken: usize,
    /// Bytes behind those in which no line ends.
    searched: usize,
    /// That of the hello, and none before it.
    encoding: Option<Encoding>,
}

impl Inbox {
    /// What new bytes are to be put behind.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        &mut self.bytes
    }

    /// Says that nothing more comes: a last line need not end.
    pub(super) fn end(&mut self) {
        if self.encoding != Some(Encoding::Binary) && self.taken < self.bytes.len() {
            self.bytes.push(b'\n');
        }
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Option<Message> {
        if self.encoding == Some(Encoding::Binary) {
            return self.frame();
        }
        let line = self.line()?;
        let line = &self.bytes[line];
        let message = match self.encoding {
            None => Hello::read(line).map_or_else(|| Message::Stray(text(line)), Message::Hello),
            Some(_) => read_line(line),
        };
        if let Message::Hello(Ok(hello)) = &message {
            self.encoding = Some(hello.encoding);
        }
        Some(message)
    }

    /// Takes the next line.
    fn line(&mut self) -> Option<Range<usize>> {
        let start = self.taken;
        let rest = &self.bytes[start..];
        let mut new = &rest[self.searched..];
        // Memory can be read.
        let length = self.searched + new.skip_until(b'\n').unwrap_or(0);
        if length < LONGEST && (length == 0 || rest[length - 1] != b'\n') {
            self.searched = length;
            return None;
        }
        self.searched = 0;
        self.taken += length.min(LONGEST);
        Some(start..self.taken)
    }

    /// Takes the next frame.
    fn frame(&mut self) -> Option<Message> {
        let (length, rest) = self.bytes[self.taken..].split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > LONGEST {
            self.taken = self.bytes.len();
            return Some(Message::Garbage(format!("a frame of {length} bytes")));
        }
        let message = read_frame(rest.get(..length)?);
        self.taken += 4 + length;
        Some(message)
    }
}

fn read_line(line: &[u8]) -> Message {
    // Python writes NaN and Infinity, which are not JSON, and no other writer of JSON has them at all.
    let value =
        serde_json::from_slice(line).or_else(|_| serde_json::from_slice(&without_nan(line)));
    let answers = match value {
        Ok(Value::Object(answer)) => read_answer(&answer).map(|answer| vec![answer]),
        Ok(Value::Array(list)) if list.iter().any(Value::is_object) => {
            list.iter().map(|answer| answer.as_object().and_then(read_answer)).collect()
        }
        Ok(_) => return Message::Stray(text(line)),
        Err(_) if line.starts_with(b"{") || line.starts_with(b"[{") => None,
        Err(_) => return Message::Stray(text(line)),
    };
    answers.map_or_else(|| Message::Garbage(text(line)), Message::Answers)
}

fn read_answer(answer: &Map<String, Value>) -> Option<Answer> {
    let number = |value: &Value| if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
    let id = answer.get("id")?.as_u64()?;
    if let Some(error) = answer.get("error") {
        let text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        let retry = answer.get("retry").is_none_or(|retry| retry != &Value::Bool(false));
        return Some(Answer { id, said: Said::Failed { text, retry } });
    }
    let observation = answer.get("observation");
    let reward = match answer.get("reward") {
        // An environment's first observation comes without.
        None if observation.is_some() => 0.0,
        reward => number(reward?)?,
    };
    let numbers = match observation.or_else(|| answer.get("metrics")) {
        None => Vec::new(),
        Some(numbers) => numbers.as_array()?.iter().map(number).collect::<Option<_>>()?,
    };
    let end = match answer.get("end") {
        None | Some(Value::Null) => None,
        Some(end) if end == "terminated" => Some(End::Terminated),
        Some(end) if end == "truncated" => Some(End::Truncated),
        Some(_) => return None,
    };
    Some(Answer { id, said: Said::Done { reward, numbers, end } })
}

/// The line with null for NaN, Infinity and -Infinity where they stand outside of a text.
fn without_nan(line: &[u8]) -> Vec<u8> {
    let (mut out, mut rest, mut quoted) = (Vec::with_capacity(line.len()), line, false);
    while let [first, after @ ..] = rest {
        let name = [&b"NaN"[..], b"Infinity", b"-Infinity"];
        if let Some(name) = name.iter().find(|name| !quoted && rest.starts_with(name)) {
            out.extend_from_slice(b"null");
            rest = &rest[name.len()..];
        } else if quoted && *first == b'\\' {
            let pair = rest.len().min(2);
            out.extend_from_slice(&rest[..pair]);
            rest = &rest[pair..];
        } else {
            quoted ^= *first == b'"';
            out.push(*first);
            rest = after;
        }
    }
    out
}

fn read_frame(frame: &[u8]) -> Message {
    let (words, rest) = frame.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|&bytes| u64::from_le_bytes(bytes)).collect();
    match words[..] {
        [id, status @ (1 | 2), ..] => {
            let said = Said::Failed { text: text(&frame[16..]), retry: status == 1 };
            Message::Answers(vec![Answer { id, said }])
        }
        [id, 0, reward, ref numbers @ ..] if rest.is_empty() => {
            let numbers = numbers.iter().map(|&bits| f64::from_bits(bits)).collect();
            let said = Said::Done { reward: f64::from_bits(reward), numbers, end: None };
            Message::Answers(vec![Answer { id, said }])
        }
        _ => Message::Garbage(format!("a frame of {} bytes: {words:x?}", frame.len())),
    }
}

/// What can be shown of a line: not all of it where it is long.
fn text(line: &[u8]) -> String {
    const SHOWN: usize = 200;
    let mut text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
    if let Some((cut, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::serve;
    use super::*;
    use crate::{Outcome, Simulator};
    use proptest::prelude::*;

    /// Answers with what it is given.
    struct Echo;

    impl Simulator for Echo {
        fn context_length(&self) -> usize {
            2
        }

        fn action_length(&self) -> usize {
            3
        }

        fn metrics(&self) -> Vec<&str> {
            vec!["c", "a", "b", "seed's high half", "its low half"]
        }

        fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
            // Small numbers, and so two more tests of subnormals.
            let [high, low] = [seed >> 32, seed << 32 >> 32].map(f64::from_bits);
            let metrics = vec![context[1], action[0], action[1], high, low];
            assert_eq!(action[2].to_bits(), 2f64.to_bits());
            Ok(Outcome { reward: context[0], metrics })
        }
    }

    /// All that a worker writes, which comes in pieces of so many bytes.
    fn messages(written: &[u8], pieces: usize) -> Vec<Message> {
        let (mut messages, mut inbox) = (Vec::new(), Inbox::default());
        for piece in written.chunks(pieces) {
            inbox.room().extend(piece);
            messages.extend(std::iter::from_fn(|| inbox.next()));
        }
        inbox.end();
        messages.extend(std::iter::from_fn(|| inbox.next()));
        messages
    }

    proptest! {
        /// There and back, through both sides: the sign of zero, subnormals and all.
        #[test]
        fn every_finite_number_keeps_every_bit(
            bits in proptest::collection::vec(any::<u64>(), 4..40),
            seed in any::<u64>(),
        ) {
            // Exponents of all ones, which are infinite or NaN, become those of numbers in [1, 2).
            let finite = |bits: u64| Some(f64::from_bits(bits)).filter(|x| x.is_finite());
            let all: Vec<f64> = bits
                .iter()
                .map(|&bits| finite(bits).unwrap_or(f64::from_bits(bits & !(1 << 62))))
                .collect();
            let samples: Vec<[f64; 5]> =
                all.as_chunks().0.iter().map(|&[a, b, c, d]| [a, b, c, d, 2.0]).collect();
            for encoding in [Encoding::Json, Encoding::Binary] {
                let asked: Vec<Request<'_>> = samples
                    .iter()
                    .zip(10..)
                    .map(|(x, id)| Request { id, seed, context: &x[..2], action: &x[2..] })
                    .collect();
                let mut written = Vec::new();
                serve(&mut Echo, "echo", encoding, &requests(encoding, &asked)[..], &mut written)?;
                let answers: Vec<Answer> = messages(&written, bits.len())
                    .into_iter()
                    .skip(1)
                    .flat_map(|message| match message {
                        Message::Answers(answers) => answers,
                        other => panic!("{other:?}"),
                    })
                    .collect();
                prop_assert_eq!(answers.len(), samples.len());
                for ((answer, sample), id) in answers.iter().zip(&samples).zip(10..) {
                    let Said::Done { reward, numbers, end: None } = &answer.said else {
                        panic!("{answer:?}");
                    };
                    prop_assert_eq!(answer.id, id);
                    prop_assert_eq!(reward.to_bits(), sample[0].to_bits());
                    for (got, sent) in numbers.iter().zip(&sample[1..4]) {
                        prop_assert_eq!(got.to_bits(), sent.to_bits());
                    }
                    prop_assert_eq!((numbers[3].to_bits() << 32) + numbers[4].to_bits(), seed);
                }
            }
        }

        #[test]
        fn no_bytes_are_more_than_garbage(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            pieces in 1..400usize,
        ) {
            let hello = br#"{"hello":"x","proto":1,"encoding":"binary"}"#;
            for start in [&b""[..], b"{", b"[{", hello] {
                let written = [start, b"\n", &bytes].concat();
                let [whole, parts] = [written.len(), pieces].map(|pieces| {
                    let mut messages = messages(&written, pieces);
                    let is_garbage = |message: &Message| matches!(message, Message::Garbage(_));
                    // A worker is not listened to any longer then.
                    let end = messages.iter().position(is_garbage).map_or(messages.len(), |at| at + 1);
                    messages.truncate(end);
                    messages
                });
                prop_assert!(!whole.iter().any(|message| matches!(message, Message::Hello(Err(_)))));
                prop_assert_eq!(whole, parts);
            }
        }
    }

    fn answer(id: u64, reward: f64, numbers: &[f64]) -> Answer {
        Answer { id, said: Said::Done { reward, numbers: numbers.to_vec(), end: None } }
    }

    #[test]
    fn a_line_is_answers_a_stray_print_or_garbage() {
        let stray = |line: &str| Message::Stray(line.to_owned());
        let garbage = |line: &str| Message::Garbage(line.to_owned());
        for (line, message) in [
            (r#"{"id":3,"reward":1}"#, Message::Answers(vec![answer(3, 1.0, &[])])),
            (
                r#" [{"reward":-2.5,"metrics":[1,2e3],"id":4},{"id":3,"reward":0,"more":[]}] "#,
                Message::Answers(vec![answer(4, -2.5, &[1.0, 2000.0]), answer(3, 0.0, &[])]),
            ),
            (r#"{"id":3,"observation":[1]}"#, Message::Answers(vec![answer(3, 0.0, &[1.0])])),
            ("", stray("")),
            ("step 3 of 9", stray("step 3 of 9")),
            ("[INFO] ready", stray("[INFO] ready")),
            ("[1, 2]", stray("[1, 2]")),
            ("3.5", stray("3.5")),
            (r#"{"id":3}"#, garbage(r#"{"id":3}"#)),
            (r#"{"id":-3,"reward":1}"#, garbage(r#"{"id":-3,"reward":1}"#)),
            (r#"{"id":3,"reward":"1"}"#, garbage(r#"{"id":3,"reward":"1"}"#)),
            (r#"{"id":3,"rew"#, garbage(r#"{"id":3,"rew"#)),
            (r#"[{"id":3,"reward":1},4]"#, garbage(r#"[{"id":3,"reward":1},4]"#)),
            (r#"{"id":3,"reward":1,"end":"over"}"#, garbage(r#"{"id":3,"reward":1,"end":"over"}"#)),
        ] {
            assert_eq!(read_line(line.as_bytes()), message, "{line}");
        }
        let failed = |text: &str, retry| {
            let said = Said::Failed { text: text.to_owned(), retry };
            Message::Answers(vec![Answer { id: 3, said }])
        };
        assert_eq!(read_line(br#"{"id":3,"error":"NaN","retry":false}"#), failed("NaN", false));
        assert_eq!(read_line(br#"{"id":3,"error":7}"#), failed("7", true));
        assert_eq!(text("ü".repeat(300).as_bytes()), "ü".repeat(200) + "…");
    }

    #[test]
    fn what_python_writes_for_nan_is_null_outside_of_texts() {
        let line = br#"{"a":NaN,"NaN":-Infinity,"b\"NaN\\":[Infinity,"-Infinity"]}"#;
        let expected = r#"{"a":null,"NaN":null,"b\"NaN\\":[null,"-Infinity"]}"#;
        assert_eq!(String::from_utf8_lossy(&without_nan(line)), expected);
        assert_eq!(without_nan(br#""\"#), br#""\"#);
        let Message::Answers(answers) = read_line(br#"{"id":3,"reward":NaN,"metrics":[null,1]}"#)
        else {
            panic!("no answers");
        };
        let Said::Done { reward, numbers, .. } = &answers[0].said else { panic!("{answers:?}") };
        assert!(reward.is_nan() && numbers[0].is_nan() && numbers[1].to_bits() == 1f64.to_bits());
    }

    #[test]
    fn requests_are_written_as_the_documentation_says() {
        let one = Request { id: 7, seed: u64::MAX, context: &[], action: &[0.1, -0.0] };
        let two = Request { id: 8, seed: 0, context: &[], action: &[2.5, 5e-324] };
        let json = |asked: &[Request<'_>]| {
            String::from_utf8_lossy(&requests(Encoding::Json, asked)).into_owned()
        };
        assert_eq!(
            json(&[one]),
            "{\"id\":7,\"seed\":18446744073709551615,\"context\":[],\"action\":[0.1,-0.0]}\n"
        );
        assert!(json(&[one, two]).starts_with("[{\"id\":7,"));
        assert!(json(&[one, two]).ends_with("[2.5,5e-324]}]\n"), "{}", json(&[one, two]));
        let binary = requests(Encoding::Binary, &[one, two]);
        assert_eq!(binary[..4], 64u32.to_le_bytes());
        assert_eq!(binary[36..44], 8u64.to_le_bytes());
        assert_eq!(binary.len(), 68);
    }

    #[test]
    fn a_frame_is_an_answer_or_garbage() {
        let frame = |words: &[u64], more: &[u8]| {
            let body = [words.iter().flat_map(|word| word.to_le_bytes()).collect(), more.to_vec()];
            let body = body.concat();
            [&u32::try_from(body.len()).expect("short").to_le_bytes()[..], &body].concat()
        };
        let read = |written: &[u8]| {
            let mut inbox = Inbox { encoding: Some(Encoding::Binary), ..Inbox::default() };
            inbox.room().extend(written);
            inbox.end();
            inbox.next()
        };
        let one = 1f64.to_bits();
        let answers = Message::Answers(vec![answer(3, 1.0, &[1.0])]);
        assert_eq!(read(&frame(&[3, 0, one, one], b"")), Some(answers));
        for (status, retry) in [(1, true), (2, false)] {
            let said = Said::Failed { text: "it broke".to_owned(), retry };
            let answers = Message::Answers(vec![Answer { id: 3, said }]);
            assert_eq!(read(&frame(&[3, status], b"it broke")), Some(answers));
        }
        for bad in [frame(&[3, 0], b""), frame(&[3, 0, one], b"x"), frame(&[3, 3, one], b"")] {
            assert!(matches!(read(&bad), Some(Message::Garbage(_))), "{bad:?}");
        }
        assert_eq!(
            read(b"hello\n"),
            Some(Message::Garbage("a frame of 1819043176 bytes".to_owned()))
        );
        assert_eq!(read(b"\x10"), None);
    }
}
