use xtask::tidy;

#[test]
fn the_workspace_is_tidy() {
    let problems = tidy::problems(xtask::workspace_root()).unwrap();
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
