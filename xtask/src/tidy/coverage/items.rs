//! The public functions of a crate, and what of its text calls functions without being one: tests and
//! examples.

use std::collections::BTreeSet;

use super::tokens::{Token, examples, tokens};

/// A function that a user of a crate can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Where it is written.
    pub(super) file: String,
    /// The type or the trait that it belongs to; of a free function the module's name.
    pub(super) owner: String,
    /// Its name.
    pub(super) name: String,
    /// Whether it is called on a value, on a type, or by its name.
    pub(super) kind: Kind,
    /// Whether its owner is a trait: then a user may write it instead of calling it.
    pub(super) of_trait: bool,
    /// Whether it is given numbers, an array or a text, itself or by a function that it calls back.
    pub(super) fed: bool,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `value.name(..)`.
    Method,
    /// `Type::name(..)`.
    Associated,
    /// `name(..)`.
    Free,
}

/// Text that calls functions: a test, an example, a check.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Where it is written.
    pub(super) file: String,
    /// What it says.
    pub(super) tokens: Vec<Token>,
}

/// What a source file declares and what it calls in tests and examples.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Public functions; those of items that cannot be named from outside too.
    pub(super) functions: Vec<Function>,
    /// Tests and examples.
    pub(super) callers: Vec<Caller>,
    /// What `pub use` names.
    pub(super) exported: BTreeSet<String>,
    /// Modules that are public, and those that only tests have.
    pub(super) public_modules: BTreeSet<String>,
    /// See `public_modules`.
    pub(super) test_modules: BTreeSet<String>,
}

/// Reads a source file of a library.
pub(super) fn read(file: &str, text: &str) -> Found {
    let mut found = Found::default();
    let all = tokens(text);
    let docs: Vec<Vec<String>> = all
        .chunk_by(|a, b| matches!((a, b), (Token::Doc(_), Token::Doc(_))))
        .filter_map(|run| {
            let lines = run.iter().filter_map(|token| match token {
                Token::Doc(line) => Some(line.clone()),
                Token::Word(_) | Token::Mark(_) => None,
            });
            let lines: Vec<String> = lines.collect();
            (!lines.is_empty()).then_some(lines)
        })
        .collect();
    for example in docs.iter().flat_map(|docs| examples(docs)) {
        found.callers.push(Caller { file: file.to_owned(), tokens: tokens(&example) });
    }
    let code: Vec<Token> =
        all.into_iter().filter(|token| !matches!(token, Token::Doc(_))).collect();
    let module = module_name(file);
    items(file, &code, &Owner::Module(module), &mut found);
    found
}

/// `peaks` for `src/peaks.rs` and for `src/peaks/mod.rs`, and `lib` for the root.
fn module_name(file: &str) -> String {
    let path = file.strip_suffix("/mod.rs").unwrap_or(file);
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".rs").unwrap_or(name).to_owned()
}

/// What functions are declared in.
enum Owner {
    Module(String),
    /// An `impl` block of a type: its public functions are its user's.
    Type(String),
    /// A public trait: all of its functions are.
    Trait(String),
}

/// Walks the items of a block.
fn items(file: &str, code: &[Token], owner: &Owner, found: &mut Found) {
    let mut at = 0;
    while at < code.len() {
        let Head { test, public, hidden, start } = head(code, at);
        let Some(token) = code.get(start) else { break };
        // Where the item ends: after its block, or after its semicolon.
        let open = (start..code.len()).find(|&k| code[k].is_mark('{') || code[k].is_mark(';'));
        let Some(open) = open else { break };
        let end = if code[open].is_mark('{') { close(code, open) } else { open };
        let block = code.get(open + 1..end).unwrap_or_default();
        let name = code.get(start + 1).and_then(Token::word).unwrap_or_default().to_owned();
        match token.word().unwrap_or_default() {
            "mod" if test && open == end => drop(found.test_modules.insert(name)),
            _ if test => {
                let tokens = code[start..=end.min(code.len() - 1)].to_vec();
                found.callers.push(Caller { file: file.to_owned(), tokens });
            }
            _ if hidden => {}
            "mod" if public && open == end => drop(found.public_modules.insert(name)),
            "mod" => items(file, block, &Owner::Module(name), found),
            "use" if public => {
                found
                    .exported
                    .extend(code[start..end].iter().filter_map(Token::word).map(str::to_owned));
                // `use a::{b, c};` has a block of its own.
                at = (start..code.len()).find(|&k| code[k].is_mark(';')).unwrap_or(end) + 1;
                let rest = code[start..at].iter().filter_map(Token::word).map(str::to_owned);
                found.exported.extend(rest);
                continue;
            }
            "trait" if public => items(file, block, &Owner::Trait(name), found),
            "impl" => {
                if let Some(name) = implemented(&code[start + 1..open]) {
                    items(file, block, &Owner::Type(name), found);
                }
            }
            "fn" if public || matches!(owner, Owner::Trait(_)) => {
                let arguments = arguments(&code[start..open]);
                let receiver = takes_self(arguments);
                let (own, free) = match owner {
                    Owner::Module(name) => (name, true),
                    Owner::Type(name) | Owner::Trait(name) => (name, false),
                };
                let kind = match (free, receiver) {
                    (true, _) => Kind::Free,
                    (false, true) => Kind::Method,
                    (false, false) => Kind::Associated,
                };
                // A macro's `fn $name` has no name yet.
                if !name.is_empty() {
                    found.functions.push(Function {
                        file: file.to_owned(),
                        owner: own.clone(),
                        name,
                        kind,
                        of_trait: matches!(owner, Owner::Trait(_)),
                        fed: takes_numbers(arguments),
                    });
                }
            }
            _ => {}
        }
        at = end + 1;
    }
}

