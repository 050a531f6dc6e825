//! Coverage of claims: whatever a user can call is called by a check, a test or an example that runs.
//!
//! A scanner, not a compiler: it reads words. A function counts as called where its name stands as a call
//! in a text that also names its type (or module, for a free function), stands in the same file, or where no
//! other public function has that name; a trait's function also where another file writes it for a type,
//! since the crate calls it there. The scanner cannot tell two types of one name apart, nor a method of ours from one
//! of the standard library that is called beside our type's name; what it reports is missing, is missing.
//!
//! The same scanner holds the table of bad input, `xtask/tests/it/bad_input`, to the public functions: every one
//! that is given numbers, an array or a text stands in a row. A trait's functions do not, which users write and
//! which the functions that take them call.

mod items;
mod tokens;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;

use self::items::{Caller, Found, Function, Kind};
use self::tokens::{Token, tokens};
use super::Problem;
use super::files::{files_below, read, subfolders};
use crate::verify::report::questions::Question;

/// Where the table of bad input is.
const TABLE: &str = "xtask/tests/it/bad_input";

/// The source of the crates, and of what calls them.
#[derive(Debug, Clone)]
pub struct Sources(Vec<(String, String)>);

impl Sources {
    /// Reads the crates' sources, tests and examples, and the checks.
    ///
    /// # Errors
    /// A folder or a file cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for name in ["src", "tests", "examples"] {
            for folder in subfolders(root, "crates", name)? {
                files.extend(files_below(root, &folder)?);
            }
        }
        files.extend(files_below(root, "xtask/src/verify/checks")?);
        files.extend(files_below(root, TABLE)?);
        files.retain(|file| Path::new(file).extension().is_some_and(|extension| extension == "rs"));
        let texts = files.into_iter().map(|file| read(root, &file).map(|text| (file, text)));
        Ok(Self(texts.collect::<io::Result<_>>()?))
    }

    /// Every public function of the crates is called by a check, a test or an example.
    #[must_use]
    pub fn coverage(&self) -> Vec<Problem> {
        uncalled(&self.0)
    }

    /// Every public function that is given numbers, an array or a text stands in a row of the table of bad input.
    #[must_use]
    pub fn bad_input(&self) -> Vec<Problem> {
        missing_rows(&self.0)
    }

    /// Every line that the report tells a reader to write stands in an example of the documentation,
    /// or in a test, of the crate that it names.
    #[must_use]
    pub fn quoted(&self, questions: &[Question]) -> Vec<Problem> {
        let mut callers = BTreeMap::<&str, Vec<Caller>>::new();
        let mut problems = Vec::new();
        for Question { number, library, code, .. } in questions {
            let callers = callers.entry(library).or_insert_with(|| self.callers(library));
            for line in *code {
                let words = tokens(line);
                let stands =
                    |caller: &Caller| caller.tokens.windows(words.len()).any(|own| own == words);
                if !callers.iter().any(stands) {
                    let advice = format!("question {number}: no example of {library} has `{line}`");
                    problems.push(Problem::new("xtask/src/verify/report/questions.rs", advice));
                }
            }
        }
        problems
    }

    /// The examples and tests in a library's source.
    fn callers(&self, library: &str) -> Vec<Caller> {
        let folder = format!("crates/{library}/src/");
        let texts = self.0.iter().filter(|(file, _)| file.starts_with(&folder));
        texts.flat_map(|(file, text)| items::read(file, text).callers).collect()
    }
}

/// The public functions of the libraries among these files, and the tests and examples that may call them.
fn functions_and_callers(sources: &[(String, String)]) -> (Vec<Function>, Vec<Caller>) {
    let (mut libraries, mut callers) = (BTreeMap::<&str, Vec<(&str, Found)>>::new(), Vec::new());
    for (file, text) in sources {
        match file.split_once("/src/") {
            Some((library, _)) if library.starts_with("crates/") => {
                libraries.entry(library).or_default().push((file, items::read(file, text)));
            }
            _ if file.starts_with(TABLE) => {}
            _ => callers.push(Caller { file: file.clone(), tokens: tokens(text) }),
        }
    }
    let mut functions = Vec::new();
    for (library, mut files) in libraries {
        let test_folders = test_modules(&files);
        let is_test = |file: &str| test_folders.iter().any(|folder| belongs(file, folder));
        let (exported, modules) = reachable(library, &files);
        for (file, found) in &mut files {
            callers.append(&mut found.callers);
            if is_test(file) {
                let text =
                    sources.iter().find(|(name, _)| name == file).map(|(_, text)| tokens(text));
                callers.push(Caller { file: (*file).to_owned(), tokens: text.unwrap_or_default() });
                continue;
            }
            let open = modules.contains(&module_path(library, file));
            functions.extend(found.functions.drain(..).filter(|function| {
                let item =
                    if function.kind == Kind::Free { &function.name } else { &function.owner };
                open || exported.contains(item)
            }));
        }
    }
    (functions, callers)
}

