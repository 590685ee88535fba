//! The command line. It is parsed without a library, because a command line library takes half a minute to compile.

/// The help text, which is also printed after a wrong command line.
pub(crate) const USAGE: &str = "\
usage: cargo xtask <command>

  build               build golem and golem-cli, optimised, into target/optimised
  demo [--keep]       build, deploy the example, call it, kill the server, start it again, call it again;
                      with --keep the server keeps running at the end
  test [STAGE...]     run all checks, or only the stages named; --list prints their names
  long                run tests with sizes that take too long for `test`: minutes, and gigabytes of disk
  guests              build the examples and the test guests into target/guests
  tools               install the compilers of other languages into target/tools
  bench [-- ARGS...]  build and run the benchmark, with ARGS passed on (--quick for a short run)
  sim [-- ARGS...]    build and run the simulation, with ARGS passed on (--seed S, --minutes M, --mutants)
  bless               rewrite the golden files of the tests; look at the difference before you commit it
  help                this text";

/// A command of the developer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Build,
    Guests,
    Tools,
    Demo { keep: bool },
    Test { stages: Vec<String> },
    ListStages,
    Long,
    Bench { rest: Vec<String> },
    Simulate { rest: Vec<String> },
    Bless,
}

/// Parses the words after `cargo xtask`.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let Some(command) = words.next() else {
        return Err("a command is missing".to_owned());
    };
    let rest: Vec<String> = words.collect();
    let without_arguments = |command| match rest.first() {
        None => Ok(command),
        Some(extra) => Err(format!("unexpected argument `{extra}`")),
    };
    match command.as_str() {
        "help" | "--help" | "-h" => Ok(Command::Help),
        "build" => without_arguments(Command::Build),
        "guests" => without_arguments(Command::Guests),
        "tools" => without_arguments(Command::Tools),
        "long" => without_arguments(Command::Long),
        "bless" => without_arguments(Command::Bless),
        "demo" => match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => Ok(Command::Demo { keep: false }),
            ["--keep"] => Ok(Command::Demo { keep: true }),
            other => Err(format!("`demo {}` is not a command; `demo` accepts only --keep", other.join(" "))),
        },
        "test" if rest.iter().any(|word| word == "--list") => Ok(Command::ListStages),
        "test" => match rest.iter().find(|word| word.starts_with('-')) {
            None => Ok(Command::Test { stages: rest }),
            Some(option) => Err(format!("`test` has no option `{option}`")),
        },
        "bench" | "sim" => {
            let skip = usize::from(rest.first().is_some_and(|word| word == "--"));
            let rest = rest.into_iter().skip(skip).collect();
            Ok(if command == "bench" { Command::Bench { rest } } else { Command::Simulate { rest } })
        }
        other => Err(format!("there is no command `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Command, &str>) {
        let words = line.split_whitespace().map(str::to_owned);
        assert_eq!(parse(words), expected.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn command_lines_are_parsed() {
        check("help", Ok(Command::Help));
        check("build", Ok(Command::Build));
        check("guests", Ok(Command::Guests));
        check("tools", Ok(Command::Tools));
        check("long", Ok(Command::Long));
        check("demo", Ok(Command::Demo { keep: false }));
        check("demo --keep", Ok(Command::Demo { keep: true }));
        check("test", Ok(Command::Test { stages: vec![] }));
        check("test lint docs", Ok(Command::Test { stages: vec!["lint".to_owned(), "docs".to_owned()] }));
        check("test --list", Ok(Command::ListStages));
        check("bench", Ok(Command::Bench { rest: vec![] }));
        check("bench --quick", Ok(Command::Bench { rest: vec!["--quick".to_owned()] }));
        check("bench -- --quick", Ok(Command::Bench { rest: vec!["--quick".to_owned()] }));
        let rest = vec!["--seed".to_owned(), "7".to_owned()];
        check("sim -- --seed 7", Ok(Command::Simulate { rest }));
        check("bless", Ok(Command::Bless));
    }

    #[test]
    fn errors_name_the_wrong_argument() {
        check("", Err("a command is missing"));
        check("tset", Err("there is no command `tset`"));
        check("guests all", Err("unexpected argument `all`"));
        check("demo --kepe", Err("`demo --kepe` is not a command; `demo` accepts only --keep"));
        check("test --fast", Err("`test` has no option `--fast`"));
    }
}