/// What stands before an item's own word.
struct Head {
    /// It is for tests only.
    test: bool,
    public: bool,
    /// `#[doc(hidden)]`: no part of what is offered.
    hidden: bool,
    /// Where its own word is.
    start: usize,
}

fn head(code: &[Token], mut at: usize) -> Head {
    let (mut test, mut public, mut hidden) = (false, false, false);
    while let Some(token) = code.get(at) {
        if token.is_mark('#') {
            let open = if code.get(at + 1).is_some_and(|next| next.is_mark('!')) {
                at + 2
            } else {
                at + 1
            };
            let end = close(code, open);
            let words: Vec<&str> = code[at..end].iter().filter_map(Token::word).collect();
            test |= words == ["test"]
                || (words.starts_with(&["cfg"])
                    && words.contains(&"test")
                    && !words.contains(&"not"));
            hidden |= words == ["doc", "hidden"];
            at = end + 1;
        } else if token.is("pub") {
            // `pub(crate)` is not public.
            let restricted = code.get(at + 1).is_some_and(|next| next.is_mark('('));
            public = !restricted;
            at = if restricted { close(code, at + 1) + 1 } else { at + 1 };
        } else if ["const", "async", "extern", "unsafe"].iter().any(|word| token.is(word))
            && code[at..].iter().take(3).any(|next| next.is("fn"))
        {
            at += 1;
        } else {
            break;
        }
    }
    Head { test, public, hidden, start: at }
}

