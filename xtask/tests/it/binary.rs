use std::process::Command;

/// Exit code, output, error output.
fn said(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(arguments).output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn without_a_task_it_says_what_there_is() {
    for arguments in [&[][..], &["help"], &["--help"], &["-h"], &["verify", "--help"]] {
        assert_eq!(said(arguments), (Some(0), xtask::USAGE.to_owned(), String::new()));
    }
}

#[test]
fn what_is_not_understood_exits_with_2() {
    for (arguments, problem) in [
        (&["polish"][..], "there is no task polish"),
        (&["--bogus"], "invalid option '--bogus'"),
        (&["verify", "--bogus"], "invalid option '--bogus'"),
        (&["verify", "--seed", "seven"], "--seed seven: invalid digit found in string"),
        (&["tidy", "everything"], "unexpected argument \"everything\""),
    ] {
        let (code, out, err) = said(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(err, format!("error: {problem}; `cargo xtask help` has the usage\n"));
    }
}

#[test]
fn a_filter_that_nothing_matches_exits_with_2() {
    let (code, out, err) = said(&["verify", "no-such-check"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
}

#[test]
fn bench_refuses_what_it_does_not_know_before_it_builds_anything() {
    let (code, out, err) = said(&["bench", "--peers", "--minutes", "soon"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("cannot parse argument \"soon\""), "{err}");
}
