//! Rust's text as words and marks: enough to see what is declared and what is called, without comments,
//! strings and a parser's dependencies.

use std::iter;

/// A piece of source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a keyword or the digits of a number.
    Word(String),
    /// A single character of anything else.
    Mark(char),
    /// A line of documentation, without the slashes.
    Doc(String),
}

impl Token {
    /// Whether it is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// Whether it is this mark.
    pub(super) fn is_mark(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }

    /// The word, if it is one.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Mark(_) | Self::Doc(_) => None,
        }
    }
}

/// The words, marks and documentation of a source text; strings and characters leave nothing.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if let Some(comment) = rest.strip_prefix("//") {
            let line = comment.lines().next().unwrap_or_default();
            let outer = line.strip_prefix('/').filter(|line| !line.starts_with('/'));
            tokens.extend(outer.or(line.strip_prefix('!')).map(|doc| Token::Doc(doc.to_owned())));
            2 + line.len()
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest) {
            length
        } else if first == '\'' {
            quoted(rest)
        } else if is_name(first) {
            let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_owned()));
            length
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Mark(first));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment, and of those within.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string, raw or not, of bytes or not, if one begins here.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix).unwrap_or_default();
        after.starts_with('"') || (prefix.ends_with('r') && is_raw(after))
    })?;
    let body = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.find('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let inside = &body[hashes + 1..];
        let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    Some(prefix.len() + 1 + closing(&body[1..], '"'))
}

/// Hashes, then a quote.
fn is_raw(text: &str) -> bool {
    text.starts_with('#') && text.trim_start_matches('#').starts_with('"')
}

/// The length of what follows an opening quote, up to and with the closing one.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a character, or of a lifetime's quote.
fn quoted(text: &str) -> usize {
    let mut after = text[1..].chars();
    match (after.next(), after.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => 1 + closing(&text[1..], '\''),
        _ => 1,
    }
}

/// The examples in a run of documentation: the blocks that rustdoc runs, hidden lines included.
pub(super) fn examples(docs: &[String]) -> Vec<String> {
    let mut lines = docs.iter();
    iter::from_fn(|| {
        let info = lines.find_map(|line| line.trim().strip_prefix("```"))?;
        let code = lines.by_ref().map(|line| line.strip_prefix(' ').unwrap_or(line));
        let code: Vec<&str> = code.take_while(|line| line.trim() != "```").map(shown).collect();
        let runs = |word: &str| matches!(word, "" | "rust" | "no_run" | "should_panic");
        Some(if info.split(',').all(|word| runs(word.trim())) {
            code.join("\n")
        } else {
            String::new()
        })
    })
    .filter(|code| !code.is_empty())
    .collect()
}

/// A line of an example without the mark that hides it.
fn shown(line: &str) -> &str {
    if line.trim() == "#" { "" } else { line.trim_start().strip_prefix("# ").unwrap_or(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let show = |token: Token| match token {
            Token::Word(word) => word,
            Token::Mark(mark) => mark.to_string(),
            Token::Doc(doc) => format!("[{doc}]"),
        };
        tokens(text).into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_strings_leave_nothing() {
        assert_eq!(words("a /* b /* c */ d */ e // f\ng"), "a e g");
        assert_eq!(words(r#"call("f(\"x\")", b"g", 'h', '\'', '"') + k"#), "call ( , , , , ) + k");
        assert_eq!(words("r#\"say \"f\"\"# + br##\"\"#\"## + c\"x\" end"), "+ + end");
        assert_eq!(words("fn f<'a>(x: &'a str) -> char { 'a' }").matches("str").count(), 1);
        assert_eq!(words("\"unfinished f()"), "");
    }

    #[test]
    fn documentation_is_kept_line_by_line() {
        assert_eq!(words("//! Top\n/// Item\n//// not\nfn f"), "[ Top] [ Item] fn f");
    }

    #[test]
    fn only_examples_that_run_count() {
        let docs = " Text.\n ```\n # use a::b;\n let x = b();\n #\n ```\n ```text\n c()\n ```\n ```no_run\n d()\n ```";
        let docs: Vec<String> = docs.split('\n').map(str::to_owned).collect();
        assert_eq!(examples(&docs), ["use a::b;\nlet x = b();\n", "d()"]);
    }
}