/// The bracket that closes the one at `open`; the last token where none does.
fn close(code: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in code.iter().enumerate().skip(open) {
        if let Token::Mark(mark) = token {
            match mark {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth == 0 {
            return at;
        }
    }
    code.len().saturating_sub(1)
}

/// The type of an `impl` block, given what stands between `impl` and `{`; `None` for a trait's.
fn implemented(header: &[Token]) -> Option<String> {
    let (mut depth, mut name) = (0i32, None);
    for (at, token) in header.iter().enumerate() {
        let arrow = at > 0 && header[at - 1].is_mark('-');
        if token.is_mark('<') {
            depth += 1;
        } else if token.is_mark('>') && !arrow {
            depth -= 1;
        } else if depth == 0 {
            match token.word() {
                Some("for") => return None,
                Some("where") => break,
                Some(word) => name = Some(word.to_owned()),
                None => {}
            }
        }
    }
    name
}

/// What stands between a function's brackets; its generic parameters may have brackets of their own.
fn arguments(signature: &[Token]) -> &[Token] {
    let mut depth = 0i32;
    for (at, token) in signature.iter().enumerate() {
        let arrow = at > 0 && signature[at - 1].is_mark('-');
        if token.is_mark('<') {
            depth += 1;
        } else if token.is_mark('>') && !arrow {
            depth -= 1;
        } else if depth == 0 && token.is_mark('(') {
            return &signature[at + 1..close(signature, at)];
        }
    }
    &[]
}

/// Whether a number, an array or a text is among the arguments. `T` alone is a number; `Layer<T>` is none.
fn takes_numbers(arguments: &[Token]) -> bool {
    const TYPES: [&str; 18] = [
        "f32",
        "f64",
        "usize",
        "isize",
        "u8",
        "u16",
        "u32",
        "u64",
        "i16",
        "i32",
        "i64",
        "str",
        "DMatrix",
        "DVector",
        "DMatrixView",
        "DMatrixViewMut",
        "Complex",
        "Operand",
    ];
    arguments.iter().enumerate().any(|(at, token)| {
        let alone = at > 0 && arguments[at - 1].is_mark(':');
        token.is_mark('[') || TYPES.iter().any(|name| token.is(name)) || (alone && token.is("T"))
    })
}

/// Whether a list of arguments begins with `self` in any form.
fn takes_self(arguments: &[Token]) -> bool {
    let skipped = |token: &&Token| {
        token.is_mark('&') || token.is("mut") || matches!(token, Token::Mark('\''))
    };
    let mut words = arguments.iter().skip_while(skipped);
    match words.next() {
        Some(token) if token.is("self") => true,
        // A lifetime's name: `&'a self`, `&'a mut self`.
        Some(token) if token.word().is_some() => {
            words.find(|token| !token.is("mut")).is_some_and(|token| token.is("self"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        //! A crate.
        //!
        //! ```
        //! first();
        //! ```
        pub mod open;
        mod hidden;
        #[cfg(test)]
        mod trials;
        pub use hidden::{Shown, other as renamed};

        /// Says so.
        pub fn first<T: Fn(&str) -> bool>(f: T) {}
        pub(crate) fn inner() {}
        pub const fn second() -> usize { fn within() {} 3 }
        impl<T: Into<Vec<u8>>> Shown<T> where T: Copy {
            pub fn new(x: T) -> Self { Self }
            #[must_use]
            pub fn with(mut self, x: &str) -> Self { self }
            pub fn get<'a>(&'a mut self) -> usize { 1 }
            fn private(&self) {}
        }
        impl Clone for Shown<u8> { fn clone(&self) -> Self { Self } }
        #[doc(hidden)]
        pub trait Sealed { fn secret(&self); }
        pub trait Asked { const N: usize; fn ask(&self); fn answer() -> u8 { 1 } }
        macro_rules! maker { ($name:ident) => { pub fn $name() {} } }
        #[cfg(test)]
        mod tests {
            #[test]
            fn it_is_so() { super::second(); }
        }
    "#;

    #[test]
    fn public_functions_are_found_with_their_owners() {
        let found = read("crates/a/src/lib.rs", SOURCE);
        let show = |f: &Function| format!("{}::{} {:?}", f.owner, f.name, f.kind);
        assert_eq!(
            found.functions.iter().map(show).collect::<Vec<_>>(),
            [
                "lib::first Free",
                "lib::second Free",
                "Shown::new Associated",
                "Shown::with Method",
                "Shown::get Method",
                "Asked::ask Method",
                "Asked::answer Associated",
            ]
        );
        assert_eq!(found.public_modules, BTreeSet::from(["open".to_owned()]));
        assert_eq!(found.test_modules, BTreeSet::from(["trials".to_owned()]));
        assert!(["Shown", "other", "renamed"].iter().all(|name| found.exported.contains(*name)));
    }

    #[test]
    fn what_is_given_numbers_is_known_by_its_arguments() {
        for (text, wanted) in [
            ("pub fn f(x: &[Peak]) {}", true),
            ("pub fn f<T: Into<Vec<u8>>>(x: Option<f64>) {}", true),
            ("pub fn f(g: impl Fn(f64) -> f64) {}", true),
            ("pub fn f<T>(a: DMatrix<T>) {}", true),
            ("pub fn f<T>(factor: T) {}", true),
            ("pub fn f<T>(layer: impl Layer<T>) {}", false),
            ("pub fn f<F: Fn(f64)>(window: Window) -> [f64; 3] {}", false),
            ("pub fn f() {}", false),
        ] {
            let found = read("crates/a/src/lib.rs", text);
            assert_eq!(found.functions[0].fed, wanted, "{text}");
        }
    }

    #[test]
    fn tests_and_examples_call_and_the_rest_does_not() {
        let found = read("crates/a/src/lib.rs", SOURCE);
        let calls = |word: &str| {
            found.callers.iter().filter(|c| c.tokens.iter().any(|token| token.is(word))).count()
        };
        assert_eq!((calls("first"), calls("second"), calls("within")), (1, 1, 0));
    }
}