/// Those of the functions that no text calls. A text that does not name a function's owner may still call it if no
/// other function has both its name and its `rank`.
fn not_called<'a>(
    functions: &'a [Function],
    callers: &[Caller],
    rank: fn(&Function) -> bool,
) -> Vec<&'a Function> {
    let mut owners = BTreeMap::<(&str, bool), BTreeSet<&str>>::new();
    for function in functions {
        owners.entry((&function.name, rank(function))).or_default().insert(&function.owner);
    }
    // Which texts have a word at all: few of them, for most words.
    let mut texts = HashMap::<&str, BTreeSet<usize>>::new();
    for (index, caller) in callers.iter().enumerate() {
        for word in caller.tokens.iter().filter_map(Token::word) {
            texts.entry(word).or_default().insert(index);
        }
    }
    let called = |function: &Function| {
        let only = owners
            .get(&(function.name.as_str(), rank(function)))
            .is_some_and(|owners| owners.len() == 1);
        let mut texts = texts.get(function.name.as_str()).into_iter().flatten();
        texts.any(|&index| calls(&callers[index], function, only))
    };
    functions.iter().filter(|function| !called(function)).collect()
}

/// The public functions that no row of the table of bad input calls, of those that are given something to be bad.
fn missing_rows(sources: &[(String, String)]) -> Vec<Problem> {
    let (functions, _) = functions_and_callers(sources);
    let mut rows = Vec::new();
    for (file, text) in sources.iter().filter(|(file, _)| file.starts_with(TABLE)) {
        let all = tokens(text);
        let begins =
            |at: &usize| all[*at].is("row") && all.get(at + 1).is_some_and(|t| t.is_mark('('));
        let starts: Vec<usize> = (0..all.len()).filter(begins).chain([all.len()]).collect();
        let row =
            |pair: &[usize]| Caller { file: file.clone(), tokens: all[pair[0]..pair[1]].to_vec() };
        rows.extend(starts.windows(2).map(row));
    }
    // A row calls what it has imported: a free function is told from a method by its call.
    not_called(&functions, &rows, |function| function.kind == Kind::Free)
        .into_iter()
        // A team of ranks is made by `ranks::launch`, which is a program's whole `main`.
        .filter(|function| !function.file.starts_with("crates/ranks/"))
        .filter(|function| function.fed && !function.of_trait)
        .map(|Function { file, owner, name, .. }| {
            let advice =
                format!("no row of {TABLE} calls {owner}::{name} with bad input; write one");
            Problem::new(file.clone(), advice)
        })
        .collect()
}

/// The public functions of the libraries among these files that nothing calls.
fn uncalled(sources: &[(String, String)]) -> Vec<Problem> {
    let (functions, callers) = functions_and_callers(sources);
    let uncalled = not_called(&functions, &callers, |_| true);
    let offers = uncalled.iter().any(|function| function.of_trait);
    let whole: Vec<Caller> = sources
        .iter()
        .filter(|_| offers)
        .map(|(file, text)| Caller { file: file.clone(), tokens: tokens(text) })
        .collect();
    uncalled
        .into_iter()
        .filter(|function| !(function.of_trait && whole.iter().any(|text| writes(text, function))))
        .map(|Function { file, owner, name, .. }| {
            let advice =
                format!("no check, test or example calls {owner}::{name}; write one, or hide it");
            Problem::new(file.clone(), advice)
        })
        .collect()
}

/// The files without ending of the modules that only tests have.
fn test_modules(files: &[(&str, Found)]) -> Vec<String> {
    let modules = |(file, found): &(&str, Found)| {
        let folder = folder_of_modules(file);
        found.test_modules.iter().map(move |name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    files.iter().flat_map(modules).collect()
}

/// The folder in which a file's modules lie.
fn folder_of_modules(file: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let root = ["/mod", "/lib"].iter().find_map(|root| path.strip_suffix(root));
    root.unwrap_or(path).to_owned()
}

fn belongs(file: &str, module: &str) -> bool {
    file.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Below `src`, without ending: `peaks/width` for the module `peaks::width`, nothing for the root.
fn module_path(library: &str, file: &str) -> String {
    let inside = folder_of_modules(file);
    let path = inside.strip_prefix(&format!("{library}/src")).unwrap_or(&inside);
    path.trim_start_matches('/').to_owned()
}

/// What the library's `pub use` names, and the modules that are public all the way up.
fn reachable(library: &str, files: &[(&str, Found)]) -> (BTreeSet<String>, BTreeSet<String>) {
    let exported = files.iter().flat_map(|(_, found)| found.exported.iter().cloned()).collect();
    let mut modules = BTreeSet::from([String::new()]);
    // A module's parent lies above it, so as many passes as there are levels are enough.
    for _ in 0..8 {
        for (file, found) in files {
            let path = module_path(library, file);
            if modules.contains(&path) {
                let child =
                    |name: &String| format!("{path}/{name}").trim_start_matches('/').to_owned();
                modules.extend(found.public_modules.iter().map(child));
            }
        }
    }
    (exported, modules)
}

/// Whether the text calls the function; `only`: no other public function has its name.
fn calls(caller: &Caller, function: &Function, only: bool) -> bool {
    let text = &caller.tokens;
    let known =
        only || caller.file == function.file || text.iter().any(|token| token.is(&function.owner));
    known
        && text.iter().enumerate().any(|(at, token)| {
            let before = |back: usize| at.checked_sub(back).map(|at| &text[at]);
            let mark = |back, mark| before(back).is_some_and(|token: &Token| token.is_mark(mark));
            let path = mark(1, ':') && mark(2, ':');
            let call = text.get(at + 1).is_some_and(|next| next.is_mark('(') || next.is_mark(':'));
            token.is(&function.name)
                && match function.kind {
                    Kind::Method => mark(1, '.') || path,
                    Kind::Associated => path,
                    Kind::Free => {
                        let declared = before(1).is_some_and(|token| token.is("fn"));
                        path || (call && !mark(1, '.') && !declared)
                    }
                }
        })
}

/// Whether the text, which is another file than the trait's, has this function of the trait for a type.
fn writes(text: &Caller, function: &Function) -> bool {
    let declared = |pair: &[Token]| pair[0].is("fn") && pair[1].is(&function.name);
    text.file != function.file
        && text.tokens.iter().any(|token| token.is(&function.owner))
        && text.tokens.windows(2).any(declared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::report::questions::QUESTIONS;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        uncalled(&files).iter().map(ToString::to_string).collect()
    }

    const TYPES: &str = "pub struct A; impl A { pub fn new() -> A { A } pub fn size(&self) {} }
        pub struct B; impl B { pub fn size(&self) {} }";

    #[test]
    fn what_nothing_calls_is_named() {
        assert_eq!(
            problems(&[("crates/a/src/lib.rs", "pub fn alone() {}\npub fn with() { alone() }")]),
            [
                "crates/a/src/lib.rs: no check, test or example calls lib::alone; write one, or hide it",
                "crates/a/src/lib.rs: no check, test or example calls lib::with; write one, or hide it",
            ]
        );
    }

    #[test]
    fn checks_tests_and_examples_count_and_comments_do_not() {
        let library = ("crates/a/src/lib.rs", "pub fn alone() {}");
        for (file, text) in [
            ("crates/a/tests/it/main.rs", "fn t() { a::alone(); }"),
            ("crates/a/examples/e.rs", "fn main() { alone(); }"),
            ("xtask/src/verify/checks/a.rs", "fn c() { alone(); }"),
            ("crates/a/src/other.rs", "//! ```\n//! a::alone();\n//! ```"),
            ("crates/a/src/other.rs", "#[cfg(test)] mod tests { fn t() { crate::alone(); } }"),
        ] {
            assert_eq!(problems(&[library, (file, text)]).len(), 0, "{file}: {text}");
        }
        for text in
            ["// alone();", "fn t() { say(\"alone()\") }", "fn alone() {}", "let alone = 1;"]
        {
            assert_eq!(
                problems(&[library, ("crates/a/tests/it/main.rs", text)]).len(),
                1,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_given_numbers_needs_a_row_of_the_table() {
        let library = "pub fn f(x: f64) {} pub fn g() {} pub trait T { fn h(&self, x: f64); }
            pub struct A; impl A { pub fn k(&self, x: usize) {} }
            pub struct B; impl B { pub fn k(&self, x: usize) {} }";
        let missing = |table: &str| {
            let files =
                [("crates/a/src/lib.rs", library), ("xtask/tests/it/bad_input/a.rs", table)];
            missing_rows(&files.map(|(file, text)| (file.to_owned(), text.to_owned()))).len()
        };
        assert_eq!(missing("f(1.0); A.k(1); B.k(1);"), 3, "outside of a row");
        assert_eq!(missing("row(|x| f(x))"), 2);
        assert_eq!(
            missing("row(|x| A.k(x)), row(|x| { let b: B; f(x) })"),
            1,
            "each row for itself"
        );
        assert_eq!(missing("row(|x| A.k(x)), row(|x| { f(x); B.k(x) })"), 0);
    }

    #[test]
    fn a_name_that_two_types_share_needs_its_type() {
        let library = ("crates/a/src/lib.rs", TYPES);
        let test = |text| problems(&[library, ("crates/a/tests/it/main.rs", text)]).len();
        assert_eq!(test("fn t() { A::new().size(); }"), 1);
        assert_eq!(test("fn t() { A::new().size(); let b: B = b(); }"), 0);
        assert_eq!(test("fn t() { make().size(); }"), 3);
    }

    #[test]
    fn what_cannot_be_named_from_outside_is_nobodys() {
        let root = ("crates/a/src/lib.rs", "mod hidden; pub mod open; pub use hidden::Shown;");
        let hidden = "pub fn f() {} pub struct Shown; impl Shown { pub fn g(&self) {} }
            pub trait Sealed { fn h(&self); }";
        let found = problems(&[
            root,
            ("crates/a/src/hidden.rs", hidden),
            ("crates/a/src/open/mod.rs", "mod deep; pub fn k() {}"),
            ("crates/a/src/open/deep.rs", "pub fn l() {}"),
        ]);
        let names: Vec<_> = found.iter().filter_map(|p| p.split("::").nth(1)).collect();
        assert_eq!(names, ["g; write one, or hide it", "k; write one, or hide it"]);
    }

    #[test]
    fn a_line_to_write_stands_in_an_example_of_its_crate() {
        let question = |library, code| Question { library, code, ..QUESTIONS[0] };
        let text = "//! ```\n//! let x = f(&y,  1.0)?; // so\n//! ```\npub fn g() { h(2) }";
        let sources = Sources(vec![("crates/a/src/lib.rs".to_owned(), text.to_owned())]);
        let wrong = |library, code| sources.quoted(&[question(library, code)]).len();
        assert_eq!(wrong("a", &["let x = f(&y, 1.0)?;", "f(&y, 1.0)"]), 0);
        assert_eq!(wrong("a", &["let x = f(&y, 2.0)?;"]), 1);
        assert_eq!(wrong("a", &["h(2)"]), 1, "not an example");
        assert_eq!(wrong("b", &["f(&y, 1.0)"]), 1, "another crate");
    }

    #[test]
    fn a_function_of_a_trait_may_be_written_for_a_type() {
        let library = ("crates/a/src/lib.rs", "pub trait T { fn f(&self) {} }");
        assert_eq!(problems(&[library]).len(), 1);
        for (text, wanted) in [
            ("impl T for X { fn f(&self) {} }", 0),
            ("impl U for X { fn f(&self) {} }", 1),
            ("impl T for X { fn g(&self) {} }", 1),
        ] {
            assert_eq!(problems(&[library, ("crates/b/src/x.rs", text)]).len(), wanted, "{text}");
        }
    }

    #[test]
    fn a_module_for_tests_is_a_test() {
        let root = ("crates/a/src/lib.rs", "pub fn f() {}\n#[cfg(test)] mod trials;");
        assert_eq!(problems(&[root]).len(), 1);
        assert_eq!(
            problems(&[root, ("crates/a/src/trials.rs", "fn t() { super::f(); }")]).len(),
            0
        );
        let deeper = ("crates/a/src/trials/more.rs", "fn t() { crate::f(); }");
        assert_eq!(problems(&[root, deeper]).len(), 0);
    }
}
